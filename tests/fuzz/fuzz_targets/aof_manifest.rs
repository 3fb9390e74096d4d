//! Damaged or hostile manifests of an append-only log: whatever the bytes, they are refused, or they name files, can be written
//! again, and can be gone on with under names that are not taken.
//!
//! `tests/fuzz/run 60 aof_manifest`
#![no_main]

use libfuzzer_sys::fuzz_target;
use minium::persistence::aof::manifest::{Form, Manifest};

const STEM: &str = "appendonly.aof";

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut manifest) = Manifest::parse(STEM, bytes) else {
        return;
    };
    if manifest == Manifest::new(STEM) {
        // Nothing but comments.
        return;
    }
    let again = |manifest: &Manifest| Manifest::parse(STEM, manifest.text().as_bytes());
    assert_eq!(again(&manifest).as_ref(), Ok(&manifest));
    assert!(manifest.parts().all(|part| !part.name.contains('/')));

    let increment = manifest.add_increment().to_owned();
    assert!(!manifest.misses(&increment));
    let base = manifest.replace_base(Form::Rdb, 1).to_owned();
    assert!(!manifest.misses(&base));
    assert_eq!(again(&manifest).as_ref(), Ok(&manifest));
    assert_eq!(manifest.parts().count(), 2);
});

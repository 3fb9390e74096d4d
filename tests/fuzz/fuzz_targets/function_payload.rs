//! Payloads of FUNCTION DUMP from damaged or hostile servers: whatever the bytes, FUNCTION RESTORE refuses them, or they are libraries
//! of which it makes a payload that has the same libraries again.
//!
//! `tests/fuzz/run 60 function_payload`
//!
//! The input stands before version and checksum, or hardly any input would be looked at.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use minium::command::function;
use minium::persistence::rdb::encode;
use minium::persistence::rdb::format::payload;
use minium::scripting::{Catalogue, Scripts};

const LIMIT: Option<Duration> = Some(Duration::from_millis(20));

fn restore(body: &[u8]) -> Option<Catalogue> {
    function::restored(&Scripts::default(), body, LIMIT).ok()
}

fuzz_target!(|body: &[u8]| {
    let Some(libraries) = restore(body) else {
        return;
    };
    for compresses in [false, true] {
        let dumped = encode::libraries_payload(&libraries.sources(), compresses);
        let dumped = payload::body(&dumped).expect("version and checksum are right");
        let again = restore(dumped).expect("what was dumped can be restored");
        assert_eq!(again.sources(), libraries.sources());
        assert_eq!(again.functions(), libraries.functions());
    }
});

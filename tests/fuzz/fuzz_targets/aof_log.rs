//! Damaged or hostile files of an append-only log: whatever the bytes, the file is refused, or its commands are run; and where
//! its torn end is cut off, what remains is a whole file of the same commands.
//!
//! `tests/fuzz/run 60 aof_log`
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use minium::persistence::aof::load::{self, LoadError, Place, Target};
use minium::protocol::Request;

const STEM: &str = "log";
const FILE: &str = "log.1.incr.aof";

/// The server's folder, with a log in it that consists of one file.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("minium-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join(STEM)).unwrap();
    let manifest = format!("file {FILE} seq 1 type i\n");
    fs::write(folder.join(STEM).join("log.manifest"), manifest).unwrap();
    folder
});

type Command = Vec<Vec<u8>>;

/// Takes commands down. A transaction counts when it ends.
#[derive(Default)]
struct Notes {
    done: Vec<Command>,
    queued: Option<Vec<Command>>,
    expected: u64,
    advanced: u64,
}

impl Target for Notes {
    fn snapshot(&mut self, _: &Path) -> Result<u64, String> {
        Err("snapshots have a target of their own".to_owned())
    }

    fn run(&mut self, request: Request<'_>) -> Result<(), String> {
        let command: Command = request.iter().map(<[u8]>::to_vec).collect();
        match (command[0].as_slice(), &mut self.queued) {
            (b"MULTI", Some(_)) => return Err("nested".to_owned()),
            (b"MULTI", queued @ None) => *queued = Some(vec![command]),
            (b"EXEC", None) => return Err("EXEC without MULTI".to_owned()),
            (name, Some(queued)) => {
                let is_end = name == b"EXEC";
                queued.push(command);
                if is_end {
                    self.done.append(queued);
                    self.queued = None;
                }
            }
            (_, None) => self.done.push(command),
        }
        Ok(())
    }

    fn is_in_transaction(&self) -> bool {
        self.queued.is_some()
    }

    fn expect(&mut self, bytes: u64) {
        self.expected += bytes;
    }

    fn advance(&mut self, bytes: u64) -> bool {
        self.advanced += bytes;
        assert!(self.advanced <= self.expected);
        true
    }
}

fn load(may_cut: bool) -> Result<Vec<Command>, LoadError> {
    let mut notes = Notes::default();
    let place = Place {
        dir: &FOLDER,
        folder: STEM,
        stem: STEM,
        may_cut,
    };
    load::load(place, &mut notes)?;
    Ok(notes.done)
}

fuzz_target!(|bytes: &[u8]| {
    let file = FOLDER.join(STEM).join(FILE);
    fs::write(&file, bytes).unwrap();
    let strict = load(false);
    let is_torn = matches!(strict, Err(LoadError::Torn { .. }));
    assert_eq!(fs::read(&file).unwrap(), bytes, "nobody allowed to cut");
    match (strict.ok(), load(true).ok()) {
        (None, Some(cut)) => {
            assert!(is_torn);
            let rest = fs::read(&file).unwrap();
            assert!(rest.len() < bytes.len() && bytes.starts_with(&rest));
            assert_eq!(load(false).expect("what remains is whole"), cut);
        }
        (strict, lenient) => {
            assert!(!is_torn);
            assert_eq!(strict, lenient);
            assert_eq!(fs::read(&file).unwrap(), bytes, "nothing was torn");
        }
    }
});

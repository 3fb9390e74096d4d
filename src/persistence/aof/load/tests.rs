//! Logs that are whole, torn at every length, and damaged at every byte.

use std::fs;

use tempfile::TempDir;

use super::*;

/// Takes what is loaded down as text; refuses what does not look like a command of this test.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    done: Vec<String>,
    queued: Option<Vec<String>>,
    expected: u64,
    advanced: u64,
}

impl Target for Notes {
    fn snapshot(&mut self, path: &Path) -> Result<u64, String> {
        let bytes = fs::read(path).unwrap();
        let end = bytes.iter().position(|byte| *byte == b';');
        let end = end.ok_or("the snapshot has no end")?;
        self.done
            .push(String::from_utf8_lossy(&bytes[..end]).into());
        Ok(end as u64 + 1)
    }

    fn run(&mut self, request: Request<'_>) -> Result<(), String> {
        let words: Vec<_> = request.iter().map(String::from_utf8_lossy).collect();
        let text = words.join(" ");
        match (&words[0][..], &mut self.queued) {
            ("MULTI", queued @ None) => *queued = Some(Vec::new()),
            ("EXEC", Some(_)) => self.done.extend(self.queued.take().unwrap()),
            ("SET" | "SELECT", Some(queued)) => queued.push(text),
            ("SET" | "SELECT", None) => self.done.push(text),
            (name, _) => return Err(format!("Unknown command '{name}'")),
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
        true
    }
}

const STEM: &str = "appendonly.aof";

fn command(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let bulks = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), bulks.collect::<String>())
}

fn commands(texts: &[&str]) -> String {
    texts.iter().map(|text| command(text)).collect()
}

/// A server's folder with files in the log's folder.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("log")).unwrap();
    for (name, bytes) in files {
        fs::write(dir.path().join("log").join(name), bytes).unwrap();
    }
    dir
}

fn load_from(dir: &TempDir, may_cut: bool) -> Result<(Manifest, Vec<String>), LoadError> {
    let place = Place {
        dir: dir.path(),
        folder: "log",
        stem: STEM,
        may_cut,
    };
    let mut notes = Notes::default();
    let manifest = load(place, &mut notes)?;
    Ok((manifest, notes.done))
}

const MANIFEST: &str = "file appendonly.aof.1.base.rdb seq 1 type b\n\
                        file appendonly.aof.1.incr.aof seq 1 type i\n\
                        file appendonly.aof.2.incr.aof seq 2 type i\n";

fn three_files(base: &str, first: &str, second: &str) -> TempDir {
    folder(&[
        ("appendonly.aof.manifest", MANIFEST),
        ("appendonly.aof.1.base.rdb", base),
        ("appendonly.aof.1.incr.aof", first),
        ("appendonly.aof.2.incr.aof", second),
    ])
}

#[test]
fn base_and_increments_are_loaded_in_order() {
    let first = format!("#TS:1700000000\r\n{}", commands(&["SELECT 0", "SET a 1"]));
    let second = commands(&["SET b 2", "MULTI", "SET c 3", "SET d 4", "EXEC"]);
    let dir = three_files("REDIS0011;", &first, &second);
    let (manifest, done) = load_from(&dir, false).unwrap();
    assert_eq!(manifest.parts().count(), 3);
    assert_eq!(
        done,
        [
            "REDIS0011",
            "SELECT 0",
            "SET a 1",
            "SET b 2",
            "SET c 3",
            "SET d 4"
        ]
    );
}

#[test]
fn where_no_log_is_nothing_is_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let (manifest, done) = load_from(&dir, true).unwrap();
    assert!(manifest.is_empty() && done.is_empty());
    let dir = folder(&[]);
    assert!(load_from(&dir, true).unwrap().0.is_empty());
}

#[test]
fn a_tail_torn_at_any_length_is_cut_back_to_the_last_whole_command_or_transaction() {
    let records: [&[&str]; 4] = [
        &["SELECT 0"],
        &["SET a 1"],
        &["MULTI", "SET b 2", "SET c 3", "EXEC"],
        &["SET d 4"],
    ];
    let parts: Vec<String> = records.iter().map(|texts| commands(texts)).collect();
    let whole: String = parts.concat();
    for length in 0..whole.len() {
        let dir = three_files("REDIS0011;", "", &whole[..length]);
        let mut end = 0;
        let mut expected = vec!["REDIS0011"];
        for (part, texts) in parts.iter().zip(records) {
            if end + part.len() > length {
                break;
            }
            end += part.len();
            expected.extend(texts.iter().filter(|text| text.contains(' ')));
        }
        if end != length {
            let refused = load_from(&dir, false).unwrap_err();
            assert!(
                matches!(refused, LoadError::Torn { .. }),
                "{length}: {refused}"
            );
        }
        let (_, done) = load_from(&dir, true).unwrap();
        assert_eq!(done, expected, "{length}");
        let file = dir.path().join("log/appendonly.aof.2.incr.aof");
        assert_eq!(fs::read_to_string(file).unwrap(), whole[..end]);
        // What remains is whole.
        assert_eq!(load_from(&dir, false).unwrap().1, expected);
    }
}

#[test]
fn only_the_last_file_may_be_torn() {
    let torn = &command("SET a 1")[..12];
    let dir = three_files("REDIS0011;", torn, &command("SET b 2"));
    let error = load_from(&dir, true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Fatal error: the truncated file is not the last file: appendonly.aof.1.incr.aof"
    );
    let file = dir.path().join("log/appendonly.aof.1.incr.aof");
    assert_eq!(fs::read_to_string(file).unwrap(), torn);
}

#[test]
fn what_is_no_log_is_refused_with_its_place() {
    let good = command("SET a 1");
    for (text, reason) in [
        ("SET a 1\r\n", "Bad file format"),
        ("*0\r\n", "Bad file format"),
        ("*-1\r\n", "Bad file format"),
        ("*x\r\n", "Bad file format"),
        ("\r\n", "Bad file format"),
        ("\0\0\0\0", "Bad file format"),
        ("*1\r\n:5\r\n", "Bad file format"),
        ("*1\r\n$-1\r\n", "Bad file format"),
        ("*1\r\n$4\r\nNOPE\r\n", "Unknown command 'NOPE'"),
    ] {
        let dir = three_files("REDIS0011;", "", &format!("{good}{text}{good}"));
        let error = load_from(&dir, true).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{text:?}: {error}");
        let place = format!(
            "reading the append only file appendonly.aof.2.incr.aof at offset {}",
            good.len()
        );
        assert!(error.contains(&place), "{error}");
    }
    let dir = three_files("REDIS0011", "", "");
    let error = load_from(&dir, true).unwrap_err().to_string();
    assert_eq!(
        error,
        "Error reading the RDB base file appendonly.aof.1.base.rdb, AOF loading aborted: the snapshot has no end"
    );
}

#[test]
fn a_note_ends_somewhere() {
    for (len, is_note) in [(LONGEST_NOTE, true), (LONGEST_NOTE + 1, false)] {
        let note = format!("#{}\n", "x".repeat(len - 2));
        let dir = three_files("REDIS0011;", "", &format!("{note}{}", command("SET a 1")));
        assert_eq!(load_from(&dir, true).is_ok(), is_note, "{len}");
        // With no end in sight, such a line is no torn one either.
        let dir = three_files("REDIS0011;", "", &note[..len - 1]);
        assert_eq!(load_from(&dir, true).is_ok(), is_note, "{len}");
    }
}

#[test]
fn a_file_that_is_missing_or_hidden_is_an_error() {
    for name in ["1.base.rdb", "1.incr.aof", "2.incr.aof"] {
        let dir = three_files("REDIS0011;", &command("SET a 1"), &command("SET b 2"));
        fs::remove_file(dir.path().join(format!("log/appendonly.aof.{name}"))).unwrap();
        let error = load_from(&dir, true).unwrap_err();
        assert!(matches!(error, LoadError::Missing { .. }), "{error}");
    }
    let dir = three_files("REDIS0011;", &command("SET a 1"), &command("SET b 2"));
    fs::remove_file(dir.path().join("log/appendonly.aof.manifest")).unwrap();
    let error = load_from(&dir, true).unwrap_err();
    assert!(matches!(error, LoadError::Hidden(_)), "{error}");
}

#[test]
fn a_flipped_byte_of_the_log_never_starts_with_less_and_no_word_of_it() {
    let text = commands(&[
        "SELECT 0", "SET a 1", "MULTI", "SET b 2", "SET c 3", "EXEC", "SET d 4",
    ]);
    for at in 0..text.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 0xff] {
            let dir = three_files("REDIS0011;", "", "");
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            let file = dir.path().join("log/appendonly.aof.2.incr.aof");
            fs::write(&file, &bytes).unwrap();
            // The server warns before it cuts anything off, and refuses what is no end of a file.
            if let Ok((_, done)) = load_from(&dir, false) {
                assert!(done.len() >= 5, "{at} {flip}: {done:?}");
            }
            if let Ok((_, done)) = load_from(&dir, true) {
                let is_cut = (fs::read(&file).unwrap().len()) < bytes.len();
                assert!(done.len() >= 5 || is_cut, "{at} {flip}: {done:?}");
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_the_manifest_never_starts_with_less() {
    let first = command("SET a 1");
    let second = command("SET b 2");
    for at in 0..MANIFEST.len() {
        for bit in 0..u8::BITS {
            let dir = three_files("REDIS0011;", &first, &second);
            let mut bytes = MANIFEST.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            fs::write(dir.path().join("log/appendonly.aof.manifest"), bytes).unwrap();
            if let Ok((_, done)) = load_from(&dir, true) {
                assert_eq!(done, ["REDIS0011", "SET a 1", "SET b 2"], "{at} {bit}");
            }
        }
    }
}

#[test]
fn the_single_file_of_an_old_server_becomes_the_base() {
    for tail in ["", &command("SET b 2")] {
        let dir = tempfile::tempdir().unwrap();
        let old = format!("{}{tail}", command("SET a 1"));
        fs::write(dir.path().join(STEM), &old).unwrap();
        let (manifest, done) = load_from(&dir, true).unwrap();
        assert_eq!(manifest, Manifest::of_single_file(STEM));
        assert_eq!(done[0], "SET a 1");
        assert!(!dir.path().join(STEM).exists());
        assert_eq!(
            fs::read_to_string(dir.path().join("log").join(STEM)).unwrap(),
            old
        );
        assert_eq!(load_from(&dir, true).unwrap().1, done);
    }
    // With a snapshot in front, and interrupted before the file was moved.
    let dir = folder(&[(
        "appendonly.aof.manifest",
        "file appendonly.aof seq 1 type b\n",
    )]);
    let old = format!("REDIS0009;{}", command("SET a 1"));
    fs::write(dir.path().join(STEM), old).unwrap();
    assert_eq!(load_from(&dir, true).unwrap().1, ["REDIS0009", "SET a 1"]);
    assert!(!dir.path().join(STEM).exists());
}

#[test]
fn an_old_file_beside_a_log_is_left_alone() {
    let dir = three_files("REDIS0011;", "", &command("SET b 2"));
    fs::write(dir.path().join(STEM), command("SET a 1")).unwrap();
    assert_eq!(load_from(&dir, true).unwrap().1, ["REDIS0011", "SET b 2"]);
    assert!(dir.path().join(STEM).exists());
}

/// What the log is to be when a rewrite has ended.
const NEXT: &str = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                    file appendonly.aof.1.base.rdb seq 1 type h\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n";

const PREPARED: &str = "temp-appendonly.aof.manifest";

/// A log, and what a kill leaves of a rewrite that had come to its last step.
fn rewritten_but_for_the_manifest() -> TempDir {
    let dir = three_files("REDIS0011;", &command("SET a 1"), &command("SET b 2"));
    let log = dir.path().join("log");
    fs::write(log.join("appendonly.aof.2.base.rdb"), "REDIS0010;").unwrap();
    fs::write(log.join(PREPARED), NEXT).unwrap();
    dir
}

#[test]
fn a_rewrite_that_lacks_its_last_step_is_finished() {
    let dir = rewritten_but_for_the_manifest();
    let log = dir.path().join("log");
    let (manifest, done) = load_from(&dir, true).unwrap();
    assert_eq!(done, ["REDIS0010", "SET b 2"]);
    assert_eq!(manifest.text(), NEXT);
    let now = fs::read_to_string(log.join("appendonly.aof.manifest")).unwrap();
    assert_eq!(now, NEXT);
    assert!(!log.join(PREPARED).exists());
    assert_eq!(load_from(&dir, true).unwrap().1, done);
}

#[test]
fn of_a_rewrite_that_lacks_more_the_base_is_removed_and_nothing_else() {
    let dir = rewritten_but_for_the_manifest();
    let log = dir.path().join("log");
    let next = NEXT.replace("2.incr.aof seq 2", "3.incr.aof seq 3")
        + "file appendonly.aof.2.incr.aof seq 2 type h\n";
    fs::write(log.join(PREPARED), next).unwrap();
    fs::write(log.join("appendonly.aof.3.base.rdb"), "somebody's").unwrap();
    let (manifest, done) = load_from(&dir, true).unwrap();
    assert_eq!(done, ["REDIS0011", "SET a 1", "SET b 2"]);
    assert_eq!(manifest.text(), MANIFEST);
    assert!(!log.join("appendonly.aof.2.base.rdb").exists());
    assert!(log.join("appendonly.aof.3.base.rdb").exists());
}

#[test]
fn what_does_not_follow_from_the_manifest_is_left_alone() {
    for (text, why) in [
        (
            "file appendonly.aof.2.base.rdb seq 2 type b\n",
            "forgets parts",
        ),
        ("file appendonly.aof.2.base.rdb seq 2 ty", "is torn"),
        (MANIFEST, "has no new base"),
        ("", "is empty"),
    ] {
        let dir = rewritten_but_for_the_manifest();
        let log = dir.path().join("log");
        fs::write(log.join(PREPARED), text).unwrap();
        let (_, done) = load_from(&dir, true).unwrap();
        assert_eq!(done, ["REDIS0011", "SET a 1", "SET b 2"], "{why}");
        assert!(log.join("appendonly.aof.2.base.rdb").exists(), "{why}");
    }
    // A folder that has lost its manifest.
    let dir = rewritten_but_for_the_manifest();
    let log = dir.path().join("log");
    fs::remove_file(log.join("appendonly.aof.manifest")).unwrap();
    fs::remove_file(log.join(PREPARED)).unwrap();
    let error = load_from(&dir, true).unwrap_err();
    assert!(matches!(error, LoadError::Hidden(_)), "{error}");
    assert_eq!(fs::read_dir(&log).unwrap().count(), 4);
}

#[test]
fn a_flipped_byte_beside_an_interrupted_rewrite_never_starts_with_less() {
    for at in 0..MANIFEST.len() {
        for bit in 0..u8::BITS {
            let dir = rewritten_but_for_the_manifest();
            let mut bytes = MANIFEST.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            fs::write(dir.path().join("log/appendonly.aof.manifest"), bytes).unwrap();
            if let Ok((_, done)) = load_from(&dir, true) {
                let is_whole = done == ["REDIS0011", "SET a 1", "SET b 2"];
                assert!(
                    is_whole || done == ["REDIS0010", "SET b 2"],
                    "{at} {bit}: {done:?}"
                );
            }
        }
    }
}

use super::*;
use crate::keyspace::Keyspace;
use crate::keyspace::access::Record;
use crate::persistence::rdb::format::{Checksum, kind, opcode, write_bytes, write_length};
use crate::types::list::Layout;
use crate::types::listpack::Listpack;
use crate::types::string::StringRef;
use crate::types::{self, set};

const NOW: u64 = 1_790_000_000_000;
const DATABASES: usize = 4;

fn options(threads: usize) -> Options<'static> {
    let limits = types::Limits {
        entries: 16,
        value: 64,
    };
    Options {
        rules: Rules {
            hash: limits,
            set: set::Limits {
                integers: 16,
                packed: limits,
            },
            zset: limits,
            list: Layout::new(-2, 0, Layout::PLAIN),
            deep: false,
        },
        databases: DATABASES,
        verify: true,
        skip_unknown: false,
        now: NOW,
        access: AccessClock::new(NOW, Record::Date, 10, 1),
        threads,
        sizes: Sizes::USUAL,
        delay: Arc::new(|| Duration::ZERO),
        library: Arc::new(|source| match source {
            b"#!l" => Ok(()),
            other => Err(format!("{}?", other.escape_ascii())),
        }),
    }
}

/// A file that grows item by item.
struct Builder(Vec<u8>);

impl Builder {
    fn new(version: u16) -> Builder {
        Builder(format!("REDIS{version:04}").into_bytes())
    }

    fn raw(mut self, bytes: &[u8]) -> Builder {
        self.0.extend_from_slice(bytes);
        self
    }

    fn aux(mut self, name: &str, value: &str) -> Builder {
        self.0.push(opcode::AUX);
        write_bytes(&mut self.0, name.as_bytes());
        write_bytes(&mut self.0, value.as_bytes());
        self
    }

    fn database(mut self, number: u64) -> Builder {
        self.0.push(opcode::SELECTDB);
        write_length(&mut self.0, number);
        self.raw(&[opcode::RESIZEDB, 3, 1])
    }

    fn deadline(self, at: i64) -> Builder {
        self.raw(&[opcode::EXPIRETIME_MS]).raw(&at.to_le_bytes())
    }

    fn value(mut self, kind: u8, key: &str, value: &[u8]) -> Builder {
        self.0.push(kind);
        write_bytes(&mut self.0, key.as_bytes());
        self.raw(value)
    }

    fn string(self, key: &str, value: &str) -> Builder {
        let mut bytes = Vec::new();
        write_bytes(&mut bytes, value.as_bytes());
        self.value(kind::STRING, key, &bytes)
    }

    fn end(self) -> Vec<u8> {
        let mut bytes = self.raw(&[opcode::EOF]).0;
        let checksum = Checksum::of(&bytes).to_le_bytes();
        bytes.extend_from_slice(&checksum);
        bytes
    }
}

/// A small file with something of everything.
fn sample() -> Vec<u8> {
    let words = ["f", "v", "g", "1"].map(|word| StringRef::Bytes(word.as_bytes()));
    let mut packed = Vec::new();
    write_bytes(
        &mut packed,
        &words.into_iter().collect::<Listpack>().into_bytes(),
    );
    Builder::new(11)
        .aux("redis-ver", "7.2.4")
        .aux("ctime", "1790000000")
        .aux("used-mem", "1000000")
        .database(0)
        .string("a", "1")
        .raw(&[opcode::IDLE, 40])
        .string("idle", "x")
        .raw(&[opcode::FREQ, 77])
        .string("often", "x")
        .deadline(NOW as i64 + 1000)
        .value(kind::HASH_LISTPACK, "hash", &packed)
        .deadline(NOW as i64 - 1)
        .string("dead", "x")
        .database(3)
        .raw(&[opcode::EXPIRETIME, 0xFF, 0xFF, 0xFF, 0x7F])
        .value(kind::SET, "set", b"\x02\x01x\x01y")
        .value(kind::LIST, "list", b"\x03\x01x\x01y\x01z")
        .end()
}

fn load_with(
    bytes: &[u8],
    options: &Options<'_>,
    piece: usize,
    large: usize,
) -> Result<(Report, Keyspace), LoadError> {
    let keyspace = Keyspace::new(DATABASES, 2);
    let fill = |entries: &mut Vec<Fresh>| keyspace.lock_none().fill(entries);
    let loading = Loading::default();
    let options = Options {
        sizes: Sizes { piece, large },
        ..options.clone()
    };
    let report = match options.threads {
        1 => load_here(bytes, &options, &loading, fill)?,
        _ => load(bytes, &options, &loading, fill)?,
    };
    Ok((report, keyspace))
}

fn load_bytes(bytes: &[u8]) -> Result<(Report, Keyspace), LoadError> {
    load_with(bytes, &options(2), 64 << 10, 1 << 20)
}

fn digest(keyspace: &Keyspace) -> String {
    keyspace.lock_all().digest(NOW).to_string()
}

#[test]
fn all_of_a_file_is_stored_and_counted() {
    let bytes = sample();
    let (report, keyspace) = load_bytes(&bytes).unwrap();
    let expected = Report {
        keys: 6,
        expired: 1,
        end: bytes.len() as u64,
        ..Report::default()
    };
    assert_eq!(report, expected);
    let counts = keyspace.lock_all().counts();
    let keys: Vec<_> = counts
        .iter()
        .map(|count| (count.keys, count.expires))
        .collect();
    assert_eq!(keys, [(4, 1), (0, 0), (0, 0), (2, 1)]);
}

#[test]
fn pieces_and_threads_of_any_number_make_the_same() {
    let bytes = sample();
    let expected = digest(&load_bytes(&bytes).unwrap().1);
    for threads in 1..4 {
        for piece in [1, 2, 10, 33, 1000] {
            let loaded = load_with(&bytes, &options(threads), piece, 1 << 20);
            let (report, keyspace) = loaded.unwrap();
            assert_eq!((report.keys, report.expired), (6, 1), "pieces of {piece}");
            assert_eq!(digest(&keyspace), expected);
        }
    }
}

#[test]
fn a_collection_larger_than_a_piece_is_built_while_it_is_read() {
    let mut list = Vec::new();
    write_length(&mut list, 500);
    (0..500).for_each(|number| write_bytes(&mut list, format!("element:{number}").as_bytes()));
    let file = |value: &[u8]| {
        Builder::new(10)
            .database(1)
            .string("before", "x")
            .deadline(NOW as i64 + 5)
            .value(kind::LIST, "large", value)
            .string("behind", "y")
            .end()
    };
    let bytes = file(&list);
    let expected = digest(&load_bytes(&bytes).unwrap().1);
    for large in [1, 100, 3000] {
        let (report, keyspace) = load_with(&bytes, &options(2), 16, large).unwrap();
        assert_eq!((report.keys, report.end), (3, bytes.len() as u64));
        assert_eq!(digest(&keyspace), expected);
    }
    for cut in 0..bytes.len() {
        assert!(
            load_with(&bytes[..cut], &options(1), 16, 100).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample();
    for cut in 0..bytes.len() {
        for piece in [8, 64 << 10] {
            let error = load_with(&bytes[..cut], &options(2), piece, 1 << 20);
            let error = error
                .map(|(report, _)| report)
                .expect_err("a file that ends early");
            assert!(
                matches!(error.reason, Reason::Format(FormatError::Truncated)),
                "{error}"
            );
            assert!(error.offset <= cut as u64);
        }
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    let bytes = sample();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xFF] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let loaded = load_bytes(&bytes).map(|(report, _)| report);
            assert!(loaded.is_err(), "byte {at} changed by {flip:#x} was loaded");
        }
    }
}

#[test]
fn versions_differ_in_what_they_begin_and_end_with() {
    for version in 1..=NEWEST_READ {
        let file = Builder::new(version).database(0).string("k", "v");
        let bytes = if version < 5 {
            file.raw(&[opcode::EOF]).0
        } else {
            file.end()
        };
        let (report, _) = load_bytes(&bytes).unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!((report.keys, report.end), (1, bytes.len() as u64));
    }
    for begin in [
        "REDIS0013",
        "REDIS0000",
        "REDIS9999",
        "REDIS00x1",
        "REDIS-001",
        "VALKEY080",
    ] {
        let bytes = Builder(begin.as_bytes().to_vec()).end();
        let error = load_bytes(&bytes).map(|_| ()).expect_err(begin);
        assert!(
            matches!(error.reason, Reason::Version(_) | Reason::Signature),
            "{error}"
        );
    }
}

const NEWEST_READ: u16 = crate::persistence::rdb::format::NEWEST;

#[test]
fn no_checksum_is_accepted_and_a_wrong_one_where_it_is_not_compared() {
    let mut bytes = sample();
    let end = bytes.len() - 8;
    bytes[end..].fill(0);
    assert_eq!(load_bytes(&bytes).unwrap().0.keys, 6);
    bytes[end..].fill(9);
    let error = load_bytes(&bytes).map(|_| ()).unwrap_err();
    assert!(matches!(error.reason, Reason::Checksum { .. }), "{error}");
    let options = Options {
        verify: false,
        ..options(1)
    };
    assert_eq!(load_with(&bytes, &options, 100, 1000).unwrap().0.keys, 6);
}

#[test]
fn data_behind_the_end_are_left_to_the_caller() {
    let mut bytes = sample();
    let end = bytes.len();
    bytes.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    for piece in [16, 64 << 10] {
        let (report, _) = load_with(&bytes, &options(2), piece, 1 << 20).unwrap();
        assert_eq!(report.end, end as u64);
    }
}

#[test]
fn dead_keys_are_kept_where_commands_follow_that_know_them() {
    let options = Options {
        now: 0,
        ..options(1)
    };
    let (report, _) = load_with(&sample(), &options, 100, 1000).unwrap();
    assert_eq!((report.keys, report.expired), (7, 0));
}

#[test]
fn keys_are_as_old_and_as_used_as_they_were() {
    let access = |record| {
        let options = Options {
            access: AccessClock::new(NOW, record, 10, 1),
            ..options(1)
        };
        let (_, keyspace) = load_with(&sample(), &options, 100, 1000).unwrap();
        let clock = options.access;
        ["idle", "often"].map(|name| {
            let hash = crate::table::hash::of(name.as_bytes());
            let shard = keyspace.lock(keyspace.shard_of(hash));
            let table = shard.table(0).unwrap();
            let bits = table
                .get(table.find(hash, name.as_bytes()).unwrap())
                .access();
            (clock.idle(bits) / 1000, clock.frequency(bits))
        })
    };
    assert_eq!(access(Record::Date).map(|(idle, _)| idle), [40, 0]);
    assert_eq!(
        access(Record::Count).map(|(_, frequency)| frequency),
        [5, 77]
    );
}

#[test]
fn what_is_not_supported_ends_the_loading_unless_it_is_to_be_passed_over() {
    // A stream with one group that has one reader, a module's value and data.
    let mut stream =
        b"\x01\x10idididididididid\x05nodes\x01\x40\x50\x00\x40\x50\x00\x00\x00\x01".to_vec();
    stream.extend_from_slice(
        b"\x01\x05group\x40\x50\x00\x01\x01idididididididid\0\0\0\0\0\0\0\0\x01",
    );
    stream.extend_from_slice(b"\x01\x04name\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01idididididididid");
    let module = b"\x05\x01\x07\x02\x07\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x05\x03abc\x00";
    let things: [(&str, Builder); 3] = [
        (
            "stream",
            Builder::new(11).value(kind::STREAM_LISTPACKS_3, "s", &stream),
        ),
        (
            "module",
            Builder::new(11).value(kind::MODULE_2, "m", module),
        ),
        (
            "module",
            Builder::new(11).raw(&[opcode::MODULE_AUX, 5, 2, 1, 0]),
        ),
    ];
    for (name, file) in things {
        let bytes = file.string("k", "v").end();
        let error = load_bytes(&bytes).map(|_| ()).unwrap_err();
        assert!(
            matches!(&error.reason, Reason::Unsupported(what) if what.contains(name)),
            "{error}"
        );
        let options = Options {
            skip_unknown: true,
            ..options(2)
        };
        for piece in [1, 1000] {
            let (report, _) = load_with(&bytes, &options, piece, 100).unwrap();
            assert_eq!((report.keys, report.unknown), (1, 1), "{name}");
        }
    }
    let names_key = Builder::new(11)
        .value(kind::STREAM_LISTPACKS_3, "orders", &stream)
        .end();
    let error = load_bytes(&names_key).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("'orders'") && error.contains("rdb-skip-unknown"),
        "{error}"
    );
    // Nobody can tell where such a value ends.
    let old_module = Builder::new(8)
        .value(kind::MODULE_PRE_GA, "m", b"\x05")
        .end();
    assert!(load_bytes(&old_module).is_err());
}

#[test]
fn libraries_of_functions_are_handed_over() {
    let file = |source: &str| {
        let file = Builder::new(10).raw(&[opcode::FUNCTION2, source.len() as u8]);
        file.raw(source.as_bytes()).string("k", "v").end()
    };
    let (report, _) = load_bytes(&file("#!l")).unwrap();
    assert_eq!((report.keys, report.unknown), (1, 0));
    let error = load_bytes(&file("#!x")).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "at byte 9: Failed loading library, #!x?");
}

#[test]
fn keys_without_elements_are_left_out() {
    let bytes = Builder::new(9)
        .value(kind::HASH, "h", &[0])
        .string("k", "v")
        .end();
    let (report, _) = load_bytes(&bytes).unwrap();
    assert_eq!((report.keys, report.empty), (1, 1));
}

#[test]
fn a_key_that_is_there_twice_is_refused() {
    let bytes = Builder::new(9)
        .string("k", "1")
        .string("l", "1")
        .string("k", "2")
        .end();
    for piece in [1, 1000] {
        let error = load_with(&bytes, &options(2), piece, 1000)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error.reason, Reason::Duplicate(_)), "{error}");
    }
}

#[test]
fn a_database_too_many_is_refused() {
    let bytes = Builder::new(9).database(4).string("k", "1").end();
    let error = load_bytes(&bytes).map(|_| ()).unwrap_err();
    let expected = Reason::Database {
        database: 4,
        databases: 4,
    };
    assert_eq!(error.reason.to_string(), expected.to_string());
    assert_eq!(error.offset, 9, "where the database is selected");
}

#[test]
fn loading_stops_when_it_is_asked_to() {
    let keyspace = Keyspace::new(DATABASES, 2);
    let loading = Loading::default();
    loading.stop();
    let fill = |entries: &mut Vec<Fresh>| keyspace.lock_none().fill(entries);
    let error = load(&sample()[..], &options(2), &loading, fill).unwrap_err();
    assert!(matches!(error.reason, Reason::Stopped), "{error}");
}

#[test]
fn an_error_of_the_stream_tells_where() {
    struct Broken(usize);
    impl Read for Broken {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let bytes = sample();
            let rest = bytes.get(self.0..60).unwrap_or_default();
            if rest.is_empty() {
                return Err(io::Error::other("a bad sector"));
            }
            let count = rest.len().min(to.len()).min(7);
            to[..count].copy_from_slice(&rest[..count]);
            self.0 += count;
            Ok(count)
        }
    }
    let keyspace = Keyspace::new(DATABASES, 2);
    let fill = |entries: &mut Vec<Fresh>| keyspace.lock_none().fill(entries);
    let error = load(Broken(0), &options(2), &Loading::default(), fill).unwrap_err();
    assert_eq!(error.offset, 60);
    assert!(error.to_string().contains("a bad sector"));
}

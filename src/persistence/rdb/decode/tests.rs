use std::sync::LazyLock;

use super::*;
use crate::keyspace::Entry;
use crate::keyspace::entry::EntryRef;
use crate::persistence::rdb::format::{write_bytes, write_compressed, write_integer, write_length};
use crate::persistence::rdb::record::skip_value;
use crate::types::lzf;

/// Rules under which few elements are many.
static TIGHT: LazyLock<Rules> = LazyLock::new(|| Rules {
    hash: Limits {
        entries: 2,
        value: 8,
    },
    set: set::Limits {
        integers: 3,
        packed: Limits {
            entries: 2,
            value: 8,
        },
    },
    zset: Limits {
        entries: 2,
        value: 8,
    },
    list: list::Layout::new(-2, 0, list::Layout::PLAIN),
    deep: true,
});

/// Redis's own defaults, about.
static ROOMY: LazyLock<Rules> = LazyLock::new(|| Rules {
    hash: Limits {
        entries: 512,
        value: 64,
    },
    set: set::Limits {
        integers: 512,
        packed: Limits {
            entries: 128,
            value: 64,
        },
    },
    zset: Limits {
        entries: 128,
        value: 64,
    },
    ..*TIGHT
});

/// Type, encoding and elements, those without order sorted.
fn shown(entry: EntryRef<'_>) -> String {
    let value = entry.value();
    let text = |string: StringRef<'_>| string.to_vec().escape_ascii().to_string();
    let mut parts: Vec<String> = if let Ok(string) = value.string() {
        vec![text(string)]
    } else if let Ok(list) = value.collection::<List>() {
        list.iter().map(|element| text(element.as_ref())).collect()
    } else if let Ok(set) = value.collection::<Set>() {
        set.iter().map(text).collect()
    } else if let Ok(zset) = value.collection::<Zset>() {
        let pairs = zset.iter();
        pairs
            .map(|(member, score)| format!("{}:{score}", text(member)))
            .collect()
    } else {
        let fields = value.collection::<Hash>().expect("there is no other type");
        let field = |(name, field): (StringRef<'_>, crate::types::hash::Field<'_>)| {
            let deadline = field.deadline.map_or(String::new(), |at| format!("@{at}"));
            format!("{}={}{deadline}", text(name), text(field.value))
        };
        fields.iter().map(field).collect()
    };
    if matches!(value.type_name(), "set" | "hash") {
        parts.sort();
    }
    format!(
        "{} {} {}",
        value.type_name(),
        value.encoding_name(),
        parts.join(" ")
    )
}

fn read(kind: u8, bytes: &[u8], rules: &Rules) -> Result<Option<String>, DecodeError> {
    let mut input = Input::new(bytes);
    let read = value(kind, &mut input, rules, |value| {
        shown(Entry::new(b"k", value, None).as_ref())
    })?;
    assert_eq!(input.remaining(), 0, "bytes are left over");
    Ok(read)
}

/// What is read of a value, if it is also passed over, and neither is when any of its bytes are missing.
#[track_caller]
fn expect(kind: u8, bytes: &[u8], rules: &Rules, expected: &str) {
    assert_eq!(read(kind, bytes, rules).unwrap().as_deref(), Some(expected));
    let mut input = Input::new(bytes);
    skip_value(kind, &mut input).unwrap();
    assert_eq!(input.remaining(), 0, "not all is passed over");
    for cut in 0..bytes.len() {
        let cut = &bytes[..cut];
        assert_eq!(
            skip_value(kind, &mut Input::new(cut)),
            Err(FormatError::Truncated)
        );
        assert_eq!(read(kind, cut, rules), Err(FormatError::Truncated.into()));
    }
    // A byte that is another makes another value or none, but never harm.
    for at in 0..bytes.len() {
        for flip in 1..=u8::MAX {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= flip;
            let taken = |value: NewValue<'_>| drop(shown(Entry::new(b"k", value, None).as_ref()));
            let _ = value(kind, &mut Input::new(&bytes), rules, taken);
            let _ = skip_value(kind, &mut Input::new(&bytes));
        }
    }
}

fn strings(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    words
        .iter()
        .for_each(|word| write_bytes(&mut bytes, word.as_bytes()));
    bytes
}

fn counted(count: u64, words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_length(&mut bytes, count);
    bytes.extend_from_slice(&strings(words));
    bytes
}

fn listpack(words: &[&str]) -> Vec<u8> {
    let list: Listpack = words
        .iter()
        .map(|word| StringRef::Bytes(word.as_bytes()))
        .collect();
    list.into_bytes()
}

fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut wrapped = Vec::new();
    write_bytes(&mut wrapped, bytes);
    wrapped
}

/// A ziplist of short strings.
fn ziplist(words: &[&str]) -> Vec<u8> {
    let mut bytes = vec![0; 10];
    let (mut last, mut before) = (10, 0);
    for word in words {
        last = bytes.len();
        bytes.extend_from_slice(&[before, word.len() as u8]);
        bytes.extend_from_slice(word.as_bytes());
        before = (bytes.len() - last) as u8;
    }
    bytes.push(0xFF);
    let total = bytes.len() as u32;
    bytes[..4].copy_from_slice(&total.to_le_bytes());
    bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
    bytes[8] = words.len() as u8;
    bytes
}

fn intset(integers: &[i16]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    bytes.extend_from_slice(&(integers.len() as u32).to_le_bytes());
    bytes.extend(integers.iter().flat_map(|n| n.to_le_bytes()));
    bytes
}

#[test]
fn strings_of_every_form() {
    expect(
        kind::STRING,
        &strings(&["abc"]),
        &TIGHT,
        "string embstr abc",
    );
    expect(kind::STRING, &strings(&["-12"]), &TIGHT, "string int -12");
    expect(
        kind::STRING,
        &strings(&["012"]),
        &TIGHT,
        "string embstr 012",
    );
    expect(kind::STRING, &strings(&[""]), &TIGHT, "string embstr ");
    let mut bytes = Vec::new();
    write_integer(&mut bytes, -70_000);
    expect(kind::STRING, &bytes, &TIGHT, "string int -70000");
    for len in [100, 5000] {
        let text = "ab".repeat(len / 2);
        let mut bytes = Vec::new();
        write_compressed(&mut bytes, &lzf::compress(text.as_bytes()), len);
        expect(kind::STRING, &bytes, &TIGHT, &format!("string raw {text}"));
    }
}

#[test]
fn a_compressed_string_takes_no_more_memory_than_it_could_hold() {
    let mut bytes = Vec::new();
    write_compressed(&mut bytes, b"\0a", usize::MAX);
    let error = DecodeError::Format(FormatError::Compression);
    assert_eq!(read(kind::STRING, &bytes, &TIGHT), Err(error));
}

#[test]
fn lists_of_every_encoding() {
    let small = "list listpack a 1 b";
    let words = ["a", "1", "b"];
    expect(kind::LIST, &counted(3, &words), &TIGHT, small);
    expect(
        kind::LIST_ZIPLIST,
        &wrapped(&ziplist(&words)),
        &TIGHT,
        small,
    );
    let mut nodes = vec![3];
    for part in [&words[..1], &[], &words[1..]] {
        nodes.extend(wrapped(&ziplist(part)));
    }
    expect(kind::LIST_QUICKLIST, &nodes, &TIGHT, small);
    let node = |container: u64, bytes: &[u8]| {
        let mut node = Vec::new();
        write_length(&mut node, container);
        node.extend(wrapped(bytes));
        node
    };
    let one = [vec![1], node(2, &listpack(&words))].concat();
    expect(kind::LIST_QUICKLIST_2, &one, &TIGHT, small);
    let three = [
        vec![3],
        node(2, &listpack(&words[..1])),
        node(1, b"1"),
        node(2, &listpack(&words[2..])),
    ]
    .concat();
    expect(kind::LIST_QUICKLIST_2, &three, &TIGHT, small);
    let unknown = [vec![1], node(3, b"1")].concat();
    assert_eq!(
        read(kind::LIST_QUICKLIST_2, &unknown, &TIGHT),
        Err(DecodeError::Node(3))
    );
}

#[test]
fn nodes_beyond_the_size_of_a_list_become_chunks() {
    let layout = list::Layout::new(4, 0, list::Layout::PLAIN);
    let rules = Rules {
        list: layout,
        ..*TIGHT
    };
    let words: Vec<String> = (0..23).map(|number| format!("element-{number}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for sizes in [[3, 4, 4, 12], [4, 1, 1, 17], [23, 0, 0, 0], [1, 20, 1, 1]] {
        let mut bytes = vec![4];
        let mut rest = &words[..];
        for size in sizes {
            let (node, behind) = rest.split_at(size);
            bytes.push(2);
            bytes.extend(wrapped(&listpack(node)));
            rest = behind;
        }
        let expected = format!("list quicklist {}", words.join(" "));
        assert_eq!(
            read(kind::LIST_QUICKLIST_2, &bytes, &rules).unwrap(),
            Some(expected)
        );
    }
}

#[test]
fn sets_of_every_encoding() {
    let words = ["a", "7"];
    expect(kind::SET, &counted(2, &words), &TIGHT, "set listpack 7 a");
    expect(
        kind::SET,
        &counted(2, &["7", "-9"]),
        &TIGHT,
        "set intset -9 7",
    );
    expect(
        kind::SET_LISTPACK,
        &wrapped(&listpack(&words)),
        &TIGHT,
        "set listpack 7 a",
    );
    expect(
        kind::SET_INTSET,
        &wrapped(&intset(&[-9, 7])),
        &TIGHT,
        "set intset -9 7",
    );
    let many = ["a", "7", "b"];
    expect(kind::SET, &counted(3, &many), &TIGHT, "set hashtable 7 a b");
    expect(
        kind::SET_LISTPACK,
        &wrapped(&listpack(&many)),
        &TIGHT,
        "set hashtable 7 a b",
    );
    let integers = wrapped(&intset(&[1, 2, 3, 4]));
    expect(kind::SET_INTSET, &integers, &TIGHT, "set hashtable 1 2 3 4");
    expect(kind::SET_INTSET, &integers, &ROOMY, "set intset 1 2 3 4");
}

#[test]
fn hashes_of_every_encoding() {
    let words = ["f", "v", "g", "1"];
    let small = "hash listpack f=v g=1";
    expect(kind::HASH, &counted(2, &words), &TIGHT, small);
    expect(
        kind::HASH_LISTPACK,
        &wrapped(&listpack(&words)),
        &TIGHT,
        small,
    );
    expect(
        kind::HASH_ZIPLIST,
        &wrapped(&ziplist(&words)),
        &TIGHT,
        small,
    );
    expect(
        kind::HASH_ZIPMAP,
        &wrapped(b"\x02\x01f\x01\x00v\x01g\x01\x011 \xff"),
        &TIGHT,
        small,
    );
    let many = ["f", "v", "g", "1", "h", "2"];
    let large = "hash hashtable f=v g=1 h=2";
    expect(kind::HASH, &counted(3, &many), &TIGHT, large);
    expect(
        kind::HASH_LISTPACK,
        &wrapped(&listpack(&many)),
        &TIGHT,
        large,
    );
    expect(kind::HASH_ZIPLIST, &wrapped(&ziplist(&many)), &TIGHT, large);
    let long = counted(1, &["f", "longer than 8"]);
    expect(kind::HASH, &long, &TIGHT, "hash hashtable f=longer than 8");
}

#[test]
fn a_value_beyond_the_limit_makes_a_zipmap_a_table() {
    for (value, encoding) in [("12345678", "listpack"), ("123456789", "hashtable")] {
        let len = [value.len() as u8];
        let zipmap = [b"\x01\x01f", &len[..], b"\0", value.as_bytes(), b"\xff"].concat();
        let expected = format!("hash {encoding} f={value}");
        expect(kind::HASH_ZIPMAP, &wrapped(&zipmap), &TIGHT, &expected);
    }
}

#[test]
fn fields_keep_their_deadlines() {
    let timed = ["f", "v", "1000", "g", "1", "2000"];
    let small = "hash listpackex f=v@1000 g=1@2000";
    expect(
        kind::HASH_LISTPACK_EX_PRE_GA,
        &wrapped(&listpack(&timed)),
        &TIGHT,
        small,
    );
    let soonest = 1000u64.to_le_bytes();
    let with_soonest = [&soonest[..], &wrapped(&listpack(&timed))].concat();
    expect(kind::HASH_LISTPACK_EX, &with_soonest, &TIGHT, small);
    let fields = |deadlines: [u64; 3]| {
        let mut bytes = Vec::new();
        write_length(&mut bytes, 3);
        for (deadline, name) in deadlines.into_iter().zip(["f", "g", "h"]) {
            write_length(&mut bytes, deadline);
            bytes.extend(strings(&[name, "v"]));
        }
        bytes
    };
    let large = "hash hashtable f=v@1000 g=v h=v@1007";
    expect(
        kind::HASH_METADATA_PRE_GA,
        &fields([1000, 0, 1007]),
        &TIGHT,
        large,
    );
    let with_soonest = [&soonest[..], &fields([1, 0, 8])].concat();
    expect(kind::HASH_METADATA, &with_soonest, &TIGHT, large);
    expect(
        kind::HASH_METADATA,
        &with_soonest,
        &ROOMY,
        "hash listpackex f=v@1000 g=v h=v@1007",
    );
    let late = [&u64::MAX.to_le_bytes()[..], &fields([1, 0, 8])].concat();
    assert_eq!(
        read(kind::HASH_METADATA, &late, &TIGHT),
        Err(DecodeError::Deadline)
    );
    let disordered = wrapped(&listpack(&["f", "v", "2000", "g", "1", "1000"]));
    assert!(read(kind::HASH_LISTPACK_EX_PRE_GA, &disordered, &TIGHT).is_err());
}

#[test]
fn sorted_sets_of_every_encoding() {
    let words = ["b", "-1.5", "a", "3"];
    let small = "zset listpack b:-1.5 a:3";
    let mut texts = vec![2];
    for (member, score) in [("a", "3.0000000000000000"), ("b", "-1.5")] {
        texts.extend(strings(&[member]));
        texts.push(score.len() as u8);
        texts.extend(score.as_bytes());
    }
    expect(kind::ZSET, &texts, &TIGHT, small);
    let mut doubles = vec![2];
    for (member, score) in [("a", 3.0f64), ("b", -1.5)] {
        doubles.extend(strings(&[member]));
        doubles.extend(score.to_le_bytes());
    }
    expect(kind::ZSET_2, &doubles, &TIGHT, small);
    expect(
        kind::ZSET_LISTPACK,
        &wrapped(&listpack(&words)),
        &TIGHT,
        small,
    );
    expect(
        kind::ZSET_ZIPLIST,
        &wrapped(&ziplist(&words)),
        &TIGHT,
        small,
    );
    let many = ["z", "-inf", "b", "1", "c", "1"];
    let large = "zset skiplist z:-inf b:1 c:1";
    expect(
        kind::ZSET_LISTPACK,
        &wrapped(&listpack(&many)),
        &TIGHT,
        large,
    );
    expect(
        kind::ZSET_LISTPACK,
        &wrapped(&listpack(&many)),
        &ROOMY,
        "zset listpack z:-inf b:1 c:1",
    );
    expect(
        kind::ZSET,
        b"\x02\x01a\xFE\x01b\xFF",
        &TIGHT,
        "zset listpack b:-inf a:inf",
    );
}

#[test]
fn scores_out_of_order_or_none_are_refused() {
    let zset = |words: &[&str]| read(kind::ZSET_LISTPACK, &wrapped(&listpack(words)), &ROOMY);
    assert_eq!(zset(&["a", "3", "b", "1"]), Err(DecodeError::Order));
    assert_eq!(zset(&["b", "1", "a", "1"]), Err(DecodeError::Order));
    assert_eq!(zset(&["a", "1", "b", "x"]), Err(DecodeError::Order));
    assert_eq!(zset(&["a", "1", "b"]), Err(DecodeError::Order));
    assert_eq!(zset(&["a", "nan"]), Err(DecodeError::Order));
    assert_eq!(
        read(kind::ZSET, b"\x01\x01a\xFD", &ROOMY),
        Err(DecodeError::Score)
    );
    assert_eq!(
        read(kind::ZSET, b"\x01\x01a\x02x1", &ROOMY),
        Err(DecodeError::Score)
    );
    let nan = [&b"\x01\x01a"[..], &f64::NAN.to_le_bytes()].concat();
    assert_eq!(read(kind::ZSET_2, &nan, &ROOMY), Err(DecodeError::Score));
}

#[test]
fn what_is_there_twice_or_incomplete_is_refused() {
    let twice = Err(DecodeError::Twice);
    let pairs = ["f", "v", "f", "w"];
    for rules in [&*TIGHT, &*ROOMY] {
        assert_eq!(read(kind::SET, &counted(3, &["a", "b", "a"]), rules), twice);
        assert_eq!(read(kind::SET, &counted(3, &["1", "2", "1"]), rules), twice);
        assert_eq!(read(kind::HASH, &counted(2, &pairs), rules), twice);
        let packed = |kind, words: &[&str]| read(kind, &wrapped(&listpack(words)), rules);
        assert_eq!(packed(kind::SET_LISTPACK, &["a", "b", "a"]), twice);
        assert_eq!(packed(kind::HASH_LISTPACK, &pairs), twice);
        assert_eq!(packed(kind::HASH_LISTPACK, &["f"]), Err(DecodeError::Odd));
        assert_eq!(
            packed(kind::ZSET_LISTPACK, &["a", "1", "b", "2", "a", "3"]),
            twice
        );
        assert_eq!(
            read(kind::HASH_ZIPLIST, &wrapped(&ziplist(&pairs)), rules),
            twice
        );
        let zipmap = wrapped(b"\x02\x01f\x01\x00v\x01f\x01\x00w\xff");
        assert_eq!(read(kind::HASH_ZIPMAP, &zipmap, rules), twice);
        let doubles = [&b"\x02\x01a"[..], &[0; 8], b"\x01a", &[1; 8]].concat();
        assert_eq!(read(kind::ZSET_2, &doubles, rules), twice);
    }
    // What is to become a table tells even where nobody looks.
    let shallow = Rules {
        deep: false,
        ..*TIGHT
    };
    let many = wrapped(&listpack(&["f", "v", "g", "v", "f", "w"]));
    assert_eq!(read(kind::HASH_LISTPACK, &many, &shallow), twice);
    let many = wrapped(&listpack(&["a", "1", "b", "2", "a", "3"]));
    assert_eq!(read(kind::ZSET_LISTPACK, &many, &shallow), twice);
}

#[test]
fn collections_without_elements_are_no_values() {
    for kind in [
        kind::LIST,
        kind::SET,
        kind::ZSET,
        kind::ZSET_2,
        kind::HASH,
        kind::LIST_QUICKLIST,
    ] {
        assert_eq!(read(kind, &[0], &TIGHT), Ok(None));
    }
    for kind in [
        kind::SET_LISTPACK,
        kind::HASH_LISTPACK,
        kind::ZSET_LISTPACK,
        kind::HASH_LISTPACK_EX_PRE_GA,
    ] {
        assert_eq!(read(kind, &wrapped(&listpack(&[])), &TIGHT), Ok(None));
    }
    for kind in [kind::LIST_ZIPLIST, kind::HASH_ZIPLIST, kind::ZSET_ZIPLIST] {
        assert_eq!(read(kind, &wrapped(&ziplist(&[])), &TIGHT), Ok(None));
    }
    assert_eq!(
        read(kind::SET_INTSET, &wrapped(&intset(&[])), &TIGHT),
        Ok(None)
    );
    assert_eq!(
        read(kind::HASH_ZIPMAP, &wrapped(b"\x00\xff"), &TIGHT),
        Ok(None)
    );
}

#[test]
fn an_announced_number_takes_no_memory() {
    for kind in [kind::LIST, kind::SET, kind::ZSET_2, kind::HASH] {
        let bytes = b"\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02\x03abc";
        assert_eq!(
            read(kind, bytes, &TIGHT),
            Err(FormatError::Truncated.into())
        );
    }
}

#[test]
fn what_is_not_held_is_named() {
    assert_eq!(
        read(kind::STREAM_LISTPACKS_3, b"", &TIGHT),
        Err(DecodeError::Unsupported("stream"))
    );
    assert_eq!(
        read(kind::MODULE_2, b"", &TIGHT),
        Err(DecodeError::Unsupported("module"))
    );
    assert_eq!(read(8, b"", &TIGHT), Err(FormatError::Kind(8).into()));
}

#[test]
fn elements_may_come_in_any_portions() {
    let words: Vec<String> = (0..200).map(|number| format!("word-{number}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for (kind, bytes) in [
        (kind::LIST, counted(200, &words)),
        (kind::SET, counted(200, &words)),
        (kind::HASH, counted(100, &words)),
    ] {
        let whole = read(kind, &bytes, &TIGHT).unwrap();
        for portion in [1, 7, 100] {
            let mut input = Input::new(&bytes);
            let mut assembly = Assembly::begin(kind, &mut input, &TIGHT).unwrap();
            let (mut start, mut end) = (input.position(), 0);
            loop {
                let mut input = Input::new(&bytes[start..end.max(start)]);
                let is_whole = assembly.feed(&mut input).unwrap();
                start += input.position();
                if is_whole {
                    break;
                }
                end += portion;
                assert!(end < bytes.len() + portion, "not all elements came");
                end = end.min(bytes.len());
            }
            assert_eq!(start, bytes.len());
            let shown = assembly.finish(|value| shown(Entry::new(b"k", value, None).as_ref()));
            assert_eq!(shown, whole);
        }
    }
}

//! Lists against a double-ended vector of strings, with layouts so small that every change crosses chunks.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::chunk::Chunk;
use super::run::Run;
use super::*;
use crate::types::listpack::Encoded;

#[derive(Clone, Debug)]
enum Change {
    Push(End, Vec<Vec<u8>>),
    Pop(End, usize),
    Trim(usize, usize),
    Set(usize, Vec<u8>),
    Insert(usize, bool, Vec<u8>),
    RemoveEqual(usize, End, usize),
    Relay(Layout),
}

/// Few different strings, so that equal ones are many; of all encodings, and of some that compress.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-2i64..4).prop_map(|n| n.to_string().into_bytes()),
        1 => proptest::sample::select(vec![127i64, 4096, 70_000, i64::MIN]).prop_map(|n| n.to_string().into_bytes()),
        2 => proptest::sample::select(vec![0usize, 1, 5, 20]).prop_map(|len| vec![b'x'; len]),
        1 => proptest::sample::select(vec![63usize, 64, 200, 5000, 9000]).prop_map(|len| vec![b'y'; len]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn layout() -> impl Strategy<Value = Layout> {
    let bytes = proptest::sample::select(vec![20usize, 40, 100, 8192]);
    let entries = proptest::sample::select(vec![1usize, 2, 5, 128, usize::MAX]);
    let plain = proptest::sample::select(vec![1usize, 5, 100, Layout::PLAIN]);
    (bytes, entries, 0usize..3, plain).prop_map(|(bytes, entries, depth, plain)| Layout {
        bytes,
        entries,
        depth,
        plain,
    })
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0usize..60;
    prop_oneof![
        6 => (end(), proptest::collection::vec(value(), 1..12)).prop_map(|(end, values)| Change::Push(end, values)),
        3 => (end(), 0usize..12).prop_map(|(end, count)| Change::Pop(end, count)),
        1 => (0usize..20, 0usize..20).prop_map(|(front, back)| Change::Trim(front, back)),
        3 => (at.clone(), value()).prop_map(|(at, value)| Change::Set(at, value)),
        4 => (at.clone(), any::<bool>(), value()).prop_map(|(at, behind, value)| Change::Insert(at, behind, value)),
        2 => (at, end(), 0usize..4).prop_map(|(at, end, most)| Change::RemoveEqual(at, end, most)),
        1 => layout().prop_map(Change::Relay),
    ]
}

fn apply(list: &mut List, model: &mut VecDeque<Vec<u8>>, layout: &mut Layout, change: Change) {
    match change {
        Change::Push(end, values) => {
            list.push(end, values.iter().map(Vec::as_slice), layout);
            values.into_iter().for_each(|value| match end {
                End::Front => model.push_front(value),
                End::Back => model.push_back(value),
            });
        }
        Change::Pop(end, count) => {
            let mut popped = Vec::new();
            list.pop(end, count, layout, |value| popped.push(value.to_vec()));
            let expected: Vec<_> = (0..count)
                .map_while(|_| match end {
                    End::Front => model.pop_front(),
                    End::Back => model.pop_back(),
                })
                .collect();
            assert_eq!(popped, expected);
        }
        Change::Trim(front, back) => {
            let front = front.min(model.len());
            let back = back.min(model.len() - front);
            list.trim(front, back, layout);
            model.drain(..front);
            model.truncate(model.len() - back);
        }
        Change::Set(at, value) => {
            if let Some(old) = model.get_mut(at) {
                list.set(at, &value, layout);
                *old = value;
            }
        }
        Change::Insert(at, behind, value) => {
            let pivot = model.get(at).cloned().unwrap_or(b"nowhere".to_vec());
            let inserted = list.insert(&pivot, behind, &value, layout);
            let found = model.iter().position(|element| *element == pivot);
            assert_eq!(inserted, found.is_some());
            if let Some(at) = found {
                model.insert(at + usize::from(behind), value);
            }
        }
        Change::RemoveEqual(at, end, most) => {
            let wanted = model.get(at).cloned().unwrap_or(b"nowhere".to_vec());
            let most = if most == 0 { usize::MAX } else { most };
            let removed = list.remove_equal(&wanted, end, most, layout);
            let equal = (0..model.len()).filter(|&at| model[at] == wanted);
            let mut going: Vec<usize> = match end {
                End::Front => equal.take(most).collect(),
                End::Back => equal.rev().take(most).collect(),
            };
            assert_eq!(removed, going.len());
            going.sort_unstable();
            going.into_iter().rev().for_each(|at| {
                model.remove(at);
            });
        }
        Change::Relay(new) => *layout = new,
    }
}

fn check(list: &List, model: &VecDeque<Vec<u8>>) {
    let values = |elements: &mut dyn Iterator<Item = Element<'_>>| {
        let values = elements.map(|element| element.as_ref().to_vec());
        values.collect::<Vec<_>>()
    };
    let look = list.view();
    assert_eq!(look.len(), model.len());
    assert_eq!(list.is_empty(), model.is_empty());
    assert_eq!(*model, values(&mut look.iter()));
    let backwards: Vec<_> = model.iter().rev().cloned().collect();
    assert_eq!(values(&mut look.iter().rev()), backwards);
    for at in 0..model.len() + 2 {
        let rest: Vec<_> = model.iter().skip(at).cloned().collect();
        assert_eq!(values(&mut look.iter_from(at)), rest);
    }
    match list {
        List::Packed(list) => {
            ListpackRef::validated(list.as_ref().bytes()).expect("a sound listpack");
        }
        List::Chunked(list) => list.check(),
    }
    assert_eq!(*model, values(&mut list.clone().view().iter()), "a copy");
}

impl Quicklist {
    /// What holds of all chunks, whatever layouts there were.
    fn check(&self) {
        let counts = self.iter_chunks().map(Chunk::count);
        assert_eq!(counts.sum::<usize>(), self.len());
        for chunk in self.iter_chunks() {
            assert!(chunk.count() > 0, "an empty chunk");
            assert_eq!(chunk.iter().count(), chunk.count());
        }
        let mut ends = self.iter_chunks();
        let ends = [ends.next(), ends.next_back()].into_iter().flatten();
        for end in ends {
            assert!(!matches!(end, Chunk::Squeezed { .. }), "a compressed end");
        }
    }
}

/// What holds while the layout stays the same: the limits are kept, and only what they allow is compressed.
fn check_layout(list: &List, layout: &Layout) {
    let List::Chunked(list) = list else { return };
    let all = list.chunks();
    for (at, chunk) in list.iter_chunks().enumerate() {
        let fits = layout.fits_chunk(chunk.len(), chunk.count());
        assert!(fits || chunk.count() == 1, "a chunk beyond its limits");
        let inside = layout.depth > 0 && at >= layout.depth && at + layout.depth < all;
        match chunk {
            Chunk::Squeezed { .. } => assert!(inside, "compressed at depth {at} of {all}"),
            Chunk::Run(run) if inside => {
                let mut squeezed = Chunk::Run(run.clone());
                squeezed.squeeze();
                assert!(
                    matches!(squeezed, Chunk::Run(_)),
                    "chunk {at} of {all} would compress"
                );
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn behaves_like_a_vector(layout in layout(), changes in proptest::collection::vec(change(), 0..40)) {
        let (mut list, mut model, mut layout) = (List::default(), VecDeque::new(), layout);
        let mut same_layout = true;
        for change in changes {
            same_layout &= !matches!(change, Change::Relay(_));
            apply(&mut list, &mut model, &mut layout, change);
            check(&list, &model);
            if same_layout {
                check_layout(&list, &layout);
            }
            // As a key with an empty list is removed.
            if model.is_empty() {
                list = List::default();
            }
        }
    }
}

#[derive(Clone, Debug)]
enum RunChange {
    Push(End, Vec<u8>),
    Pop(End),
    DropEnd(End, usize),
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveEqual(usize, End, usize),
    SplitOff(usize),
    AppendItself,
    Close,
}

fn run_change() -> impl Strategy<Value = RunChange> {
    let at = 0usize..40;
    prop_oneof![
        12 => (end(), value()).prop_map(|(end, value)| RunChange::Push(end, value)),
        6 => end().prop_map(RunChange::Pop),
        2 => (end(), 1usize..12).prop_map(|(end, count)| RunChange::DropEnd(end, count)),
        2 => (at.clone(), value()).prop_map(|(at, value)| RunChange::Insert(at, value)),
        2 => (at.clone(), value()).prop_map(|(at, value)| RunChange::Replace(at, value)),
        1 => at.clone().prop_map(RunChange::Remove),
        1 => (at.clone(), end(), 1usize..4).prop_map(|(at, end, most)| RunChange::RemoveEqual(at, end, most)),
        1 => at.prop_map(RunChange::SplitOff),
        1 => Just(RunChange::AppendItself),
        1 => Just(RunChange::Close),
    ]
}

/// A run can do what a list asks of its chunks seldom, so it is tried by itself, too.
fn apply_to_run(run: &mut Run, model: &mut VecDeque<Vec<u8>>, change: RunChange) {
    const MOST: usize = 20_000;
    let encoded = |value| Encoded::new(StringRef::Bytes(value));
    match change {
        RunChange::Push(end, value) => {
            run.push(end, &encoded(&value), MOST);
            match end {
                End::Front => model.push_front(value),
                End::Back => model.push_back(value),
            }
        }
        RunChange::Pop(end) if !model.is_empty() => {
            let popped = run.pop(end, |value| value.to_vec());
            let expected = match end {
                End::Front => model.pop_front(),
                End::Back => model.pop_back(),
            };
            assert_eq!(Some(popped), expected);
        }
        RunChange::DropEnd(end, count) if count < model.len() => {
            run.drop_end(end, count);
            match end {
                End::Front => {
                    model.drain(..count);
                }
                End::Back => model.truncate(model.len() - count),
            }
        }
        RunChange::Insert(at, value) if at <= model.len() => {
            run.insert(at, &encoded(&value));
            model.insert(at, value);
        }
        RunChange::Replace(at, value) if at < model.len() => {
            run.replace(at, &encoded(&value));
            model[at] = value;
        }
        RunChange::Remove(at) if at < model.len() => {
            run.remove(at);
            model.remove(at);
        }
        RunChange::RemoveEqual(at, end, most) if at < model.len() => {
            let wanted = model[at].clone();
            let removed = run.remove_equal(&Wanted::new(&wanted), end, most);
            for _ in 0..removed {
                let is_equal = |element: &Vec<u8>| *element == wanted;
                let going = match end {
                    End::Front => model.iter().position(is_equal),
                    End::Back => model.iter().rposition(is_equal),
                };
                model.remove(going.expect("no more than there were"));
            }
            assert!(removed == most || !model.contains(&wanted));
        }
        RunChange::SplitOff(at) if 0 < at && at < model.len() => {
            let rest = run.split_off(at);
            let expected = model.split_off(at);
            assert!(rest.iter().map(|value| value.to_vec()).eq(expected));
        }
        RunChange::AppendItself if model.len() < 100 => {
            run.append(&run.clone());
            model.extend(model.clone());
        }
        RunChange::Close => run.close(),
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_run_behaves_like_a_vector(changes in proptest::collection::vec(run_change(), 0..80)) {
        let (mut run, mut model) = (Run::default(), VecDeque::new());
        for change in changes {
            apply_to_run(&mut run, &mut model, change);
            assert_eq!(run.count(), model.len());
            assert!(run.iter().map(|value| value.to_vec()).eq(model.iter().cloned()));
            let mut backwards = run.iter();
            let first = backwards.next().map(|value| value.to_vec());
            assert_eq!(first.as_ref(), model.front());
            assert!(backwards.rev().map(|value| value.to_vec()).eq(model.iter().skip(1).rev().cloned()));
        }
    }
}

fn numbers(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|n| n.to_string().into_bytes()).collect()
}

fn list_of(values: &[Vec<u8>], layout: &Layout) -> List {
    let mut list = List::default();
    for value in values {
        list.push(End::Back, [&value[..]].into_iter(), layout);
    }
    list
}

#[test]
fn forms_change_at_the_thresholds_of_redis() {
    let layout = Layout::new(8, 0, Layout::PLAIN);
    let mut list = list_of(&numbers(8), &layout);
    assert_eq!(list.encoding_name(), "listpack");
    list.push(End::Back, [&b"8"[..]].into_iter(), &layout);
    assert_eq!(list.encoding_name(), "quicklist");
    list.pop(End::Back, 4, &layout, |_| {});
    assert_eq!(
        list.encoding_name(),
        "quicklist",
        "5 are more than half of 8"
    );
    list.pop(End::Front, 1, &layout, |_| {});
    assert_eq!(list.encoding_name(), "listpack");

    // What is added counts with its bytes, and the listpack with all of its own.
    let layout = Layout::new(-1, 0, Layout::PLAIN);
    for (size, expected) in [(4089, "listpack"), (4090, "quicklist")] {
        let list = list_of(&[vec![b'x'; size]], &layout);
        assert_eq!(list.encoding_name(), expected, "{size}");
    }
}

#[test]
fn sizes_are_those_of_the_directive() {
    for (size, bytes, entries) in [
        (-1, 4096, usize::MAX),
        (-5, 65536, usize::MAX),
        (-6, 65536, usize::MAX),
        (i32::MIN, 65536, usize::MAX),
        (0, 8192, 1),
        (128, 8192, 128),
    ] {
        let layout = Layout::new(size, 0, Layout::PLAIN);
        assert_eq!((layout.bytes, layout.entries), (bytes, entries), "{size}");
    }
}

#[test]
fn chunks_stay_filled() {
    let layout = Layout::new(-2, 0, Layout::PLAIN);
    let mut list = list_of(&numbers(60_000), &layout);
    let chunks = |list: &List| match list {
        List::Packed(_) => panic!("a small list"),
        List::Chunked(list) => list.chunks(),
    };
    // Three to four bytes an element, in chunks of 24 KiB.
    assert_eq!(chunks(&list), 9);
    assert!(list.memory(0) < 225_000, "{}", list.memory(0));
    for n in numbers(60_000).iter().skip(1).step_by(7) {
        assert_eq!(list.remove_equal(n, End::Back, 1, &layout), 1);
        list.insert(b"0", true, n, &layout);
        assert_eq!(list.remove_equal(n, End::Front, 1, &layout), 1);
    }
    assert!(chunks(&list) <= 9, "{}", chunks(&list));
    for n in numbers(60_000).iter().skip(2).step_by(7) {
        list.remove_equal(n, End::Front, 1, &layout);
    }
    assert!(chunks(&list) <= 8, "{}", chunks(&list));
}

#[test]
fn a_queue_inside_one_chunk_does_not_grow() {
    let layout = Layout::new(-2, 0, Layout::PLAIN);
    for (front, back) in [(End::Front, End::Back), (End::Back, End::Front)] {
        let mut list = list_of(&numbers(3000), &layout);
        for n in 0..100_000u32 {
            list.push(front, [&n.to_le_bytes()[..]].into_iter(), &layout);
            list.pop(back, 1, &layout, |_| {});
        }
        assert!(list.memory(0) < 64 << 10, "{}", list.memory(0));
    }
}

#[test]
fn what_comes_in_front_after_others_left_there_leaves_at_the_back_as_it_came() {
    let layout = Layout::new(-2, 0, Layout::PLAIN);
    let text = |what: &str, n: u32| format!("{what}:{n:020}").into_bytes();
    let old: Vec<_> = (0..600).map(|n| text("old", n)).collect();
    let mut list = list_of(&old, &layout);
    // Now it is known where they begin, and then most of them leave at the other end.
    list.pop(End::Back, 1, &layout, |_| {});
    list.pop(End::Front, 400, &layout, |_| {});
    let new: Vec<_> = (0..250).map(|n| text("another", n)).collect();
    list.push(End::Front, new.iter().map(Vec::as_slice), &layout);
    let mut popped = Vec::new();
    list.pop(End::Back, usize::MAX, &layout, |value| {
        popped.push(value.to_vec());
    });
    let expected = old[400..599].iter().rev().chain(&new);
    assert!(popped.iter().eq(expected));
}

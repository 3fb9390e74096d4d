//! Both forms of a sorted set against a sorted vector, with conversions crossed.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::types::sample::tests::assert_uniform;

type Model = Vec<(f64, Vec<u8>)>;

const SMALL: Limits = Limits {
    entries: 6,
    value: 12,
};

fn found(pairs: Pairs<'_>) -> Model {
    pairs
        .map(|(member, score)| (score, member.to_vec()))
        .collect()
}

fn sort(model: &mut Model) {
    model.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap().then_with(|| a.1.cmp(&b.1)));
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..4).prop_map(f64::from),
        2 => prop::num::f64::NORMAL,
        1 => prop::sample::select(vec![
            0.5, -0.25, 1e300, 5e-324, f64::INFINITY, f64::NEG_INFINITY, 4611686018427387904.0, 9.3e18, 127.0, 4096.0,
        ]),
    ]
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0i64..20).prop_map(|n| n.to_string().into_bytes()),
        2 => "[a-c]{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ]
}

fn bound<T: std::fmt::Debug>(
    at: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Bound<T>> {
    (0..10, at).prop_map(|(kind, at)| match kind {
        0 => Bound::First,
        1 => Bound::Last,
        2..6 => Bound::Included(at),
        _ => Bound::Excluded(at),
    })
}

#[derive(Clone, Debug)]
enum Step {
    Set(Vec<u8>, f64),
    Remove(Vec<u8>),
    RemoveRange(usize, usize),
    Copy,
    Repack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (member(), score()).prop_map(|(member, score)| Step::Set(member, score)),
        3 => member().prop_map(Step::Remove),
        1 => (0usize..12, 0usize..12).prop_map(|(a, b)| Step::RemoveRange(a.min(b), a.max(b))),
        1 => Just(Step::Copy),
        1 => Just(Step::Repack),
    ]
}

proptest! {
    #[test]
    fn does_as_a_sorted_vector_does(
        steps in prop::collection::vec(step(), 1..60),
        min in bound(score()),
        max in bound(score()),
        low in bound(member()),
        high in bound(member()),
        ranks in (-12i64..12, -12i64..12),
    ) {
        let mut zset = Zset::default();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Set(member, score) => {
                    let at = model.iter().position(|other| other.1 == member);
                    let old = at.map(|at| model[at].0);
                    let change = zset.set(&member, SMALL, |current| {
                        assert_eq!(current, old);
                        Some(score)
                    });
                    let expected = match (at, old) {
                        (None, _) => {
                            model.push((score, member));
                            Change::Added
                        }
                        (Some(_), Some(old)) if old == score => Change::None,
                        (Some(at), _) => {
                            model[at].0 = score;
                            Change::Updated
                        }
                    };
                    prop_assert_eq!(change, expected);
                    sort(&mut model);
                }
                Step::Remove(member) => {
                    let at = model.iter().position(|other| other.1 == member);
                    prop_assert_eq!(zset.remove(&member), at.is_some());
                    at.map(|at| model.remove(at));
                }
                Step::RemoveRange(from, to) => {
                    let ranks = from.min(model.len())..to.min(model.len());
                    zset.remove_range(ranks.clone());
                    model.drain(ranks);
                }
                Step::Copy => zset = zset.clone(),
                Step::Repack => zset = Zset::from_sorted(zset.view().iter(), SMALL),
            }
            let look = zset.view();
            prop_assert_eq!(look.len(), model.len());
            prop_assert_eq!(look.is_empty(), model.is_empty());
            prop_assert_eq!(&found(look.iter()), &model);
            if let ZsetRef::Packed(_) = look {
                prop_assert!(model.len() <= SMALL.entries);
                prop_assert!(model.iter().all(|(_, member)| member.len() <= SMALL.value));
            }
            for (rank, (score, member)) in model.iter().enumerate() {
                prop_assert_eq!(look.score(member), Some(*score));
                prop_assert_eq!(look.rank(member), Some((rank, *score)));
            }
            prop_assert_eq!(look.score(b"absent"), None);
            prop_assert_eq!(look.rank(b"absent"), None);
        }

        let look = zset.view();
        let inside = |rank: i64| if rank < 0 { rank + model.len() as i64 } else { rank };
        let by_rank = look.ranks(Span::Ranks(ranks.0, ranks.1));
        for rank in 0..model.len() {
            let wanted = (inside(ranks.0)..=inside(ranks.1)).contains(&(rank as i64));
            prop_assert_eq!(by_rank.contains(&rank), wanted);
        }
        let by_score = look.ranks(Span::Scores(min, max));
        for (rank, (score, _)) in model.iter().enumerate() {
            prop_assert_eq!(by_score.contains(&rank), within(&min, score, &max));
        }
        let backward: Model = model[by_score.clone()].iter().rev().cloned().collect();
        prop_assert_eq!(found(look.range(by_score.clone(), true)), backward);
        prop_assert_eq!(&found(look.range(by_score.clone(), false)), &model[by_score]);

        // Spans of members mean something where all scores are equal.
        let mut equal = Zset::default();
        for (_, member) in &model {
            equal.set(member, SMALL, |_| Some(7.5));
        }
        let by_member = equal.view().ranks(Span::Members(as_bytes(&low), as_bytes(&high)));
        for (rank, (_, member)) in found(equal.view().iter()).iter().enumerate() {
            prop_assert_eq!(by_member.contains(&rank), within(&low, member, &high));
        }
    }
}

fn as_bytes(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::First => Bound::First,
        Bound::Included(at) => Bound::Included(at),
        Bound::Excluded(at) => Bound::Excluded(at),
        Bound::Last => Bound::Last,
    }
}

fn within<T: PartialOrd>(min: &Bound<T>, value: &T, max: &Bound<T>) -> bool {
    let from = match min {
        Bound::First => true,
        Bound::Included(min) => value >= min,
        Bound::Excluded(min) => value > min,
        Bound::Last => false,
    };
    let to = match max {
        Bound::First => false,
        Bound::Included(max) => value <= max,
        Bound::Excluded(max) => value < max,
        Bound::Last => true,
    };
    from && to
}

#[test]
fn a_walk_over_a_changing_set_meets_all_that_stay() {
    let mut zset = Zset::default();
    let none = Limits {
        entries: 0,
        value: 0,
    };
    for n in 0..3000u32 {
        zset.set(n.to_string().as_bytes(), none, |_| Some(f64::from(n)));
    }
    let mut seen = HashMap::new();
    let mut position = Some(0);
    while let Some(at) = position {
        let Zset::Ordered(ordered) = &mut zset else {
            panic!("a large set")
        };
        position = ordered.scan(at, |member, score| {
            seen.insert(member.to_vec(), score);
        });
        let gone = 2 * seen.len() + 1;
        ordered.remove(gone.to_string().as_bytes());
    }
    for n in (0..3000u32).step_by(2) {
        assert_eq!(seen.get(n.to_string().as_bytes()), Some(&f64::from(n)));
    }
}

#[test]
fn scores_are_packed_as_files_have_them() {
    let wide = Limits {
        entries: 128,
        value: 64,
    };
    let mut zset = Zset::default();
    for (member, score) in [
        ("a", 1.0),
        ("b", -0.0),
        ("c", 1.5),
        ("d", 1e300),
        ("e", f64::INFINITY),
    ] {
        zset.set(member.as_bytes(), wide, |_| Some(score));
    }
    let Zset::Packed(list) = &zset else {
        panic!("a small set")
    };
    let elements: Vec<Vec<u8>> = list.as_ref().iter().map(StringRef::to_vec).collect();
    let texts: Vec<&str> = elements
        .iter()
        .map(|element| std::str::from_utf8(element).unwrap())
        .collect();
    assert_eq!(
        texts,
        ["b", "0", "a", "1", "c", "1.5", "d", "1e+300", "e", "inf"]
    );
}

#[test]
fn every_member_is_drawn_as_often() {
    let mut rng = fastrand::Rng::new();
    for (entries, members) in [(128, 20u32), (0, 20), (0, 500)] {
        let limits = Limits { entries, value: 64 };
        let mut zset = Zset::default();
        for n in 0..members {
            zset.set(format!("m{n}").as_bytes(), limits, |_| Some(f64::from(n)));
        }
        for sampling in [
            Sampling::Repeated(1),
            Sampling::Distinct(1),
            Sampling::Distinct(7),
        ] {
            let mut drawn = Vec::new();
            for _ in 0..members * 200 {
                let begin = drawn.len();
                zset.view().sample(sampling, &mut rng, |member, score| {
                    assert_eq!(member.to_vec(), format!("m{score}").into_bytes());
                    drawn.push(score as u32);
                });
                let mut together = drawn[begin..].to_vec();
                together.sort_unstable();
                together.dedup();
                assert_eq!(together.len(), drawn.len() - begin, "one was drawn twice");
            }
            assert_uniform(members as usize, drawn.into_iter());
        }
    }
}

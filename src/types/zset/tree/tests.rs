//! The tree against a sorted vector, its shape checked after every step.

use proptest::prelude::*;

use super::*;
use crate::types::member::Member;

/// What must hold of a node and all below it; answers its height.
fn check(node: &Node, is_root: bool) -> usize {
    assert!(node.len() <= MAX);
    assert!(is_root || node.len() >= MIN, "{} is too few", node.len());
    match node {
        Node::Leaf(_) => 0,
        Node::Inner(children) => {
            assert!(children.len() > 1, "a lone child takes its parent's place");
            let heights: Vec<usize> = children
                .iter()
                .map(|child| {
                    let (known, first) = (child.first, child.node.first());
                    assert_eq!(known.score(), first.score());
                    assert_eq!(known.member().as_ptr(), first.member().as_ptr());
                    assert_eq!(child.count, child.node.count());
                    check(&child.node, false)
                })
                .collect();
            assert!(heights.iter().all(|&height| height == heights[0]));
            heights[0] + 1
        }
    }
}

/// A tree, a sorted vector beside it, and the members that both name.
#[derive(Default)]
struct Pair {
    tree: Tree,
    model: Vec<(f64, Vec<u8>)>,
    members: Vec<Member>,
}

fn place(model: &[(f64, Vec<u8>)], score: f64, member: &[u8]) -> Result<usize, usize> {
    model.binary_search_by(|other| {
        compare(other.0, score).then_with(|| other.1.as_slice().cmp(member))
    })
}

fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap()
}

impl Pair {
    fn element(&mut self, score: f64, member: &[u8]) -> Element {
        self.members.push(Member::new(member, b""));
        let member = self.members.last().unwrap().as_ref();
        // SAFETY: members stay to the end of the test.
        unsafe { Element::new(score, member) }
    }

    fn insert(&mut self, number: u32) {
        let (score, member) = (f64::from(number % 50), number.to_string().into_bytes());
        if let Err(at) = place(&self.model, score, &member) {
            let element = self.element(score, &member);
            self.tree.insert(element);
            self.model.insert(at, (score, member));
        }
    }

    fn remove(&mut self, number: u32) {
        let (score, member) = (f64::from(number % 50), number.to_string().into_bytes());
        let at = place(&self.model, score, &member);
        assert_eq!(self.tree.remove(score, &member), at.is_ok());
        if let Ok(at) = at {
            self.model.remove(at);
        }
    }

    fn remove_range(&mut self, ranks: Range<usize>) {
        let removed = self.tree.remove_range(ranks.clone());
        let expected = self.model.drain(ranks);
        assert!(same(removed.iter(), expected.as_slice().iter()));
    }

    fn check(&self) {
        check(&self.tree.root, true);
        assert_eq!(self.tree.len(), self.model.len());
        let all = 0..self.model.len();
        assert!(same(self.tree.range(all.clone(), false), self.model.iter()));
        assert!(same(self.tree.range(all, true), self.model.iter().rev()));
    }
}

fn same<'a>(
    elements: impl Iterator<Item = &'a Element>,
    model: impl Iterator<Item = &'a (f64, Vec<u8>)>,
) -> bool {
    let elements = elements.map(|element| (element.score(), element.member()));
    elements.eq(model.map(|(score, member)| (*score, member.as_slice())))
}

#[derive(Clone, Debug)]
enum Step {
    /// So many numbers from one on, so far apart.
    Insert(u32, u32, u32),
    Remove(u32, u32, u32),
    /// From one part of all to another, in thousandths.
    RemoveRange(usize, usize),
    /// Builds the tree anew.
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let numbers = (
        0u32..9000,
        prop_oneof![Just(1u32), Just(50), Just(7)],
        0u32..3000,
    );
    prop_oneof![
        4 => numbers.clone().prop_map(|(from, by, count)| Step::Insert(from, by, count)),
        2 => numbers.prop_map(|(from, by, count)| Step::Remove(from, by, count)),
        2 => (0usize..=1000, 0usize..=1000).prop_map(|(a, b)| Step::RemoveRange(a.min(b), a.max(b))),
        1 => Just(Step::Rebuild),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn does_as_a_sorted_vector_does(steps in prop::collection::vec(step(), 1..14), probe in 0usize..1000) {
        let mut pair = Pair::default();
        for step in steps {
            match step {
                Step::Insert(from, by, count) => (0..count).for_each(|n| pair.insert(from + n * by)),
                Step::Remove(from, by, count) => (0..count).for_each(|n| pair.remove(from + n * by)),
                Step::RemoveRange(from, to) => {
                    let len = pair.model.len();
                    pair.remove_range(from * len / 1000..to * len / 1000);
                }
                Step::Rebuild => {
                    let all = pair.tree.remove_range(0..pair.model.len());
                    prop_assert_eq!(pair.tree.len(), 0);
                    pair.tree = Tree::from_sorted(all);
                }
            }
            pair.check();
            let at = probe * pair.model.len() / 1000;
            let score = pair.model.get(at).map_or(0.0, |found| found.0);
            let expected = pair.model.partition_point(|other| other.0 < score);
            prop_assert_eq!(pair.tree.partition_point(|element| element.score() < score), expected);
            prop_assert!(same(pair.tree.range(at..pair.model.len(), false), pair.model[at..].iter()));
            prop_assert!(same(pair.tree.range(0..at, true), pair.model[..at].iter().rev()));
        }
    }
}

#[test]
fn single_removals_bring_a_tall_tree_down_to_nothing() {
    let mut pair = Pair::default();
    let mut numbers: Vec<u32> = (0..20_000).collect();
    numbers.iter().for_each(|&n| pair.insert(n));
    assert_eq!(check(&pair.tree.root, true), 2);
    fastrand::Rng::with_seed(1).shuffle(&mut numbers);
    for (done, &n) in numbers.iter().enumerate() {
        pair.remove(n);
        if done % 100 == 0 {
            check(&pair.tree.root, true);
        }
    }
    pair.check();
}

#[test]
fn ascending_elements_fill_three_quarters_and_random_ones_waste_little() {
    let bytes_each = |numbers: &mut dyn Iterator<Item = u32>| {
        let mut pair = Pair::default();
        for n in numbers {
            let element = pair.element(f64::from(n), b"m");
            pair.tree.insert(element);
        }
        pair.tree.bytes() as f64 / pair.tree.len() as f64
    };
    assert!(bytes_each(&mut (0..100_000)) < 17.5);
    let mut numbers: Vec<u32> = (0..100_000).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut numbers);
    assert!(bytes_each(&mut numbers.into_iter()) < 19.5);
}

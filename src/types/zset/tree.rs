//! The order of a large sorted set: a counted B+ tree.
//!
//! ```text
//!                     ┌───────────────┬───────────────┬─ ─ ─┐
//!  inner node         │ first, count  │ first, count  │     │    up to 64 children, each with its first element
//!                     └───────┬───────┴───────┬───────┴─ ─ ─┘    and the number of elements below it
//!                     ┌───────▼───────┐ ┌─────▼───────┐
//!  leaf               │ element ...   │ │ element ... │          up to 64 elements of 16 bytes
//!                     └───────────────┘ └─────────────┘
//! ```
//!
//! The counts make ranks: any bound is turned into one, and every range of elements is a range of ranks. All leaves have the same
//! depth, and every node but the root is filled to a quarter at least. Buffers grow in small grades, so that a node that is
//! half full takes little more memory than what it holds.
//!
//! `first` is exact at all times, as no element may be named that is not in a leaf.

use std::cmp::Ordering;
use std::ops::Range;

use super::element::Element;
use crate::allocator;

/// Elements of a leaf, or children of an inner node.
const MAX: usize = 64;
/// The least number of them, but in the root.
const MIN: usize = MAX / 4;
/// Buffers grow by so many.
const GRADE: usize = 8;

/// Elements in order.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<Element>),
    Inner(Vec<Child>),
}

#[derive(Debug)]
struct Child {
    /// The first of the elements below.
    first: Element,
    /// How many there are.
    count: usize,
    node: Node,
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            root: Node::Leaf(Vec::new()),
            len: 0,
        }
    }
}

impl Tree {
    /// A tree of elements that are in order already, with full nodes. Linear.
    pub(super) fn from_sorted(elements: Vec<Element>) -> Tree {
        let len = elements.len();
        let mut nodes: Vec<Node> = chunks(elements).map(Node::Leaf).collect();
        while nodes.len() > 1 {
            let children = nodes.into_iter().map(Child::new).collect();
            nodes = chunks(children).map(Node::Inner).collect();
        }
        let root = nodes.pop().unwrap_or_else(|| Node::Leaf(Vec::new()));
        Tree { root, len }
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds an element whose score and member are not there. O(log n).
    pub(super) fn insert(&mut self, element: Element) {
        self.len += 1;
        if let Some(right) = self.root.insert(element) {
            let root = std::mem::replace(&mut self.root, Node::Inner(Vec::new()));
            self.root = Node::Inner(vec![Child::new(root), right]);
        }
    }

    /// Puts an element in the place of the one of the same score and member, which lies elsewhere; answers whether it was there.
    /// O(log n).
    pub(super) fn rename(&mut self, element: Element) -> bool {
        self.root.rename(element)
    }

    /// Takes the element of a score and a member out; answers whether it was there. O(log n).
    pub(super) fn remove(&mut self, score: f64, member: &[u8]) -> bool {
        let found = self.root.remove(score, member);
        if found {
            self.len -= 1;
            self.root.lose_lone_children();
        }
        found
    }

    /// Takes the elements of these ranks out, in order. O(log n) and linear in their number.
    pub(super) fn remove_range(&mut self, ranks: Range<usize>) -> Vec<Element> {
        let mut removed = Vec::with_capacity(ranks.len());
        self.root.remove_range(ranks, &mut removed);
        self.len -= removed.len();
        self.root.lose_lone_children();
        removed
    }

    /// How many elements from the first on a condition holds for. It must hold for none behind one that it does not hold
    /// for. O(log n).
    pub(super) fn partition_point(&self, holds: impl Fn(&Element) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(elements) => return rank + elements.partition_point(holds),
                Node::Inner(children) => {
                    let end = children.partition_point(|child| holds(&child.first));
                    let Some(at) = end.checked_sub(1) else {
                        return rank;
                    };
                    rank += children[..at]
                        .iter()
                        .map(|child| child.count)
                        .sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The leaf that holds the element of a rank, and that element's index in it. O(log n).
    fn leaf(&self, mut rank: usize) -> (&[Element], usize) {
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(elements) => return (elements, rank),
                Node::Inner(children) => {
                    let at = children
                        .iter()
                        .position(|child| {
                            let here = rank < child.count;
                            if !here {
                                rank -= child.count;
                            }
                            here
                        })
                        .expect("the rank is below the number of elements");
                    node = &children[at].node;
                }
            }
        }
    }

    /// The elements of these ranks, which must exist, in order or from the last to the first.
    pub(super) fn range(&self, ranks: Range<usize>, reverse: bool) -> Iter<'_> {
        debug_assert!(ranks.end <= self.len);
        Iter {
            tree: self,
            ranks,
            reverse,
            leaf: &[],
        }
    }

    /// Bytes of heap. Reads inner nodes only.
    pub(super) fn bytes(&self) -> usize {
        self.root.bytes()
    }
}

/// Cuts a sequence into nodes of equal size, as full as can be.
fn chunks<T>(items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut nodes = items.len().div_ceil(MAX);
    let mut left = items.len();
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let size = left.checked_div(nodes)?;
        (nodes, left) = (nodes - 1, left - size);
        Some(items.by_ref().take(size).collect())
    })
}

/// Puts an item into a node. One that is full keeps the lower half, or three quarters if it grows at the end, and hands
/// over the rest.
fn insert_at<T>(items: &mut Vec<T>, at: usize, item: T) -> Option<Vec<T>> {
    if items.len() < MAX {
        if items.len() == items.capacity() {
            items.reserve_exact(GRADE);
        }
        items.insert(at, item);
        return None;
    }
    let cut = if at == MAX { MAX - MIN } else { MAX / 2 };
    let mut rest = items.split_off(cut);
    if at < cut {
        items.insert(at, item);
    } else {
        rest.reserve_exact(GRADE);
        rest.insert(at - cut, item);
    }
    fit(items);
    Some(rest)
}

/// Bytes of heap of a node itself.
fn block_of<T>(items: &Vec<T>) -> usize {
    allocator::good_size(items.capacity() * size_of::<T>())
}

/// Gives memory back that a node has no use for.
fn fit<T>(items: &mut Vec<T>) {
    if items.capacity() - items.len() >= 2 * GRADE {
        items.shrink_to(items.len().next_multiple_of(GRADE));
    }
}

impl Node {
    /// Elements of a leaf, or children of an inner node.
    fn len(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// Elements below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    /// The first element below a node that is not empty.
    fn first(&self) -> Element {
        match self {
            Node::Leaf(elements) => elements[0],
            Node::Inner(children) => children[0].first,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Node::Leaf(elements) => block_of(elements),
            Node::Inner(children) => {
                let below: usize = children.iter().map(|child| child.node.bytes()).sum();
                block_of(children) + below
            }
        }
    }

    /// Adds an element; a node that was full hands over what becomes the node behind it.
    fn insert(&mut self, element: Element) -> Option<Child> {
        let goes_after = |other: &Element| other.compare(element.score(), element.member());
        match self {
            Node::Leaf(elements) => {
                let at = elements.partition_point(|other| goes_after(other) == Ordering::Less);
                insert_at(elements, at, element).map(|rest| Child::new(Node::Leaf(rest)))
            }
            Node::Inner(children) => {
                let end =
                    children.partition_point(|child| goes_after(&child.first) == Ordering::Less);
                let at = end.saturating_sub(1);
                let child = &mut children[at];
                let right = child.node.insert(element);
                child.count += 1;
                child.first = child.node.first();
                let right = right?;
                child.count -= right.count;
                insert_at(children, at + 1, right).map(|rest| Child::new(Node::Inner(rest)))
            }
        }
    }

    fn rename(&mut self, element: Element) -> bool {
        let compared = |other: &Element| other.compare(element.score(), element.member());
        match self {
            Node::Leaf(elements) => {
                let found = elements.binary_search_by(compared);
                if let Ok(at) = found {
                    elements[at] = element;
                }
                found.is_ok()
            }
            Node::Inner(children) => {
                let end = children.partition_point(|child| compared(&child.first).is_le());
                let Some(at) = end.checked_sub(1) else {
                    return false;
                };
                let child = &mut children[at];
                let found = child.node.rename(element);
                child.first = child.node.first();
                found
            }
        }
    }

    fn remove(&mut self, score: f64, member: &[u8]) -> bool {
        match self {
            Node::Leaf(elements) => {
                let found = elements.binary_search_by(|other| other.compare(score, member));
                if let Ok(at) = found {
                    elements.remove(at);
                    fit(elements);
                }
                found.is_ok()
            }
            Node::Inner(children) => {
                let end =
                    children.partition_point(|child| child.first.compare(score, member).is_le());
                let Some(at) = end.checked_sub(1) else {
                    return false;
                };
                let found = children[at].node.remove(score, member);
                if found {
                    children[at].count -= 1;
                    mend(children, at);
                }
                found
            }
        }
    }

    fn remove_range(&mut self, ranks: Range<usize>, removed: &mut Vec<Element>) {
        match self {
            Node::Leaf(elements) => {
                removed.extend(elements.drain(ranks));
                fit(elements);
            }
            Node::Inner(children) => {
                let (mut begin, mut before) = (0, 0);
                for child in children.iter_mut() {
                    let end = begin + child.count;
                    let here = ranks.start.clamp(begin, end)..ranks.end.clamp(begin, end);
                    before += usize::from(end <= ranks.start);
                    if !here.is_empty() {
                        child.count -= here.len();
                        child
                            .node
                            .remove_range(here.start - begin..here.end - begin, removed);
                    }
                    begin = end;
                }
                children.retain(|child| child.count > 0);
                // At most two children lost only a part, and they are neighbours now.
                for at in [before + 1, before] {
                    if at < children.len() {
                        mend(children, at);
                    }
                }
                fit(children);
            }
        }
    }

    /// Lets the only child of a root take its place.
    fn lose_lone_children(&mut self) {
        while let Node::Inner(children) = self
            && children.len() <= 1
        {
            *self = match children.pop() {
                Some(child) => child.node,
                None => Node::Leaf(Vec::new()),
            };
        }
    }
}

impl Child {
    /// A node that is not empty, as its parent knows it.
    fn new(node: Node) -> Child {
        Child {
            first: node.first(),
            count: node.count(),
            node,
        }
    }

    /// Takes over what the next child of the same parent holds; what is too much for one node is handed back as a second of
    /// about the same size.
    fn join(&mut self, next: Child) -> Option<Child> {
        fn halve<T>(items: &mut Vec<T>) -> Option<Vec<T>> {
            let rest = (items.len() > MAX).then(|| items.split_off(items.len() / 2));
            fit(items);
            rest
        }
        let rest = match (&mut self.node, next.node) {
            (Node::Leaf(elements), Node::Leaf(more)) => {
                elements.reserve_exact(more.len());
                elements.extend(more);
                halve(elements).map(Node::Leaf)
            }
            (Node::Inner(children), Node::Inner(more)) => {
                let seam = children.len();
                children.reserve_exact(more.len());
                children.extend(more);
                // A lone child had no one to join with before.
                for at in [seam, seam - 1] {
                    if at < children.len() {
                        mend(children, at);
                    }
                }
                halve(children).map(Node::Inner)
            }
            _ => unreachable!("all leaves have the same depth"),
        };
        self.count += next.count;
        let rest = rest.map(Child::new)?;
        self.count -= rest.count;
        Some(rest)
    }
}

/// Brings a child that lost elements in order: one with nothing left goes, one with too little joins a neighbour.
fn mend(children: &mut Vec<Child>, mut at: usize) {
    loop {
        let child = &mut children[at];
        if child.count == 0 {
            children.remove(at);
            return;
        }
        child.first = child.node.first();
        if child.node.len() >= MIN || children.len() == 1 {
            return;
        }
        at = at.saturating_sub(1);
        let next = children.remove(at + 1);
        if let Some(rest) = children[at].join(next) {
            children.insert(at + 1, rest);
            return;
        }
    }
}

/// Elements in order, or from the last to the first.
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    tree: &'a Tree,
    /// What is left.
    ranks: Range<usize>,
    reverse: bool,
    /// What is left of the leaf at hand; may go beyond the ranks.
    leaf: &'a [Element],
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Element;

    #[inline]
    fn next(&mut self) -> Option<&'a Element> {
        if self.ranks.is_empty() {
            return None;
        }
        if self.leaf.is_empty() {
            self.leaf = if self.reverse {
                let (leaf, index) = self.tree.leaf(self.ranks.end - 1);
                &leaf[..=index]
            } else {
                let (leaf, index) = self.tree.leaf(self.ranks.start);
                &leaf[index..]
            };
        }
        let (element, rest) = if self.reverse {
            self.ranks.end -= 1;
            self.leaf.split_last()?
        } else {
            self.ranks.start += 1;
            self.leaf.split_first()?
        };
        self.leaf = rest;
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ranks.len(), Some(self.ranks.len()))
    }
}

#[cfg(test)]
mod tests;

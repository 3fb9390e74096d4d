//! One element of a sorted set's order: a score, and where the member is.
//!
//! The member's bytes are not copied: they lie in the block that the table of members owns. That is what makes an element 16
//! bytes, and it is all the `unsafe` of sorted sets: the table must own every block that an element names, so an element
//! leaves the order before its member leaves the table, and is replaced before its member's block is.
//! [`Ordered`](super::ordered::Ordered) sees to that.

use std::cmp::Ordering;

use crate::types::member::MemberRef;

/// A score and a member. Elements are ordered by score, equal scores by the member's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    score: f64,
    member: MemberRef<'static>,
}

// SAFETY: an element only gives shared access to the plain bytes of its member, which no element changes.
unsafe impl Send for Element {}
// SAFETY: as above.
unsafe impl Sync for Element {}

impl Element {
    /// An element for a member, with a score that is not NaN.
    ///
    /// # Safety
    /// Neither the element nor any copy of it is used once the member is freed.
    pub(super) unsafe fn new(score: f64, member: MemberRef<'_>) -> Element {
        // SAFETY: only the lifetime changes; by the contract above no one reads the member when it is gone.
        let member = unsafe { std::mem::transmute::<MemberRef<'_>, MemberRef<'static>>(member) };
        Element { score, member }
    }

    /// The score.
    #[inline]
    pub(super) fn score(&self) -> f64 {
        self.score
    }

    /// The member's bytes.
    #[inline]
    pub(super) fn member(&self) -> &[u8] {
        self.member.key()
    }

    /// Where this element is in relation to that of a score and a member. The member is not touched if the scores differ.
    #[inline]
    pub(super) fn compare(&self, score: f64, member: &[u8]) -> Ordering {
        compare_scores(self.score, score).then_with(|| self.member().cmp(member))
    }
}

/// Compares scores, which are never NaN; both zeros are equal.
#[inline]
pub(super) fn compare_scores(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

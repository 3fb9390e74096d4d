//! The 24 bits of a key's order that the table keeps beside the key's pointer.
//!
//! An *order* is a hash shifted left by the table's prefix, so that its top bit is the first one that
//! differs inside the table. The window is the top of the order, and it never moves: whatever the
//! depth of a segment, the same bits are stored. Splits, rebuilds and scans therefore read buckets
//! only, never the entries behind them.

/// The top [`Window::BITS`] bits of an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Window(u32);

impl Window {
    pub(super) const BITS: u32 = 24;

    pub(super) fn of(order: u64) -> Self {
        Self((order >> (u64::BITS - Self::BITS)) as u32)
    }

    pub(super) fn new(high: u16, tag: u8) -> Self {
        Self(u32::from(high) << 8 | u32::from(tag))
    }

    /// The bits that the slot holds.
    pub(super) fn high(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// The bits that the bucket's tag holds: the lowest of the window, because those above them are
    /// largely spent on choosing segment and bucket and so tell its entries apart less well.
    pub(super) fn tag(self) -> u8 {
        self.0 as u8
    }

    /// The order, its bits below the window zero.
    pub(super) fn order(self) -> u64 {
        u64::from(self.0) << (u64::BITS - Self::BITS)
    }

    /// Whether a segment of this depth, if it split, would move the key to its upper half.
    pub(super) fn in_upper_half(self, depth: u32) -> bool {
        self.0 >> (Self::BITS - 1 - depth) & 1 == 1
    }
}

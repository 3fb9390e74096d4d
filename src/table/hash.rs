//! The keyed hash that gives a key its place.
//!
//! SipHash-1-3 under a random 128-bit key, drawn once per process: a client cannot choose names that fall together.
//! It costs some nanoseconds more than an unkeyed hash, about one percent of a pipelined GET.

use std::sync::LazyLock;

use siphasher::sip::SipHasher13;

static HASHER: LazyLock<SipHasher13> = LazyLock::new(|| {
    let mut key = [0; 16];
    getrandom::fill(&mut key).expect("the system has randomness");
    SipHasher13::new_with_key(&key)
});

/// The 64-bit place of a key.
#[inline]
pub fn of(key: &[u8]) -> u64 {
    HASHER.hash(key)
}

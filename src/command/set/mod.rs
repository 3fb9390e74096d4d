//! Set commands, by what they look at.
//!
//! - [`member`] adds, removes, moves and asks for members by name; [`random`] takes or shows some that chance chooses.
//! - [`whole`] counts and lists all members of a set.
//! - [`algebra`] makes the intersection, union or difference of several sets.

pub mod algebra;
pub mod member;
pub mod random;
pub mod whole;

use crate::config::Config;
use crate::types::{self, set::Limits};

/// Up to which sizes sets keep their compact forms.
pub(super) fn limits(config: &Config) -> Limits {
    /// A sorted array holds no more, whatever the configuration says.
    const MOST_INTEGERS: usize = 1 << 30;
    let encoding = &config.encoding;
    Limits {
        integers: encoding.set_max_intset_entries.min(MOST_INTEGERS),
        packed: types::Limits {
            entries: encoding.set_max_listpack_entries,
            value: encoding.set_max_listpack_value,
        },
    }
}

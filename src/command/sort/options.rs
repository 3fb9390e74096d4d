//! The options of SORT, and which keys a call touches because of them.

use std::ops::Range;

use smallvec::SmallVec;

use super::pattern::Pattern;
use crate::command::{Error, KeyFlags};
use crate::protocol::{Request, number};

/// What SORT is asked to do.
pub struct Options<'a> {
    /// Where the values are by which to sort, if not by the elements themselves.
    pub by: Option<Pattern<'a>>,
    /// Whether a BY names no keys, which leaves the elements in their order, whatever else is given.
    pub keeps_order: bool,
    /// Elements to leave out at the beginning.
    pub offset: i64,
    /// Elements to answer at most; all if negative.
    pub count: i64,
    /// What to answer for each element, if not the element itself.
    pub gets: SmallVec<[Pattern<'a>; 4]>,
    /// The largest first.
    pub descending: bool,
    /// By bytes and not by number.
    pub alpha: bool,
    /// The argument that names where to store the result.
    pub store: Option<usize>,
}

/// The first option.
const FIRST: usize = 2;

impl<'a> Options<'a> {
    /// Reads the options; STORE is one of SORT only, and not of SORT_RO.
    pub fn parse(request: Request<'a>, may_store: bool) -> Result<Options<'a>, Error> {
        let mut options = Options {
            by: None,
            keeps_order: false,
            offset: 0,
            count: -1,
            gets: SmallVec::new(),
            descending: false,
            alpha: false,
            store: None,
        };
        let integer = |place| number::parse_i64(request.arg(place)).ok_or(Error::NotInteger);
        let mut place = FIRST;
        while place < request.len() {
            let word = request.arg(place);
            let is = |name: &str, arguments: usize| {
                word.eq_ignore_ascii_case(name.as_bytes()) && place + arguments < request.len()
            };
            let mut arguments = 0;
            if is("ASC", 0) {
                options.descending = false;
            } else if is("DESC", 0) {
                options.descending = true;
            } else if is("ALPHA", 0) {
                options.alpha = true;
            } else if is("LIMIT", 2) {
                arguments = 2;
                options.offset = integer(place + 1)?;
                options.count = integer(place + 2)?;
            } else if is("STORE", 1) && may_store {
                arguments = 1;
                options.store = Some(place + 1);
            } else if is("BY", 1) {
                arguments = 1;
                let pattern = Pattern::parse(request.arg(place + 1));
                options.keeps_order |= !pattern.names_keys();
                options.by = Some(pattern);
            } else if is("GET", 1) {
                arguments = 1;
                options.gets.push(Pattern::parse(request.arg(place + 1)));
            } else {
                return Err(Error::Syntax);
            }
            place += 1 + arguments;
        }
        Ok(options)
    }

    /// Which of so many elements LIMIT leaves.
    pub fn part(&self, length: usize) -> Range<usize> {
        let within = |n: i64| usize::try_from(n).unwrap_or(0).min(length);
        let start = within(self.offset);
        match self.count {
            ..0 => start..length,
            count => start..(start + within(count)).min(length),
        }
    }

    /// Whether a pattern leads to other keys.
    pub fn has_patterns(&self) -> bool {
        let sorts_by = self.by.iter().filter(|_| !self.keeps_order);
        sorts_by.chain(&self.gets).any(Pattern::names_keys)
    }
}

/// Whether this SORT or SORT_RO looks at keys that are named by its elements.
pub fn touches_unnamed_keys(request: Request<'_>) -> bool {
    Options::parse(request, true).is_ok_and(|options| {
        // Where the argument of an option has the name of one, `find_keys` may have taken another argument for the key.
        let is_named = |place: usize| {
            let keys = find_keys(request).unwrap_or_default();
            keys.iter().any(|&(key, _)| key == place)
        };
        options.has_patterns() || !options.store.is_none_or(is_named)
    })
}

/// The keys that SORT names: the one to sort, and that to store under if there is a STORE.
///
/// Looks through what is no option, as clients may ask about any arguments.
pub fn find_keys(request: Request<'_>) -> Option<Vec<(usize, KeyFlags)>> {
    let mut keys = find_sorted(request)?;
    let mut place = FIRST;
    while place < request.len() {
        let word = request.arg(place).to_ascii_uppercase();
        place += match &word[..] {
            b"LIMIT" => 3,
            b"GET" | b"BY" => 2,
            b"STORE" if place + 1 < request.len() => {
                keys.truncate(1);
                keys.push((place + 1, KeyFlags::OW | KeyFlags::UPDATE));
                1
            }
            _ => 1,
        };
    }
    Some(keys)
}

/// The key that SORT_RO names.
pub fn find_sorted(_: Request<'_>) -> Option<Vec<(usize, KeyFlags)>> {
    Some(vec![(1, KeyFlags::RO | KeyFlags::ACCESS)])
}

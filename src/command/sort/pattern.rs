//! Patterns of BY and GET: an element takes the place of the first `*`, and the result names a string, or a field of
//! a hash.

use memchr::{memchr, memmem};

use crate::keyspace::{Db, Key};
use crate::types::hash::Hash;
use crate::types::string::StringRef;

/// A pattern of BY or GET.
#[derive(Debug)]
pub enum Pattern<'a> {
    /// `#`: the element itself.
    Element,
    /// There is no `*`, so no key depends on the element, and none is looked up.
    Constant,
    /// `before*after` or `before*after->field`.
    Keys {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// Takes a pattern apart.
    pub fn parse(text: &'a [u8]) -> Pattern<'a> {
        const ARROW: &[u8] = b"->";
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr(b'*', text) else {
            return Pattern::Constant;
        };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        // An arrow before nothing is part of the name.
        let arrow = memmem::find(rest, ARROW).filter(|arrow| arrow + ARROW.len() < rest.len());
        let (after, field) = match arrow {
            Some(arrow) => (&rest[..arrow], Some(&rest[arrow + ARROW.len()..])),
            None => (rest, None),
        };
        Pattern::Keys {
            before,
            after,
            field,
        }
    }

    /// Whether it leads to keys.
    pub fn names_keys(&self) -> bool {
        matches!(self, Pattern::Keys { .. })
    }

    /// What the pattern leads to from an element, if there is something of the right type. `name` is room for the
    /// key's name.
    pub fn follow<'d>(
        &self,
        element: &'d [u8],
        db: &'d mut Db<'_>,
        name: &mut Vec<u8>,
    ) -> Option<StringRef<'d>> {
        let (before, after, field) = match self {
            Pattern::Element => return Some(StringRef::Bytes(element)),
            Pattern::Constant => return None,
            Pattern::Keys {
                before,
                after,
                field,
            } => (before, after, field),
        };
        name.clear();
        for part in [before, element, after] {
            name.extend_from_slice(part);
        }
        let (key, now) = (Key::new(name), db.now());
        if let Some(field) = field
            && is_dead(db, key, field, now)
        {
            // For good: whoever stores what is found now must find the same when that is repeated.
            db.expire_fields(key, std::iter::once(*field));
        }
        let value = db.read(key)?.value();
        match field {
            None => value.string().ok(),
            Some(field) => value.collection::<Hash>().ok()?.get(field, now),
        }
    }
}

/// Whether a field of a hash is there but its time is over.
fn is_dead(db: &mut Db<'_>, key: Key<'_>, field: &[u8], now: u64) -> bool {
    let hash = db.peek(key).map(|entry| entry.value().collection::<Hash>());
    let field = hash.and_then(|hash| hash.ok()?.find(field));
    field.is_some_and(|field| field.is_dead(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_taken_apart_at_the_first_star_and_the_arrow_behind_it() {
        for (text, expected) in [
            ("w_*", Some(("w_", "", None))),
            ("*", Some(("", "", None))),
            ("a*b*c", Some(("a", "b*c", None))),
            ("h_*->f", Some(("h_", "", Some("f")))),
            ("h_*_x->f->g*", Some(("h_", "_x", Some("f->g*")))),
            ("h_*->", Some(("h_", "->", None))),
            ("h->*", Some(("h->", "", None))),
            ("none", None),
            ("", None),
        ] {
            let found = match Pattern::parse(text.as_bytes()) {
                Pattern::Keys {
                    before,
                    after,
                    field,
                } => Some((before, after, field)),
                other => {
                    assert!(matches!(other, Pattern::Constant), "{text}");
                    None
                }
            };
            let expected = expected.map(|(before, after, field): (&str, &str, Option<&str>)| {
                (
                    before.as_bytes(),
                    after.as_bytes(),
                    field.map(str::as_bytes),
                )
            });
            assert_eq!(found, expected, "{text}");
        }
        assert!(matches!(Pattern::parse(b"#"), Pattern::Element));
    }
}

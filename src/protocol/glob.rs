//! The pattern language of `KEYS`, `SCAN`, `PSUBSCRIBE` and `CONFIG GET`.
//!
//! `?` is any byte, `*` any run of bytes, `[abc]`, `[a-z]` and `[^a]` are classes, and a backslash takes the next byte
//! as it stands. Backtracking is confined to the last star, which is enough because an earlier star could only skip
//! bytes that the later one can skip as well: the cost is at most pattern length × text length, and no recursion.
//!
//! Where the reference is odd we are odd with it, since patterns out there rely on what it does:
//! - `*` alone does not match the empty text (callers that mean "everything" test for it first);
//! - a class that is never closed ends with the pattern;
//! - an escaped byte inside a class is compared with its case even when case is to be ignored;
//! - `[a-]` is the range from `a` to `]`, and stays open;
//! - a range reversed by its ends is put right, but before case is folded, so `[Z-a]` is empty without case;
//! - bytes from 0x80 sort before ASCII in ranges.

/// Whether the whole text matches the pattern; `nocase` ignores the case of ASCII letters.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on when a byte does not fit: after the last star, with that star taking one byte more.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(after_star) = pattern.strip_prefix(b"*") {
            if after_star.is_empty() {
                return true;
            }
            retry = Some((after_star, text));
            pattern = after_star;
            continue;
        }
        let Some((&byte, text_rest)) = text.split_first() else {
            // Everything but a star takes exactly one byte, so a retry from further on would run out as well.
            return pattern.is_empty();
        };
        if let Some(pattern_rest) = match_one(pattern, byte, nocase) {
            (pattern, text) = (pattern_rest, text_rest);
        } else {
            let Some((after_star, [_, from @ ..])) = retry else {
                return false;
            };
            retry = Some((after_star, from));
            (pattern, text) = (after_star, from);
        }
    }
}

/// Matches one byte against the head of the pattern, which is no star; returns the rest of the pattern if it fits.
fn match_one(pattern: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    let (fits, rest) = match *pattern {
        [] => return None,
        [b'?', ref rest @ ..] => (true, rest),
        [b'[', b'^', ref class @ ..] => {
            let (member, rest) = match_class(class, byte, nocase);
            (!member, rest)
        }
        [b'[', ref class @ ..] => match_class(class, byte, nocase),
        [b'\\', literal, ref rest @ ..] | [literal, ref rest @ ..] => {
            (same(literal, byte, nocase), rest)
        }
    };
    fits.then_some(rest)
}

/// Whether the byte is a member of the class whose opening bracket has been read, and the pattern after the class.
fn match_class(mut class: &[u8], byte: u8, nocase: bool) -> (bool, &[u8]) {
    let mut member = false;
    loop {
        class = match *class {
            [] => return (member, class),
            [b'\\', literal, ref rest @ ..] => {
                member |= literal == byte;
                rest
            }
            [b']', ref rest @ ..] => return (member, rest),
            [first, b'-', last, ref rest @ ..] => {
                member |= in_range(first, last, byte, nocase);
                rest
            }
            [literal, ref rest @ ..] => {
                member |= same(literal, byte, nocase);
                rest
            }
        }
    }
}

fn same(literal: u8, byte: u8, nocase: bool) -> bool {
    literal == byte || nocase && literal.eq_ignore_ascii_case(&byte)
}

fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let fold = |byte: u8| {
        if nocase {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
        .cast_signed()
    };
    let (low, high) = if first.cast_signed() <= last.cast_signed() {
        (first, last)
    } else {
        (last, first)
    };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), false)
    }

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text) in [
            ("*", "abc"),
            ("a*", "a"),
            ("a**", "a"),
            ("*c", "abc"),
            ("a*c*e", "abcde"),
            ("h?llo", "hello"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a*", "b"),
            ("*c", "ab"),
            ("a?", "a"),
            ("*ab*", "acb"),
            ("a*b", "a"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn classes() {
        for (pattern, text) in [
            ("h[ae]llo", "hallo"),
            ("[a-c]", "b"),
            ("[c-a]", "b"),
            ("[^a]x", "bx"),
            ("[\\]]", "]"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        assert!(!fits("[]", "]"));
        assert!(!fits("h[^e]llo", "hello"));
        assert!(!fits("[^a-c]", "b"));
        assert!(fits("\\*", "*") && !fits("\\*", "a") && fits("a\\", "a\\"));
    }

    #[test]
    fn oddities_of_the_reference() {
        assert!(!fits("*", "") && fits("", "") && !fits("**", ""));
        assert!(fits("[abc", "b") && fits("[^", "x") && !fits("[", "["));
        assert!(fits("[a-]", "]") && fits("[a-]", "^") && !fits("[a-]", "-"));
        assert!(
            matches(b"[A-C]", b"b", true)
                && !matches(b"[\\A]", b"a", true)
                && !matches(b"[Z-a]", b"z", true)
        );
        assert!(
            matches(b"[\x80-a]", b"\xff", false)
                && matches(b"[\x80-a]", b"A", false)
                && !matches(b"[b-\x80]", b"c", false)
        );
    }

    #[test]
    fn many_stars_cost_no_more_than_one() {
        let text = vec![b'a'; 20_000];
        let pattern = [b"*a".repeat(2_000), b"*b".to_vec()].concat();
        assert!(!matches(&pattern, &text, false));
    }

    /// The definition, tried every way: exponential, and plain to see.
    fn oracle(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        let Some(rest) = pattern.strip_prefix(b"*") else {
            return match text.split_first() {
                None => pattern.is_empty(),
                Some((&byte, text_rest)) => match_one(pattern, byte, nocase)
                    .is_some_and(|rest| oracle(rest, text_rest, nocase)),
            };
        };
        (0..=text.len()).any(|skipped| oracle(rest, &text[skipped..], nocase))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn agrees_with_the_definition(pattern in "[*?ab\\[\\]^\\\\-]{0,9}", text in "[abA\\]]{1,8}", nocase: bool) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(pattern, text, nocase), oracle(pattern, text, nocase));
        }
    }
}

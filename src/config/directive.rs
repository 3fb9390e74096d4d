//! The declaration of a directive: the one place where its name, type, default and meaning are said.
//!
//! `directives!` turns a list of declarations into a struct with one typed field each, and into the rows from
//! which files, arguments, `CONFIG GET`, `CONFIG SET`, `CONFIG REWRITE` and the example file are all derived.
//! The doc comment of a field is its text in `redis.conf.example`.

use super::Config;
use super::value::Invalid;

/// When the value of a directive may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// At start and by `CONFIG SET`.
    Anytime,
    /// By `CONFIG SET` only as far as `enable-protected-configs` permits.
    Protected,
    /// At start only.
    AtStart,
}

/// What setting the directive does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What its documentation says.
    Honoured,
    /// Nothing: the value is checked and kept, and the text says what is missing.
    Inert(&'static str),
}

/// The functions that reach the field of a directive, generated from its declaration.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub set: fn(&mut Config, &[&[u8]]) -> Result<(), Invalid>,
    pub get: fn(&Config) -> Vec<u8>,
    pub lines: fn(&Config) -> Vec<Vec<Vec<u8>>>,
    pub clear: fn(&mut Config),
}

/// One directive.
#[derive(Clone, Copy)]
pub struct Directive {
    /// Its name in lower case, as files and `CONFIG` spell it.
    pub name: &'static str,
    /// An older name that works the same.
    pub alias: Option<&'static str>,
    /// What it does, with units; one line of text per line.
    pub doc: &'static str,
    pub change: Change,
    pub effect: Effect,
    /// The value is a secret: it is not shown in logs.
    pub sensitive: bool,
    /// Left out when `CONFIG GET` is given a pattern.
    pub hidden: bool,
    /// Belongs in a file and may be repeated; `CONFIG` does not know it.
    pub file_only: bool,
    access: Access,
}

impl Directive {
    pub(super) const fn new(name: &'static str, doc: &'static str, access: Access) -> Self {
        Directive {
            name,
            alias: None,
            doc,
            change: Change::Anytime,
            effect: Effect::Honoured,
            sensitive: false,
            hidden: false,
            file_only: false,
            access,
        }
    }

    pub(super) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(super) const fn alias(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    pub(super) const fn at_start(mut self) -> Self {
        self.change = Change::AtStart;
        self
    }

    pub(super) const fn protected(mut self) -> Self {
        self.change = Change::Protected;
        self
    }

    pub(super) const fn inert(mut self, missing: &'static str) -> Self {
        self.effect = Effect::Inert(missing);
        self
    }

    pub(super) const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn file_only(mut self) -> Self {
        self.file_only = true;
        self
    }

    /// The name, then the alias if there is one.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.alias)
    }

    /// Whether `name` is one of its names; letter case does not matter.
    pub fn is_called(&self, name: &[u8]) -> bool {
        self.names()
            .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Gives the directive the value spelled by `args`. On an error the value is unchanged.
    pub(super) fn set(&self, config: &mut Config, args: &[&[u8]]) -> Result<(), Invalid> {
        (self.access.set)(config, args)
    }

    /// Forgets the values that repeated lines have gathered; other directives are untouched.
    pub(super) fn clear(&self, config: &mut Config) {
        (self.access.clear)(config);
    }

    /// The value as `CONFIG GET` shows it.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        (self.access.get)(config)
    }

    /// The value as the lines of a file that would set it: the arguments of each.
    pub fn lines(&self, config: &Config) -> Vec<Vec<Vec<u8>>> {
        (self.access.lines)(config)
    }
}

/// The directives of one concern.
pub struct Section {
    /// The heading in the example file.
    pub title: &'static str,
    pub directives: &'static [Directive],
}

/// `tcp_backlog` becomes `tcp-backlog`.
pub(super) const fn dashed<const N: usize>(field: &str) -> [u8; N] {
    let field = field.as_bytes();
    let mut name = [0; N];
    let mut i = 0;
    while i < N {
        name[i] = if field[i] == b'_' { b'-' } else { field[i] };
        i += 1;
    }
    name
}

/// Declares the directives of one concern.
///
/// ```text
/// directives! {
///     /// What the struct holds.
///     pub struct Group as field_of_config, "TITLE" {
///         /// The documentation.
///         field_name: Type = default => kind_of_value, option, option("argument");
///     }
/// }
/// ```
///
/// The options are the builder methods of [`Directive`].
macro_rules! directives {
    (
        $(#[doc = $group_doc:literal])*
        pub struct $group:ident as $place:ident, $title:literal {
            $(
                $(#[doc = $doc:literal])*
                $field:ident: $type:ty = $default:expr => $kind:expr
                    $(, $option:ident $(($argument:expr))?)*;
            )*
        }
    ) => {
        $(#[doc = $group_doc])*
        #[derive(Clone)]
        pub struct $group {
            $( $(#[doc = $doc])* pub $field: $type, )*
        }

        impl Default for $group {
            fn default() -> Self {
                $group { $( $field: $default, )* }
            }
        }

        impl $group {
            pub(in crate::config) const SECTION: $crate::config::directive::Section =
                $crate::config::directive::Section {
                    title: $title,
                    directives: &[$({
                        const NAME: [u8; stringify!($field).len()] =
                            $crate::config::directive::dashed(stringify!($field));
                        $crate::config::directive::Directive::new(
                            match std::str::from_utf8(&NAME) {
                                Ok(name) => name,
                                Err(_) => panic!("an identifier is valid UTF-8"),
                            },
                            concat!($($doc, "\n"),*),
                            $crate::config::directive::Access {
                                set: |config, args| $crate::config::value::Kind::<$type>::set(
                                    &$kind, &mut config.$place.$field, args),
                                get: |config| $crate::config::value::Kind::<$type>::get(
                                    &$kind, &config.$place.$field),
                                lines: |config| $crate::config::value::Kind::<$type>::lines(
                                    &$kind, &config.$place.$field),
                                clear: |config| $crate::config::value::Kind::<$type>::clear(
                                    &$kind, &mut config.$place.$field),
                            },
                        )$(.$option($($argument)?))*
                    }),*],
                };
        }
    };
}
pub(super) use directives;

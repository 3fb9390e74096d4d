//! Functions: which libraries there are, and what each of them declares.
//!
//! The catalogue is replaced as a whole: whoever has found a function goes on with it, whatever becomes of its library. Only the
//! exclusive section replaces it, so that it changes in the same order in the log, and a snapshot has the one of its moment.
//! What a library's source makes in a Lua state is on that state's [shelf](super::shelf).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use thiserror::Error;

use super::script::ScriptFlags;
use crate::protocol::inline;

/// Why there is no such library.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LibraryError {
    #[error("Missing library metadata")]
    NoHeader,
    #[error("Invalid library metadata")]
    Header,
    #[error("Invalid metadata value, name argument was given multiple times")]
    SeveralNames,
    #[error("Invalid metadata value given: {0}")]
    Option(String),
    #[error("Library name was not given")]
    NoName,
    #[error(
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
    )]
    Name,
    #[error("Engine '{0}' not found")]
    Engine(String),
    #[error("Library '{0}' already exists")]
    Exists(String),
    #[error("Library {0} already exists")]
    Restored(String),
    #[error("Function {0} already exists")]
    FunctionExists(String),
    #[error("No functions registered")]
    Empty,
    #[error("Error compiling function: {0}")]
    Compiling(String),
    #[error("Error registering functions: {0}")]
    Registering(String),
}

/// What a library says of one of its functions.
#[derive(Debug)]
pub struct Declaration {
    /// Its name, in the case in which it was given.
    pub name: String,
    /// What it does, for people.
    pub description: Option<Vec<u8>>,
    /// What it is allowed to do.
    pub flags: ScriptFlags,
    /// Whether it once touched what was not named, so that everything is locked for it from then on.
    pub needs_all: AtomicBool,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Different for each that was ever made.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its source, the first line included.
    pub source: Arc<[u8]>,
    /// Its functions, in the order in which it registered them.
    pub functions: Vec<Declaration>,
}

impl Library {
    /// A library of this source, which has declared these functions.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(
        header: &Header<'_>,
        functions: Vec<Declaration>,
    ) -> Result<Arc<Library>, LibraryError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if functions.is_empty() {
            return Err(LibraryError::Empty);
        }
        Ok(Arc::new(Library {
            id: NEXT.fetch_add(1, Relaxed),
            name: header.name.clone(),
            source: header.source.into(),
            functions,
        }))
    }
}

/// Whether a name is one for a library or function.
pub fn is_name(name: &[u8]) -> bool {
    let is_in_names = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    !name.is_empty() && name.iter().all(is_in_names)
}

/// What the first line of a library's source says.
#[derive(Debug)]
pub struct Header<'a> {
    /// The library's name.
    pub name: String,
    source: &'a [u8],
    line: usize,
}

impl<'a> Header<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// When there is none, or not one for a library in Lua.
    pub fn read(source: &'a [u8]) -> Result<Header<'a>, LibraryError> {
        if !source.starts_with(b"#!") {
            return Err(LibraryError::NoHeader);
        }
        let line = memchr::memchr2(b'\n', 0, source);
        let line = line.filter(|&end| source[end] == b'\n');
        let line = line.ok_or(LibraryError::Header)?;
        let words = inline::split(&source[..line]).unwrap_or_default();
        let (engine, options) = words.split_first().ok_or(LibraryError::Header)?;
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let mut name = None;
        for option in options {
            const NAME: &[u8] = b"name=";
            let value = match option.split_at_checked(NAME.len()) {
                Some((word, value)) if word.eq_ignore_ascii_case(NAME) => value,
                _ => return Err(LibraryError::Option(text(option))),
            };
            if name.replace(value).is_some() {
                return Err(LibraryError::SeveralNames);
            }
        }
        let name = name.ok_or(LibraryError::NoName)?;
        if !is_name(name) {
            return Err(LibraryError::Name);
        }
        let engine = engine.get(2..).unwrap_or_default();
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(LibraryError::Engine(text(engine)));
        }
        Ok(Header {
            name: text(name),
            source,
            line,
        })
    }

    /// The part for Lua; its first line is empty, so that lines keep their numbers.
    pub fn code(&self) -> &'a [u8] {
        &self.source[self.line..]
    }
}

/// All libraries, and their functions by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    libraries: BTreeMap<String, Arc<Library>>,
    /// The library and the place in it, by the name in lower case.
    functions: HashMap<Vec<u8>, (Arc<Library>, usize)>,
}

impl Catalogue {
    /// The function of this name in any case, and its library.
    pub fn find(&self, name: &[u8]) -> Option<(&Arc<Library>, &Declaration)> {
        let (library, place) = self.functions.get(&name.to_ascii_lowercase())?;
        Some((library, &library.functions[*place]))
    }

    /// The library of this name.
    pub fn library(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.libraries.get(std::str::from_utf8(name).ok()?)
    }

    /// All libraries, by name.
    pub fn libraries(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.libraries.values()
    }

    /// How many functions there are.
    pub fn functions(&self) -> usize {
        self.functions.len()
    }

    /// Whether this very library is here.
    pub fn has(&self, id: u64) -> bool {
        self.libraries.values().any(|library| library.id == id)
    }

    /// Adds a library. With `replaces` it takes the place of one that has its name.
    ///
    /// # Errors
    /// When there is one of its name, or a function of the name of one of its own. Nothing is changed then.
    pub fn add(&mut self, library: &Arc<Library>, replaces: bool) -> Result<(), LibraryError> {
        self.admit(&library.name, replaces)?;
        for function in &library.functions {
            let found = self.find(function.name.as_bytes());
            if found.is_some_and(|(other, _)| other.name != library.name) {
                return Err(LibraryError::FunctionExists(function.name.clone()));
            }
        }
        self.remove(library.name.as_bytes());
        for (place, function) in library.functions.iter().enumerate() {
            let name = function.name.to_ascii_lowercase().into_bytes();
            // A library may have a name in several cases; nobody finds the later ones.
            let entry = self.functions.entry(name);
            entry.or_insert_with(|| (Arc::clone(library), place));
        }
        let name = library.name.clone();
        self.libraries.insert(name, Arc::clone(library));
        Ok(())
    }

    /// Whether a library of this name may be added.
    ///
    /// # Errors
    /// When there is one already, which is not to be replaced.
    pub fn admit(&self, name: &str, replaces: bool) -> Result<(), LibraryError> {
        if !replaces && self.libraries.contains_key(name) {
            return Err(LibraryError::Exists(name.to_owned()));
        }
        Ok(())
    }

    /// Adds all libraries of another catalogue.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn join(&mut self, other: &Catalogue, replaces: bool) -> Result<(), LibraryError> {
        let mut joined = self.clone();
        for library in other.libraries() {
            if joined.remove(library.name.as_bytes()) && !replaces {
                return Err(LibraryError::Restored(library.name.clone()));
            }
        }
        for library in other.libraries() {
            joined.add(library, false)?;
        }
        *self = joined;
        Ok(())
    }

    /// Removes a library; answers whether there was one.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let found = std::str::from_utf8(name).ok();
        let Some(library) = found.and_then(|name| self.libraries.remove(name)) else {
            return false;
        };
        self.functions
            .retain(|_, (other, _)| other.id != library.id);
        true
    }

    /// The sources of all libraries.
    pub fn sources(&self) -> Vec<Arc<[u8]>> {
        let sources = self.libraries().map(|library| Arc::clone(&library.source));
        sources.collect()
    }

    /// What all this takes, in bytes, beside what it makes in Lua states.
    pub fn memory(&self) -> usize {
        let of_function = |function: &Declaration| {
            let text = function.description.as_ref().map_or(0, Vec::len);
            size_of::<Declaration>() + 2 * function.name.len() + text
        };
        let of_library = |library: &Arc<Library>| {
            let functions: usize = library.functions.iter().map(of_function).sum();
            size_of::<Library>() + library.name.len() + library.source.len() + functions
        };
        self.libraries().map(of_library).sum()
    }
}

/// The catalogue of a server.
#[derive(Debug, Default)]
pub struct Functions {
    current: ArcSwap<Catalogue>,
    /// Held while the next is made of it.
    changing: Mutex<()>,
}

impl Functions {
    /// As it is now.
    pub fn load(&self) -> Guard<Arc<Catalogue>> {
        self.current.load()
    }

    /// Changes it, if `change` has no error. For who holds the exclusive section, or loads data before there are clients.
    ///
    /// # Errors
    /// Those of `change`.
    pub fn change<R, E>(
        &self,
        change: impl FnOnce(&mut Catalogue) -> Result<R, E>,
    ) -> Result<R, E> {
        let _changing = self.changing.lock();
        let mut catalogue = Catalogue::clone(&self.load());
        let result = change(&mut catalogue)?;
        self.current.store(Arc::new(catalogue));
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(source: &str, functions: &[&str]) -> Arc<Library> {
        let declare = |name: &&str| Declaration {
            name: (*name).to_owned(),
            description: None,
            flags: ScriptFlags::empty(),
            needs_all: AtomicBool::new(false),
        };
        let header = Header::read(source.as_bytes()).expect("a header");
        let functions = functions.iter().map(declare).collect();
        Library::new(&header, functions).expect("a library")
    }

    #[test]
    fn the_first_line_names_the_library() {
        let read = |source: &'static str| {
            let header = Header::read(source.as_bytes());
            header.map(|header| (header.name.clone(), header.code()))
        };
        let good: (String, &[u8]) = ("a_1".to_owned(), b"\nreturn");
        assert_eq!(read("#!lua name=a_1\nreturn"), Ok(good.clone()));
        assert_eq!(read("#!LUA 'NAME=a_1' \nreturn"), Ok(good));
        for (source, error) in [
            ("return 1", LibraryError::NoHeader),
            ("#!lua name=a", LibraryError::Header),
            ("#!lua name=a\0\n", LibraryError::Header),
            ("#!lua 'name=a\n", LibraryError::Header),
            ("#!lua\n", LibraryError::NoName),
            ("#!lua name=\n", LibraryError::Name),
            ("#!lua name=a-b\n", LibraryError::Name),
            ("#!lua name=a name=b\n", LibraryError::SeveralNames),
            ("#!lua name=a x\n", LibraryError::Option("x".to_owned())),
            ("#!js name=a\n", LibraryError::Engine("js".to_owned())),
        ] {
            assert_eq!(read(source), Err(error), "{source:?}");
        }
    }

    #[test]
    fn names_belong_to_one_library() {
        let mut catalogue = Catalogue::default();
        let first = library("#!lua name=a\n", &["f", "g", "G"]);
        assert_eq!(catalogue.add(&first, false), Ok(()));
        let (found, declaration) = catalogue.find(b"G").expect("a function");
        assert_eq!((found.id, declaration.name.as_str()), (first.id, "g"));

        let other = library("#!lua name=b\n", &["F"]);
        let taken = LibraryError::FunctionExists("F".to_owned());
        assert_eq!(catalogue.add(&other, true), Err(taken.clone()));
        let mut joining = Catalogue::default();
        joining.add(&other, false).expect("it is empty");
        assert_eq!(catalogue.join(&joining, true), Err(taken));

        let next = library("#!lua name=a\n", &["h"]);
        let exists = LibraryError::Exists("a".to_owned());
        assert_eq!(catalogue.add(&next, false), Err(exists));
        assert_eq!(catalogue.add(&next, true), Ok(()));
        assert!(catalogue.find(b"f").is_none() && catalogue.find(b"h").is_some());
        assert!(catalogue.has(next.id) && !catalogue.has(first.id));

        assert_eq!(catalogue.join(&joining, false), Ok(()));
        let restored = LibraryError::Restored("b".to_owned());
        assert_eq!(catalogue.join(&joining, false), Err(restored));
        assert!(catalogue.remove(b"b") && !catalogue.remove(b"b"));
        assert_eq!((catalogue.libraries().len(), catalogue.functions()), (1, 1));
    }
}

//! The scripts that one Lua state has compiled, found by name or by source.
//!
//! Whoever sends the whole source with every call (EVAL) has it found by the source itself, which is cheaper than working its SHA1
//! out; and a script that is found here is found without a word to other threads.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use mlua::Function;

use super::script::{Script, Sha};

/// A script, compiled for one state.
#[derive(Debug)]
pub struct Compiled {
    /// Its source, and what all threads know of it.
    pub script: Arc<Script>,
    /// What the source became.
    pub(super) function: Function,
}

/// The scripts of one state.
#[derive(Debug, Default)]
pub struct Known {
    by_sha: HashMap<Sha, Rc<Compiled>, RandomState>,
    by_source: HashSet<BySource, RandomState>,
}

impl Known {
    /// The script of this name.
    pub fn named(&self, sha: &Sha) -> Option<Rc<Compiled>> {
        self.by_sha.get(sha).cloned()
    }

    /// The script with this source.
    pub fn with_source(&self, source: &[u8]) -> Option<Rc<Compiled>> {
        self.by_source.get(source).map(|found| Rc::clone(&found.0))
    }

    /// Keeps a script.
    pub fn add(&mut self, script: Arc<Script>, function: Function) -> Rc<Compiled> {
        let compiled = Rc::new(Compiled { script, function });
        let sha = compiled.script.sha;
        self.by_sha.insert(sha, Rc::clone(&compiled));
        self.by_source.insert(BySource(Rc::clone(&compiled)));
        compiled
    }
}

/// A script that is its source.
#[derive(Debug)]
struct BySource(Rc<Compiled>);

impl Borrow<[u8]> for BySource {
    fn borrow(&self) -> &[u8] {
        &self.0.script.body
    }
}

impl PartialEq for BySource {
    fn eq(&self, other: &BySource) -> bool {
        self.0.script.body == other.0.script.body
    }
}

impl Eq for BySource {}

impl Hash for BySource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.script.body.hash(state);
    }
}

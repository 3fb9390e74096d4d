//! Commands: one file per family; a command is one `const` row and one function beside it.
//!
//! The row is the only declaration of a command. Dispatch, arity errors, locking, COMMAND and its subcommands, ACL
//! categories and `docs/compatibility.md` are all derived from it.
//!
//! - [`call`] is what a command's function sees; [`error`] what it may answer instead of a reply.
//! - [`keyspec`] finds the keys among the arguments, [`locks`] the shards that they need; [`numkeys`] reads how many there
//!   are; [`registry`] finds a row by name; [`dispatch`] decides whether it runs, [`room`] whether there is memory for it.
//! - [`syntax`] reads the notation of a row's arguments; [`help`] answers HELP from the rows of a container.
//! - `propagate` adds a command that ran to what the append-only file repeats; [`replay`] repeats it.
//! - [`instance`] is what all connections of one server share.
//! - [`load`] says what the configuration means for data that come from disk or from a client.
//! - [`blocking`] lets calls wait, and serves them.
//! - [`random`] is what commands that answer random elements have in common.

pub mod blocking;
pub mod call;
pub mod dispatch;
pub mod error;
pub mod help;
pub mod instance;
pub mod keyspec;
pub mod load;
pub mod locks;
pub mod numkeys;
mod propagate;
pub mod registry;
pub mod replay;
pub mod room;
pub mod syntax;

pub mod aof;
pub mod bitmap;
pub mod client;
// The family is called as the room is.
#[allow(clippy::module_inception)]
pub mod command;
pub mod config;
pub mod connection;
pub mod database;
pub mod debug;
pub mod dump;
pub mod expire;
pub mod function;
pub mod hash;
pub mod keys;
pub mod latency;
pub mod list;
pub mod memory;
pub mod monitor;
pub mod named;
pub mod object;
pub mod pubsub;
pub mod random;
pub mod restore;
pub mod save;
pub mod scan;
pub mod script;
pub mod server;
pub mod set;
pub mod slowlog;
pub mod sort;
pub mod string;
pub mod tracking;
pub mod transaction;
pub mod wait;
pub mod zset;

use bitflags::bitflags;

use crate::protocol::Request;

pub use call::Call;
pub use error::{Error, Outcome};
pub use instance::Instance;
pub use keyspec::{Begin, Find, KeyFlags, KeySpec};

/// Every command, family by family.
pub static FAMILIES: &[&[Command]] = &[
    aof::COMMANDS,
    bitmap::bit::COMMANDS,
    bitmap::range::COMMANDS,
    bitmap::combine::COMMANDS,
    bitmap::field::COMMANDS,
    client::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    database::COMMANDS,
    debug::COMMANDS,
    dump::COMMANDS,
    expire::COMMANDS,
    function::COMMANDS,
    hash::combined::COMMANDS,
    hash::counter::COMMANDS,
    hash::deadline::COMMANDS,
    hash::read::COMMANDS,
    hash::whole::COMMANDS,
    hash::write::COMMANDS,
    keys::COMMANDS,
    latency::COMMANDS,
    list::ends::COMMANDS,
    list::transfer::COMMANDS,
    list::read::COMMANDS,
    list::edit::COMMANDS,
    list::blocking::COMMANDS,
    memory::COMMANDS,
    monitor::COMMANDS,
    object::COMMANDS,
    pubsub::COMMANDS,
    save::COMMANDS,
    restore::COMMANDS,
    scan::COMMANDS,
    script::COMMANDS,
    server::COMMANDS,
    set::member::COMMANDS,
    set::whole::COMMANDS,
    set::random::COMMANDS,
    set::algebra::COMMANDS,
    slowlog::COMMANDS,
    sort::COMMANDS,
    string::whole::COMMANDS,
    string::many::COMMANDS,
    string::range::COMMANDS,
    string::counter::COMMANDS,
    string::lcs::COMMANDS,
    transaction::COMMANDS,
    wait::COMMANDS,
    zset::member::COMMANDS,
    zset::whole::COMMANDS,
    zset::range::COMMANDS,
    zset::pop::COMMANDS,
    zset::blocking::COMMANDS,
    zset::algebra::COMMANDS,
];

/// What became of a command that new programs should not use.
#[derive(Clone, Copy, Debug)]
pub struct Deprecated {
    /// The version of Redis that deprecated it.
    pub since: &'static str,
    /// What to use instead; commands and arguments in backquotes.
    pub instead: &'static str,
}
/// Finds the arguments that are keys, by position, and tells what happens to them.
pub type FindKeys = fn(Request<'_>) -> Option<Vec<(usize, KeyFlags)>>;

/// The declaration of a command or subcommand.
#[derive(Debug)]
pub struct Command {
    /// Lower case; a subcommand's own word only.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&mut Call<'_>) -> Outcome,
    /// Number of arguments, the name (and subcommand) among them; negative: at least so many.
    pub arity: i32,
    /// What it is allowed to do, and when it may run.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// Finds the keys and what happens to them where the specifications cannot; `None` if the arguments contradict
    /// themselves.
    pub find_keys: Option<FindKeys>,
    /// Whether a request touches keys that it does not name. Such a command has `find_keys`.
    pub touches_unnamed_keys: fn(Request<'_>) -> bool,
    /// Whether an argument, by its place, is a secret that neither MONITOR nor the slow log may show.
    pub is_secret: fn(Request<'_>, usize) -> bool,
    /// The documentation's chapter.
    pub group: Group,
    /// The first version of Redis that has it.
    pub since: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Time complexity.
    pub complexity: &'static str,
    /// The arguments behind the name, in the notation of [`syntax`](crate::command).
    pub syntax: &'static str,
    /// Hints for proxies and clients, as COMMAND INFO lists them.
    pub tips: &'static [&'static str],
    /// ACL categories beyond those that flags and group imply.
    pub categories: Categories,
    /// Since when there is something better, if there is.
    pub deprecated: Option<Deprecated>,
    /// The subcommands of a container command.
    pub subcommands: &'static [Command],
}

impl Command {
    /// What rows leave unsaid.
    pub const DEFAULT: Command = Command {
        name: "",
        run: |_| Ok(()),
        arity: 1,
        flags: Flags::empty(),
        keys: &[],
        find_keys: None,
        touches_unnamed_keys: |_| false,
        is_secret: |_, _| false,
        group: Group::Generic,
        since: "1.0.0",
        summary: "",
        complexity: "O(1)",
        syntax: "",
        tips: &[],
        categories: Categories::empty(),
        deprecated: None,
        subcommands: &[],
    };

    /// Whether so many arguments (the name among them) are acceptable.
    #[inline]
    pub fn accepts(&self, arguments: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        arguments == wanted || (self.arity < 0 && arguments > wanted)
    }

    /// The arguments of a request, the name among them, as others may see them.
    pub fn shown<'a>(&self, request: Request<'a>) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let is_secret = self.is_secret;
        let arguments = request.iter().enumerate();
        arguments.map(move |(place, argument)| match is_secret(request, place) {
            true => b"(redacted)",
            false => argument,
        })
    }

    /// The ACL categories that flags and group imply, and those of the row.
    pub fn all_categories(&self) -> Categories {
        let mut all = self.categories | self.group.categories();
        for (flag, implied) in [
            (Flags::WRITE, Categories::WRITE),
            (Flags::READONLY, Categories::READ),
            (Flags::ADMIN, Categories::ADMIN | Categories::DANGEROUS),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::FAST, Categories::FAST),
            (Flags::BLOCKING, Categories::BLOCKING),
        ] {
            if self.flags.contains(flag) {
                all |= implied;
            }
        }
        // Scripting commands are marked as readers by key access only.
        if all.contains(Categories::SCRIPTING) {
            all -= Categories::READ;
        }
        if !all.contains(Categories::FAST) {
            all |= Categories::SLOW;
        }
        all
    }
}

bitflags! {
    /// What a command is allowed to do, and when it may run. Names and meanings are those of COMMAND INFO.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        /// May change keys.
        const WRITE = 1;
        /// Reads keys and changes none.
        const READONLY = 1 << 1;
        /// May use more memory: refused over maxmemory.
        const DENYOOM = 1 << 2;
        /// For operators.
        const ADMIN = 1 << 3;
        /// Publishes or subscribes.
        const PUBSUB = 1 << 4;
        /// Not allowed in scripts.
        const NOSCRIPT = 1 << 5;
        /// May block the client.
        const BLOCKING = 1 << 6;
        /// Allowed while data is being loaded.
        const LOADING = 1 << 7;
        /// Allowed while the data is stale.
        const STALE = 1 << 8;
        /// Not shown by MONITOR.
        const SKIP_MONITOR = 1 << 9;
        /// Not kept in the slow log.
        const SKIP_SLOWLOG = 1 << 10;
        /// Takes constant or logarithmic time.
        const FAST = 1 << 11;
        /// Allowed before authentication.
        const NO_AUTH = 1 << 12;
        /// May be replicated although it changes no key.
        const MAY_REPLICATE = 1 << 13;
        /// Keys may be absent from the arguments.
        const NO_MANDATORY_KEYS = 1 << 14;
        /// Off unless the configuration allows it.
        const PROTECTED = 1 << 15;
        /// Not allowed while data is loaded beside the old data.
        const NO_ASYNC_LOADING = 1 << 16;
        /// Not allowed in transactions.
        const NO_MULTI = 1 << 17;
        /// Allowed while a script runs too long.
        const ALLOW_BUSY = 1 << 18;
        /// Touches keys that it does not name.
        const TOUCHES_ARBITRARY_KEYS = 1 << 19;
        /// Keys can only be found by looking at the arguments.
        const MOVABLEKEYS = 1 << 20;
        /// Ours, not shown to clients: runs a script, whose commands are repeated one by one.
        const RUNS_SCRIPT = 1 << 28;
        /// Ours: runs at once even after MULTI.
        const NOT_QUEUED = 1 << 29;
        /// Ours: runs what was queued since MULTI.
        const RUNS_QUEUE = 1 << 30;
        /// Ours: runs with every shard locked.
        const EXCLUSIVE = 1 << 31;
    }
}

impl Flags {
    /// Those that COMMAND INFO shows.
    pub const SHOWN: Flags = Flags::all()
        .difference(Flags::MAY_REPLICATE)
        .difference(Flags::PROTECTED)
        .difference(Flags::TOUCHES_ARBITRARY_KEYS)
        .difference(Flags::RUNS_SCRIPT)
        .difference(Flags::NOT_QUEUED)
        .difference(Flags::RUNS_QUEUE)
        .difference(Flags::EXCLUSIVE);
}

bitflags! {
    /// ACL categories.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Categories: u32 {
        #[allow(missing_docs)]
        const KEYSPACE = 1;
        #[allow(missing_docs)]
        const READ = 1 << 1;
        #[allow(missing_docs)]
        const WRITE = 1 << 2;
        #[allow(missing_docs)]
        const SET = 1 << 3;
        #[allow(missing_docs)]
        const SORTEDSET = 1 << 4;
        #[allow(missing_docs)]
        const LIST = 1 << 5;
        #[allow(missing_docs)]
        const HASH = 1 << 6;
        #[allow(missing_docs)]
        const STRING = 1 << 7;
        #[allow(missing_docs)]
        const BITMAP = 1 << 8;
        #[allow(missing_docs)]
        const HYPERLOGLOG = 1 << 9;
        #[allow(missing_docs)]
        const GEO = 1 << 10;
        #[allow(missing_docs)]
        const STREAM = 1 << 11;
        #[allow(missing_docs)]
        const PUBSUB = 1 << 12;
        #[allow(missing_docs)]
        const ADMIN = 1 << 13;
        #[allow(missing_docs)]
        const FAST = 1 << 14;
        #[allow(missing_docs)]
        const SLOW = 1 << 15;
        #[allow(missing_docs)]
        const BLOCKING = 1 << 16;
        #[allow(missing_docs)]
        const DANGEROUS = 1 << 17;
        #[allow(missing_docs)]
        const CONNECTION = 1 << 18;
        #[allow(missing_docs)]
        const TRANSACTION = 1 << 19;
        #[allow(missing_docs)]
        const SCRIPTING = 1 << 20;
    }
}

impl Categories {
    /// The category of this name in any case, or none.
    pub fn by_name(name: &[u8]) -> Categories {
        let found = Categories::all()
            .iter_names()
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map_or(Categories::empty(), |(_, category)| category)
    }
}

/// The chapters of the command documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Keys of any type.
    Generic,
    /// Strings.
    String,
    /// Strings as arrays of bits.
    Bitmap,
    /// Hashes.
    Hash,
    /// Lists.
    List,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Transactions.
    Transactions,
    /// Channels and messages.
    PubSub,
    /// The connection itself.
    Connection,
    /// The server.
    Server,
    /// Scripts and functions.
    Scripting,
}

impl Group {
    /// The name that COMMAND DOCS gives.
    pub fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::Bitmap => "bitmap",
            Group::Hash => "hash",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Transactions => "transactions",
            Group::PubSub => "pubsub",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
        }
    }

    fn categories(self) -> Categories {
        match self {
            Group::String => Categories::STRING,
            Group::Bitmap => Categories::BITMAP,
            Group::Hash => Categories::HASH,
            Group::List => Categories::LIST,
            Group::Set => Categories::SET,
            Group::SortedSet => Categories::SORTEDSET,
            Group::Transactions => Categories::TRANSACTION,
            Group::Generic
            | Group::PubSub
            | Group::Connection
            | Group::Server
            | Group::Scripting => Categories::empty(),
        }
    }
}

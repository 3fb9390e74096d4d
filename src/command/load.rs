//! What the configuration means for data that come from disk or from a client.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::instance::unix_millis;
use super::{Instance, function, hash, list, room, set, zset};
use crate::config::Config;
use crate::config::directives::persistence::SanitizePayload;
use crate::keyspace::Locked;
use crate::persistence::rdb::cut::Sizes;
use crate::persistence::rdb::decode::Rules;
use crate::persistence::rdb::load::{self, FileError, Options, Report};

/// Which forms values are to have, and whether they are looked at closely.
pub fn rules(instance: &Instance, config: &Config, from_client: bool) -> Rules {
    Rules {
        hash: hash::limits(config),
        set: set::limits(config),
        zset: zset::limits(config),
        list: list::layout_of(instance, config),
        deep: match config.persistence.sanitize_dump_payload {
            SanitizePayload::Yes => true,
            SanitizePayload::Clients => from_client,
            SanitizePayload::No => false,
        },
    }
}

/// How an RDB stream is to be loaded. Keys whose time is over are left out, unless commands follow that assume them.
pub fn options<'i>(instance: &'i Instance, config: &Config, keeps_dead: bool) -> Options<'i> {
    let now = unix_millis();
    Options {
        rules: rules(instance, config, false),
        databases: instance.keyspace.databases(),
        verify: config.persistence.rdbchecksum,
        skip_unknown: config.persistence.rdb_skip_unknown,
        now: if keeps_dead { 0 } else { now },
        access: room::moment(config, now, false).access,
        threads: instance.workers,
        sizes: Sizes::USUAL,
        delay: Arc::new(|| {
            let micros = instance.config.load().persistence.key_load_delay;
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        }),
        library: Arc::new(|source| {
            let added = function::load_saved(instance, source, false);
            added.map_err(|error| error.to_string())
        }),
    }
}

/// Loads a snapshot file into a keyspace of which nothing is locked.
///
/// # Errors
/// When the file cannot be read or is damaged anywhere. Some keys may be stored then.
pub fn snapshot(instance: &Instance, path: &Path) -> Result<Report, FileError> {
    let options = options(instance, &instance.config.load(), false);
    load::load_file(path, &options, &instance.loading, |entries| {
        instance.keyspace.lock_none().fill(entries)
    })
}

/// As [`snapshot`], where the exclusive section is held; on this thread alone, as that cannot be shared. With `replaces`, what is in the
/// file takes the place of what has its name.
///
/// # Errors
/// As [`snapshot`].
pub fn snapshot_exclusively(
    instance: &Instance,
    locked: &mut Locked<'_>,
    path: &Path,
    replaces: bool,
) -> Result<Report, FileError> {
    let mut options = options(instance, &instance.config.load(), false);
    options.library = Arc::new(move |source| {
        let added = function::load_saved(instance, source, replaces);
        added.map_err(|error| error.to_string())
    });
    let locked = RefCell::new(locked);
    load::load_file_here(path, &options, &instance.loading, |entries| {
        let mut locked = locked.borrow_mut();
        if replaces {
            locked.make_way(entries);
        }
        locked.fill(entries)
    })
}

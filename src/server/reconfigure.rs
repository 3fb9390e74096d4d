//! Bringing the running server in line with a CONFIG SET: what is not simply read from the configuration.

use std::io;
use std::net::SocketAddr;
use std::sync::Weak;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tracing::warn;

use super::connection::{evict_clients, limit_of_all};
use super::descriptors;
use super::listener::{self, Listener};
use super::worker::Crew;
use crate::command::Instance;
use crate::command::instance::NotApplied;
use crate::config::Config;
use crate::keyspace::evict::Gauge;
use crate::persistence::aof::orders::Settings;
use crate::telemetry::{log, memory};

/// The listening sockets, which run as tasks of the main thread.
pub struct Listening {
    runtime: Handle,
    instance: Weak<Instance>,
    crew: Crew,
    /// The TCP ones, by address.
    open: Mutex<Vec<(SocketAddr, AbortHandle)>>,
}

impl Listening {
    /// Nothing is listened on yet. To be called on the main runtime.
    pub fn new(instance: Weak<Instance>, crew: Crew) -> Listening {
        Listening {
            runtime: Handle::current(),
            instance,
            crew,
            open: Mutex::default(),
        }
    }

    /// Accepts clients on these sockets from now on.
    pub fn accept(&self, listeners: Vec<Listener>) {
        let Some(instance) = self.instance.upgrade() else {
            return;
        };
        for listener in listeners {
            let address = listener.tcp_address();
            let task = listener.accept(instance.clone(), self.crew.clone());
            let task = self.runtime.spawn(task).abort_handle();
            if let Some(address) = address {
                self.open.lock().push((address, task));
            }
        }
    }

    /// Listens on the addresses of `new`: opens what is missing, then closes what is no longer wanted. If an address
    /// cannot be had, nothing changes.
    fn follow(&self, new: &Config) -> io::Result<()> {
        let wanted = listener::tcp_addresses(new)?;
        let is_open = |address| self.open.lock().iter().any(|(open, _)| *open == address);
        let missing = wanted.iter().filter(|wanted| !is_open(wanted.address));
        let entered = self.runtime.enter();
        let opened = listener::bind_tcp(missing, new.network.tcp_backlog)?;
        drop(entered);
        self.open.lock().retain(|(open, task)| {
            let keep = wanted.iter().any(|wanted| wanted.address == *open);
            if !keep {
                task.abort();
            }
            keep
        });
        opened.iter().for_each(listener::announce);
        self.accept(opened);
        Ok(())
    }

    /// Does what a change of configuration asks for, or refuses it and does nothing.
    ///
    /// # Errors
    /// The directive at fault, and why.
    pub fn apply(&self, old: &Config, new: &Config) -> Result<(), NotApplied> {
        let maxclients = new.clients.maxclients;
        if maxclients > old.clients.maxclients && descriptors::room_for(maxclients) < maxclients {
            let reason = format!(
                "The operating system is not able to handle the specified number of clients, try with {}",
                descriptors::room_for(maxclients)
            );
            return Err(refusal("maxclients", reason));
        }
        if new.general.dir != old.general.dir {
            std::env::set_current_dir(&new.general.dir)
                .map_err(|error| refusal("dir", error.to_string()))?;
        }
        let (old_net, new_net) = (&old.network, &new.network);
        if (old_net.port, &old_net.bind) != (new_net.port, &new_net.bind)
            && let Err(error) = self.follow(new)
        {
            warn!("Listening on port {} failed: {error}", new_net.port);
            // Best effort: the folder was there a moment ago.
            let _ = std::env::set_current_dir(&old.general.dir);
            return Err(if old_net.port == new_net.port {
                refusal("bind", "Failed to bind to specified addresses.".to_owned())
            } else {
                let reason = "Unable to listen on this port. Check server logs.";
                refusal("port", reason.to_owned())
            });
        }
        warn_of_eviction(&self.instance, old, new);
        log::set_level(new.general.loglevel);
        log::set_format(new.general.log_format);
        if let Some(instance) = self.instance.upgrade() {
            instance.journal.configure(Settings::of(&new.persistence));
            instance.clients.memory.set_limit(limit_of_all(new));
            evict_clients(&instance);
            for worker in &instance.telemetry.workers {
                let wanted = new.telemetry.notify_keyspace_events;
                worker.effects.notifications.want(wanted);
            }
        }
        Ok(())
    }
}

/// Says what a limit below what is used means. The background notices by itself.
fn warn_of_eviction(instance: &Weak<Instance>, old: &Config, new: &Config) {
    let limit = memory::limit(new.memory.maxmemory);
    if new.memory.maxmemory == old.memory.maxmemory || limit == 0 {
        return;
    }
    let Some(instance) = instance.upgrade() else {
        return;
    };
    let above = Gauge::new(&instance.keyspace, limit).excess();
    if above > 0 {
        warn!(
            "The new maxmemory of {limit} bytes is smaller than the {} in use: keys will be evicted or writes refused, as \
             maxmemory-policy says",
            limit + above
        );
    }
}

fn refusal(directive: &'static str, reason: String) -> NotApplied {
    NotApplied { directive, reason }
}

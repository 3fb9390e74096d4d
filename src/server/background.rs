//! What happens when nobody asks: the expiry cycle and the sampling of rates, `hz` times a second, and eviction for as long
//! as memory is above its limit.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::command::Instance;
use crate::command::instance::unix_millis;
use crate::command::room;
use crate::keyspace::evict::{End, Evictor, Gauge};
use crate::keyspace::expire::Cycle;
use crate::telemetry::memory;

/// The share of its period that the expiry cycle may take at the least effort; Redis takes a quarter at most.
const EXPIRE_SHARE: u32 = 4;

/// How long keys are evicted at a time.
const EVICTION_SLICE: Duration = Duration::from_millis(1);

/// Runs for good.
pub async fn run(instance: Arc<Instance>) {
    let mut cycle = Cycle::new();
    let mut evictor = Evictor::new();
    loop {
        let config = instance.config.load_full();
        let period = Duration::from_secs(1) / config.general.hz.max(1);
        let sleep = tokio::time::sleep(period);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                biased;
                () = &mut sleep => break,
                () = instance.room_wanted.notified() => {}
            }
            let work = Arc::clone(&instance);
            let slice = move || {
                make_room(&work, &mut evictor);
                evictor
            };
            evictor = match tokio::task::spawn_blocking(slice).await {
                Ok(evictor) => evictor,
                Err(_) => return,
            };
        }
        let limit = memory::limit(config.memory.maxmemory);
        if limit > 0 && Gauge::new(&instance.keyspace, limit).excess() > 0 {
            instance.room_wanted.notify_one();
        }
        if instance.debug.cron_paused.load(Relaxed) {
            continue;
        }
        let now = unix_millis();
        instance.telemetry.sample(Instant::now());
        if instance.active_expire() && instance.pause.mode(now).is_none() {
            let effort = config.memory.active_expire_effort;
            let instance = Arc::clone(&instance);
            let sweep = move || {
                cycle.run(
                    &instance.keyspace,
                    &instance.telemetry.background().effects,
                    now,
                    effort,
                    period / EXPIRE_SHARE,
                );
                cycle
            };
            cycle = match tokio::task::spawn_blocking(sweep).await {
                Ok(cycle) => cycle,
                // The runtime is ending.
                Err(_) => return,
            };
        }
    }
}

/// Evicts for a while, if memory is above its limit, and asks to go on if it still is.
fn make_room(instance: &Instance, evictor: &mut Evictor) {
    let config = instance.config.load();
    let now = unix_millis();
    let limit = memory::limit(config.memory.maxmemory);
    if limit == 0 || instance.pause.mode(now).is_some() {
        return;
    }
    let moment = room::moment(&config, now, true);
    let effects = &instance.telemetry.background().effects;
    let Some(ground) = room::ground(&instance.keyspace, &config, effects, moment) else {
        return;
    };
    let gauge = Gauge::new(&instance.keyspace, limit);
    let end = evictor.run(&ground, EVICTION_SLICE, || gauge.excess() == 0);
    instance.keyspace.evictions.note(end != End::Enough);
    if end == End::OutOfTime {
        instance.room_wanted.notify_one();
    }
}

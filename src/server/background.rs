//! What happens when nobody asks: the expiry cycle, defragmentation and the sampling of rates, `hz` times a second, and
//! eviction for as long as memory is above its limit. All of it on a thread that steps back where the workers need the processor.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;
use tracing::{debug, info};

use crate::allocator;
use crate::command::Instance;
use crate::command::instance::unix_millis;
use crate::command::{aof, room, save, tracking};
use crate::config::Config;
use crate::keyspace::defrag::Walk;
use crate::keyspace::evict::{End, Evictor, Gauge};
use crate::keyspace::expire::Cycle;
use crate::persistence::rdb::saver::Due;
use crate::priority::{self, Pace};
use crate::telemetry::memory::{self, Resident};

/// The share of its period that the expiry cycle may take while much is dead. Redis takes a quarter, on the thread that serves
/// its clients; this one takes what the workers leave.
const EXPIRE_SHARE: f64 = 0.75;

/// How long keys are evicted at a time.
const EVICTION_SLICE: Duration = Duration::from_micros(200);

/// Starts the thread, which ends with the process.
///
/// # Errors
/// When the system refuses.
pub fn start(instance: &Arc<Instance>) -> io::Result<()> {
    let instance = Arc::clone(instance);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    std::thread::Builder::new()
        .name("background".to_owned())
        .spawn(move || {
            priority::step_back();
            runtime.block_on(run(&instance));
        })?;
    Ok(())
}

/// Runs for good.
async fn run(instance: &Instance) {
    let mut cycle = Cycle::new();
    let mut evictor = Evictor::new();
    let mut walk = Walk::default();
    let (mut tick, mut pace) = (Instant::now(), Pace::new());
    loop {
        let config = instance.config.load_full();
        let period = Duration::from_secs(1) / config.general.hz.max(1);
        tick = Instant::now().max(tick + period);
        let sleep = sleep_until(tick.into());
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                biased;
                () = &mut sleep => break,
                () = instance.room_wanted.notified() => {
                    make_room(instance, &mut evictor);
                    pace.step();
                }
            }
        }
        let limit = memory::limit(config.memory.maxmemory);
        if limit > 0 && Gauge::new(&instance.keyspace, limit).excess() > 0 {
            instance.room_wanted.notify_one();
        }
        if instance.debug.cron_paused.load(Relaxed) {
            continue;
        }
        let now = unix_millis();
        start_save_if_due(instance, &config, now);
        aof::attend(instance, &config);
        instance.telemetry.sample(Instant::now());
        let effects = &instance.telemetry.background().effects;
        tracking::trim(
            instance,
            &effects.invalidations,
            tracking::TRIMMED_IN_BACKGROUND,
        );
        let share = defragmentation(&config);
        let is_running = &instance.keyspace.defragmentation.is_running;
        is_running.store(share.is_some(), Relaxed);
        if let Some(share) = share {
            walk.run(&instance.keyspace, period.mul_f64(share));
        }
        if instance.active_expire() && instance.pause.mode(now).is_none() {
            cycle.run(
                &instance.keyspace,
                &instance.telemetry.background().effects,
                now,
                config.memory.active_expire_effort,
                period.mul_f64(EXPIRE_SHARE),
            );
        }
    }
}

/// Has the saver begin, if somebody asked for it or a save point is reached.
fn start_save_if_due(instance: &Instance, config: &Config, now: u64) {
    // A part of the data must not take the place of all of it.
    if instance.loading.is_active() {
        return;
    }
    let (points, changes) = (&config.persistence.save, instance.changes());
    let Some(due) = instance.saver.due(points, changes, now / 1000) else {
        return;
    };
    if let Due::SavePoint(point) = due {
        info!(
            "{} changes in {} seconds. Saving...",
            point.changes, point.seconds
        );
    }
    if let Err(reason) = save::start(instance) {
        debug!("The snapshot has to wait: {reason}");
    }
}

/// The share of the time that moving things together is worth now, if any: the more memory is wasted, the more.
fn defragmentation(config: &Config) -> Option<f64> {
    let system = &config.system;
    if !system.activedefrag {
        return None;
    }
    let used = allocator::allocated() as u64;
    let wasted = Resident::now()?.anonymous.saturating_sub(used);
    let percent = wasted as f64 * 100.0 / used.max(1) as f64;
    let lower = f64::from(system.active_defrag_threshold_lower);
    let upper = f64::from(system.active_defrag_threshold_upper);
    if wasted < system.active_defrag_ignore_bytes || percent < lower {
        return None;
    }
    let least = f64::from(system.active_defrag_cycle_min);
    let most = f64::from(system.active_defrag_cycle_max).max(least);
    let urgency = ((percent - lower) / (upper - lower).max(1.0)).min(1.0);
    Some((least + (most - least) * urgency) / 100.0)
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

//! What happens when nobody asks: the expiry cycle and the sampling of rates, `hz` times a second.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::command::Instance;
use crate::command::instance::unix_millis;
use crate::keyspace::expire::Cycle;

/// The share of its period that the expiry cycle may take at the least effort; Redis takes a quarter at most.
const EXPIRE_SHARE: u32 = 4;

/// Runs for good.
pub async fn run(instance: Arc<Instance>) {
    let mut cycle = Cycle::new();
    loop {
        let config = instance.config.load_full();
        let period = Duration::from_secs(1) / config.general.hz.max(1);
        tokio::time::sleep(period).await;
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

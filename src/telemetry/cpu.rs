//! How much processor time the process has used.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Processor time in microseconds, in the kernel and outside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Spent in the kernel.
    pub system: u64,
    /// Spent in the program.
    pub user: u64,
}

/// The time of all threads of this process.
pub fn of_process() -> Cpu {
    usage(UsageWho::RUSAGE_SELF)
}

/// The time of child processes that have ended.
pub fn of_children() -> Cpu {
    usage(UsageWho::RUSAGE_CHILDREN)
}

/// The time of the process's first thread, in steps of 10 ms; zero where the system does not tell.
pub fn of_main_thread() -> Cpu {
    /// The kernel counts in hundredths of a second here.
    const MICROS_PER_TICK: u64 = 10_000;
    let path = format!("/proc/self/task/{}/stat", std::process::id());
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // The second field is the thread's name in parentheses, which may hold anything; `state` is the first behind it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut ticks = fields
        .split(' ')
        .skip(11)
        .map(|field| field.parse().unwrap_or(0));
    let mut next = || ticks.next().unwrap_or(0) * MICROS_PER_TICK;
    let user = next();
    Cpu {
        user,
        system: next(),
    }
}

fn usage(who: UsageWho) -> Cpu {
    getrusage(who).map_or(Cpu::default(), |usage| Cpu {
        system: usage.system_time().num_microseconds() as u64,
        user: usage.user_time().num_microseconds() as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows() {
        let before = of_process();
        while of_process().user == before.user {
            std::hint::black_box((0..10_000u64).sum::<u64>());
        }
        let Cpu { user, system } = of_process();
        assert!(user > before.user && system >= before.system);
    }
}

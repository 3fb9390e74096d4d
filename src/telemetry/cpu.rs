//! How much processor time the process has used.

use std::mem::MaybeUninit;

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
    usage(libc::RUSAGE_SELF)
}

/// The time of child processes that have ended.
pub fn of_children() -> Cpu {
    usage(libc::RUSAGE_CHILDREN)
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

fn usage(who: libc::c_int) -> Cpu {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable and of the type that the call fills in.
    let failed = unsafe { libc::getrusage(who, usage.as_mut_ptr()) } != 0;
    // SAFETY: a `rusage` consists of integers, for which zero bytes are a value, so it is initialised even if the call failed.
    let usage = unsafe { usage.assume_init() };
    if failed {
        return Cpu::default();
    }
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Cpu {
        system: micros(usage.ru_stime),
        user: micros(usage.ru_utime),
    }
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

//! What processes cost, by the kernel's word: CPU time of every thread in nanoseconds, memory as proportional set size.

use std::{collections::HashMap, fs};

/// CPU time of each thread of a process so far.
#[derive(Debug, Clone, Default)]
pub struct Used(HashMap<u32, Thread>);

#[derive(Debug, Clone, Default)]
struct Thread {
    name: String,
    ns: u64,
}

/// CPU time of a process's threads so far; nothing when it is gone.
pub fn used(pid: u32) -> Used {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Used::default();
    };
    let mut used = HashMap::new();
    for thread in threads.flatten() {
        let Some(id) = thread
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Documentation/scheduler/sched-stats.rst: time on a core in ns, time waiting in ns, time slices.
        let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let on_core = text.split_ascii_whitespace().next();
        let ns = on_core.and_then(|ns| ns.parse().ok()).unwrap_or(0);
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let name = name.trim_end().to_owned();
        used.insert(id, Thread { name, ns });
    }
    Used(used)
}

impl Used {
    /// Nanoseconds since an earlier look. What a thread used that ended in between is not seen.
    pub fn since(&self, earlier: &Self) -> u64 {
        self.since_of(earlier, |_| true)
    }

    /// Likewise, of the threads with such names.
    pub fn since_of(&self, earlier: &Self, name: impl Fn(&str) -> bool) -> u64 {
        let each = |(id, thread): (&u32, &Thread)| {
            let before = earlier.0.get(id).map_or(0, |before| before.ns);
            thread.ns.saturating_sub(before)
        };
        let named = self.0.iter().filter(|(_, thread)| name(&thread.name));
        named.map(each).sum()
    }
}

/// Nanoseconds that the calling thread has run.
pub fn this_thread() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_core = text.split_ascii_whitespace().next();
    on_core.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Clock ticks a second in /proc (Linux: USER_HZ is 100 on every architecture we run on).
const TICK_S: f64 = 0.01;

/// Seconds of CPU that a whole process has used, ended threads and processes not yet waited for included.
pub fn seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // proc_pid_stat(5): fields 14 and 15, counted behind the name in parentheses.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        * TICK_S
}

/// Seconds of CPU that the whole machine has used, what its hypervisor gave to others included.
pub fn machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    // proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; the rest is counted in these.
    let ticks = fields
        .skip(1)
        .take(8)
        .map(|ticks| ticks.parse().unwrap_or(0.0));
    let busy = ticks
        .enumerate()
        .filter(|(place, _)| ![3, 4].contains(place));
    busy.map(|(_, ticks)| ticks).sum::<f64>() * TICK_S
}

/// A process's memory in KiB, shared pages by its part of them.
pub fn pss_kib(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

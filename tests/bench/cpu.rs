//! CPU time of a process, by the kernel's word.

use std::time::Duration;

/// Clock ticks a second in /proc (Linux: USER_HZ is 100 on every architecture we run on).
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process and its threads so far; zero when it is gone.
pub fn used(pid: u32) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return Duration::ZERO;
    };
    // proc_pid_stat(5): fields 14 and 15, counted behind the name in parentheses.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return Duration::ZERO;
    };
    let ticks: u32 = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u32>().ok())
        .sum();
    TICK * ticks
}

/// Resident memory of a process in KiB (proc_pid_status(5), VmRSS).
pub fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

//! What the kernel says of this process, in `/proc/self`.

use std::fs;

/// `/proc` counts CPU time in hundredths of a second on every Linux there is.
const TICKS: f64 = 100.0;

/// What is known of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Process {
    /// User and system time, in seconds.
    pub(super) cpu_seconds: f64,
    /// Held in memory.
    pub(super) resident_bytes: u64,
    /// Open files and sockets.
    pub(super) open_files: u64,
    /// How many there may be.
    pub(super) most_files: u64,
}

impl Process {
    /// Looks; `None` where `/proc` does not tell.
    pub(super) fn look() -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let files = fs::read_dir("/proc/self/fd").ok()?.count();
        Some(Self {
            cpu_seconds: cpu_seconds(&read("stat")?)?,
            resident_bytes: resident_bytes(&read("status")?)?,
            // The one that was open for looking is none of them.
            open_files: u64::try_from(files).ok()?.saturating_sub(1),
            most_files: most_files(&read("limits")?)?,
        })
    }
}

/// The 14th and the 15th field; the second one is a name that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) / TICKS)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

fn most_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_hides_no_cpu_time() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 0 1 2 3 4 250 50 0 0 20";
        assert_eq!(cpu_seconds(stat).map(f64::to_bits), Some(3.0f64.to_bits()));
    }

    #[test]
    fn this_process_has_memory_and_open_files() {
        let process = Process::look().unwrap();
        assert!(process.resident_bytes > 1024 * 1024, "{process:?}");
        assert!((3..process.most_files).contains(&process.open_files), "{process:?}");
    }
}

//! What the system itself counts of its stalls, where it does: pressure, quotas, kills for memory.

use std::path::PathBuf;
use std::time::Duration;

use super::{Seen, Stalled};

/// With less memory left than this, in KiB, anything may be killed.
const LEAST_MEMORY: u64 = 32 * 1024;

/// Counters, and what they were when they were last read.
pub(super) struct System {
    counters: Vec<Counter>,
    kills: Option<u64>,
}

/// How long something was stalled since the system started.
struct Counter {
    what: Stalled,
    file: PathBuf,
    /// What the number in the file follows.
    key: &'static str,
    nanos_each: u64,
    last: Option<u64>,
}

impl System {
    pub(super) fn new() -> Self {
        let counter = |what, file: PathBuf, key, nanos_each| Counter {
            what,
            file,
            key,
            nanos_each,
            last: None,
        };
        let mut counters = vec![
            counter(Stalled::Io, "/proc/pressure/io".into(), FULL, 1000),
            counter(Stalled::Memory, "/proc/pressure/memory".into(), FULL, 1000),
        ];
        if let Some((file, is_unified)) = quota_file() {
            let (key, nanos_each) = match is_unified {
                true => ("throttled_usec ", 1000),
                false => ("throttled_time ", 1),
            };
            counters.push(counter(Stalled::Quota, file, key, nanos_each));
        }
        let mut system = Self {
            counters,
            kills: None,
        };
        // What was before is nobody's.
        system.ask(&Seen::default());
        system
    }

    /// Takes note of what happened since it was last asked.
    pub(super) fn ask(&mut self, seen: &Seen) {
        for counter in &mut self.counters {
            let text = std::fs::read_to_string(&counter.file).unwrap_or_default();
            let now = number_after(&text, counter.key);
            if let (Some(now), Some(last)) = (now, counter.last) {
                let nanos = now.saturating_sub(last) * counter.nanos_each;
                seen.state().take(counter.what, Duration::from_nanos(nanos));
            }
            counter.last = now;
        }
        let statistics = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
        let kills = number_after(&statistics, "oom_kill ");
        if self.kills.is_some() && kills > self.kills {
            let why = "memory ran out, and the system killed a process for it";
            seen.state().fail(why.into());
        }
        self.kills = kills;
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        if let Some(left) = number_after(&memory, "MemAvailable:").filter(|kb| *kb < LEAST_MEMORY) {
            let why = format!("only {} MiB of memory are left", left / 1024);
            seen.state().fail(why);
        }
    }
}

/// All tasks waited, in microseconds.
const FULL: &str = "full avg10=";

/// The number that follows a word at the beginning of a line; of a line of pressure, its total.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let line = line.split_once("total=").map_or(line, |(_, total)| total);
    line.split_whitespace().next()?.parse().ok()
}

/// The file that counts how long the quota of this process's control group stopped it, and whether
/// it is that of the unified hierarchy.
fn quota_file() -> Option<(PathBuf, bool)> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let mounted = |is_it: &dyn Fn(&str, &str) -> bool| {
        mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (place, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            is_it(kind, options).then(|| PathBuf::from(place))
        })
    };
    let has_cpu = |list: &str| list.split(',').any(|name| name == "cpu");
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next()?, fields.next()?);
        let is_unified = controllers.is_empty();
        let root = match is_unified {
            true => mounted(&|kind, _| kind == "cgroup2"),
            false if has_cpu(controllers) => {
                mounted(&|kind, options| kind == "cgroup" && has_cpu(options))
            }
            false => None,
        }?;
        // Inside of a container its own group is the root that it sees.
        let group = root.join(group.trim_start_matches('/')).join("cpu.stat");
        let files = [group, root.join("cpu.stat")];
        let counts = |file: &PathBuf| {
            std::fs::read_to_string(file).is_ok_and(|text| text.contains("throttled_"))
        };
        Some((files.into_iter().find(counts)?, is_unified))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_words() {
        let pressure = "some avg10=0.16 avg60=0.94 avg300=1.34 total=126390716\n\
                        full avg10=0.00 avg60=0.06 avg300=0.45 total=32907484\n";
        assert_eq!(number_after(pressure, FULL), Some(32_907_484));
        let quota = "usage_usec 7\nnr_throttled 3\nthrottled_usec 1500\n";
        assert_eq!(number_after(quota, "throttled_usec "), Some(1500));
        assert_eq!(
            number_after("MemAvailable:   123 kB\n", "MemAvailable:"),
            Some(123)
        );
        assert_eq!(number_after("oom_kill x\n", "oom_kill "), None);
        assert_eq!(number_after("", FULL), None);
    }

    #[test]
    fn what_was_counted_before_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cpu.stat");
        std::fs::write(&file, "throttled_usec 9000000\n").unwrap();
        let counter = Counter {
            what: Stalled::Quota,
            file: file.clone(),
            key: "throttled_usec ",
            nanos_each: 1000,
            last: None,
        };
        let mut system = System {
            counters: vec![counter],
            kills: None,
        };
        let seen = Seen::default();
        system.ask(&seen);
        assert!(seen.state().stalls.is_empty());
        std::fs::write(&file, "throttled_usec 9300000\n").unwrap();
        system.ask(&seen);
        let stall = seen.state().stalls[0];
        assert_eq!(
            (stall.what, stall.lasted),
            (Stalled::Quota, Duration::from_millis(300))
        );
    }
}

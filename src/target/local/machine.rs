//! Whether the machine keeps up with a run.
//!
//! The system's time limits are scaled down with its waits, but the machine's own work is not: where
//! the processor, the disk or the start of a process stalls, git and builds run into limits that no
//! system of its own would meet. One sampler for all runs of this process does a little of each
//! again and again, and records what took too long. What it measures is compared in the system's own
//! time, so that a slower run is disturbed by less.

mod probes;
mod system;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::probes::Probes;
use self::system::System;
use crate::target::Doubt;

/// A stall of so much of the system's own time may make it miss a limit: those of the contract begin
/// at 30 s, and several pieces of work fit into one.
const LONG: Duration = Duration::from_secs(5);
/// Starting a process takes a thousandth of this on a machine at rest. Slower than this
/// [`IN_A_ROW`] times, git is slow throughout, and needs no stall to miss a limit.
const SLOW_START: Duration = Duration::from_secs(1);
const IN_A_ROW: usize = 3;
/// How often a timer is set, in real time.
const TIMER: Duration = Duration::from_millis(20);
/// How often the system is asked how long it stalled.
const ASK: Duration = Duration::from_millis(250);
/// How often the probes of the disk and of processes run.
const PROBE: Duration = Duration::from_millis(200);
/// Shorter stalls are not recorded: no time scale makes them long.
const RECORDED: Duration = Duration::from_millis(10);
/// So many records are kept: some minutes' worth on a machine that stalls all the time.
const KEPT: usize = 20_000;

/// What can stall, and what is seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stalled {
    /// A timer of this program fired late.
    Program,
    /// A container was stopped by a signal.
    Container,
    /// A small file took long to be on the disk.
    Disk,
    /// A process that does nothing took long.
    Process,
    /// All work waited for disks, as the system counts it.
    Io,
    /// All work waited for memory, as the system counts it.
    Memory,
    /// The control group had used up its share of the processors.
    Quota,
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "the tester got no processor for",
            Self::Container => "something stopped a worker for",
            Self::Disk => "writing a small file took",
            Self::Process => "starting a process took",
            Self::Io => "all programs waited for the disk for",
            Self::Memory => "all programs waited for memory for",
            Self::Quota => "the quota of processor time stopped all for",
        })
    }
}

/// Something that took too long.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Stall {
    what: Stalled,
    /// When it was over.
    at: Instant,
    lasted: Duration,
}

/// Watches the machine while a run goes on.
pub(super) struct MachineWatch {
    sampler: Arc<Sampler>,
    began: Instant,
    /// Real seconds for each of the system's.
    scale: f64,
}

impl MachineWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When a thread or a folder cannot be made, or the machine lacks what any run needs.
    pub(super) fn start(scale: f64) -> io::Result<Self> {
        let began = Instant::now();
        let sampler = Sampler::shared()?;
        // What is short from the beginning is reported before a run fails for it.
        if let Some(why) = probes::shortage(&sampler.folder, probes::NEEDED) {
            return Err(io::Error::other(why));
        }
        let watch = Self {
            sampler,
            began,
            scale,
        };
        match watch.failure() {
            Some(why) => Err(io::Error::other(why)),
            None => Ok(watch),
        }
    }

    /// Takes note of a stall that was seen elsewhere and has just ended.
    pub(super) fn record(&self, what: Stalled, lasted: Duration) {
        self.sampler.seen.state().take(what, lasted);
    }

    /// What the machine refused to do since the run began, whatever the system did.
    pub(super) fn failure(&self) -> Option<String> {
        let state = self.sampler.seen.state();
        let mut failures = state.failures.iter();
        let failure = failures.find(|(at, _)| *at >= self.began);
        failure.map(|(_, why)| why.clone())
    }

    /// Why what was seen may be the machine's doing, where it may.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        if let Some(why) = self.failure() {
            return Some(Doubt::Failed(why));
        }
        let state = self.sampler.seen.state();
        let stalls = state.stalls.iter().copied().chain(state.under_way());
        let stalls: Vec<Stall> = stalls.filter(|stall| stall.at >= self.began).collect();
        let stall = longest(&stalls, LONG.mul_f64(self.scale))
            .or_else(|| slow_starts(&stalls, SLOW_START.mul_f64(self.scale)))?;
        let of_system = |real: Duration| real.div_f64(self.scale).as_secs_f64();
        Some(Doubt::Stalled(format!(
            "{} {:.2} s ({:.0} s of the system's time) {:.0} s into the run",
            stall.what,
            stall.lasted.as_secs_f64(),
            of_system(stall.lasted),
            of_system(stall.at - self.began),
        )))
    }
}

/// The longest stall that is not shorter than a limit.
fn longest(stalls: &[Stall], limit: Duration) -> Option<Stall> {
    let longest = stalls.iter().max_by_key(|stall| stall.lasted)?;
    (longest.lasted >= limit).then_some(*longest)
}

/// The last of some starts of processes in a row that were all slower than a limit.
fn slow_starts(stalls: &[Stall], limit: Duration) -> Option<Stall> {
    let starts = stalls.iter().filter(|stall| stall.what == Stalled::Process);
    let starts: Vec<&Stall> = starts.collect();
    let is_slow = |some: &&[&Stall]| some.iter().all(|stall| stall.lasted >= limit);
    let slow = starts.windows(IN_A_ROW).find(is_slow)?;
    slow.last().map(|stall| **stall)
}

/// What the sampler has seen.
#[derive(Default)]
struct Seen(Mutex<SeenState>);

#[derive(Default)]
struct SeenState {
    stalls: VecDeque<Stall>,
    failures: Vec<(Instant, String)>,
    /// The probe that has not ended yet, and when it began.
    probing: Option<(Stalled, Instant)>,
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, SeenState> {
        // It is whole after every statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeenState {
    fn take(&mut self, what: Stalled, lasted: Duration) {
        // Every start of a process counts, since they are counted in a row.
        if lasted < RECORDED && what != Stalled::Process {
            return;
        }
        let at = Instant::now();
        self.stalls.push_back(Stall { what, at, lasted });
        if self.stalls.len() > KEPT {
            self.stalls.pop_front();
        }
    }

    fn fail(&mut self, why: String) {
        // One is enough for a run, and a full disk would be reported for ever.
        if self.failures.len() < KEPT {
            self.failures.push((Instant::now(), why));
        }
    }

    fn under_way(&self) -> Option<Stall> {
        let (what, began) = self.probing?;
        Some(Stall {
            what,
            at: Instant::now(),
            lasted: began.elapsed(),
        })
    }
}

/// The threads that look at the machine while any run goes on.
struct Sampler {
    seen: Arc<Seen>,
    /// Where it writes.
    folder: PathBuf,
    stop: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Sampler {
    /// The one sampler of this process; it begins with the first run and ends with the last.
    fn shared() -> io::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Sampler>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sampler) = shared.upgrade() {
            return Ok(sampler);
        }
        let sampler = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&sampler);
        Ok(sampler)
    }

    fn start() -> io::Result<Self> {
        let seen = Arc::default();
        let mut probes = Probes::new(&seen)?;
        let mut sampler = Self {
            seen,
            folder: probes.folder().to_owned(),
            stop: Vec::new(),
            threads: Vec::new(),
        };
        sampler.every(PROBE, "probes", move |seen, _| probes.run(seen))?;
        let mut system = System::new();
        let mut asked = Instant::now();
        sampler.every(TIMER, "timers", move |seen, late| {
            seen.state().take(Stalled::Program, late);
            if asked.elapsed() >= ASK {
                asked = Instant::now();
                system.ask(seen);
            }
        })?;
        Ok(sampler)
    }

    /// Does something again and again on a thread, and says how late it is.
    fn every(
        &mut self,
        pause: Duration,
        name: &str,
        mut act: impl FnMut(&Seen, Duration) + Send + 'static,
    ) -> io::Result<()> {
        let (stop, stopped) = mpsc::channel();
        let seen = self.seen.clone();
        let thread = std::thread::Builder::new().name(name.into());
        let thread = thread.spawn(move || {
            let mut due = Instant::now() + pause;
            while let Err(RecvTimeoutError::Timeout) =
                stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
            {
                act(&seen, due.elapsed());
                due = Instant::now() + pause;
            }
        })?;
        self.stop.push(stop);
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.clear();
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stalls: &[(Stalled, u64)]) -> Arc<Seen> {
        let seen = Arc::<Seen>::default();
        for (what, millis) in stalls {
            seen.state().take(*what, Duration::from_millis(*millis));
        }
        seen
    }

    /// What is thought of a run at a time scale in which this was seen.
    fn doubt(scale: f64, stalls: &[(Stalled, u64)]) -> Option<String> {
        let began = Instant::now();
        let sampler = Arc::new(Sampler {
            seen: seen(stalls),
            folder: PathBuf::new(),
            stop: Vec::new(),
            threads: Vec::new(),
        });
        let watch = MachineWatch {
            sampler,
            began,
            scale,
        };
        watch.doubt().map(|doubt| match doubt {
            Doubt::Stalled(why) | Doubt::Failed(why) => why,
        })
    }

    #[test]
    fn a_stall_counts_by_the_systems_own_time() {
        for what in [Stalled::Program, Stalled::Disk, Stalled::Container] {
            let slow = doubt(1.0 / 30.0, &[(what, 12), (what, 300)]).unwrap();
            assert!(
                slow.contains(&format!("{what} 0.30 s (9 s of the system's time)")),
                "{slow}"
            );
            assert_eq!(doubt(1.0 / 30.0, &[(what, 150)]), None);
            assert_eq!(doubt(1.0 / 15.0, &[(what, 300)]), None);
        }
    }

    #[test]
    fn slow_starts_of_processes_count_in_a_row() {
        let starts = |millis: &[u64]| {
            let starts: Vec<_> = millis.iter().map(|ms| (Stalled::Process, *ms)).collect();
            doubt(1.0 / 30.0, &starts)
        };
        assert_eq!(starts(&[40, 2, 60, 40, 1]), None);
        assert!(starts(&[1, 40, 60, 40, 1]).is_some());
        assert!(starts(&[1, 200, 1]).is_some());
    }

    #[test]
    fn what_was_before_the_run_is_not_of_it() {
        let sampler = Arc::new(Sampler {
            seen: seen(&[(Stalled::Disk, 9_000)]),
            folder: PathBuf::new(),
            stop: Vec::new(),
            threads: Vec::new(),
        });
        sampler.seen.state().fail("no space".into());
        std::thread::sleep(Duration::from_millis(2));
        let watch = MachineWatch {
            sampler: sampler.clone(),
            began: Instant::now(),
            scale: 1.0 / 30.0,
        };
        assert!(watch.doubt().is_none() && watch.failure().is_none());
        sampler.seen.state().fail("no space".into());
        assert!(matches!(watch.doubt(), Some(Doubt::Failed(why)) if why == "no space"));
    }

    #[test]
    fn it_looks_while_a_run_goes_on() {
        let watch = MachineWatch::start(1.0).unwrap();
        let again = MachineWatch::start(1.0).unwrap();
        assert!(Arc::ptr_eq(&watch.sampler, &again.sampler));
        let is_seen = |stall: &Stall| stall.what == Stalled::Process;
        while !watch.sampler.seen.state().stalls.iter().any(is_seen) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

//! Whether the machine gave a run the time that it needs.
//!
//! The system's time limits are scaled down with its waits, but the machine's own work is not: where
//! other programs take most of the processors, git and builds run into limits that no system of
//! its own would meet. A violation that was seen then may be the machine's.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

/// How often the load is looked at, in real time.
const EVERY: Duration = Duration::from_millis(400);
/// Processor time that one look uses: longer than a program that just woke is let through alone.
const LOOK: Duration = Duration::from_millis(8);
/// So many times its processor time a look may take. On two processors that is six or seven busy
/// programs; with five, a hundred plans met no limit.
const SLOW: f64 = 3.0;
/// A look that begins later than this was stopped, and the rest of the run with it.
const STOPPED: Duration = Duration::from_secs(1);
/// So many looks in a row that were slow are no accident.
const IN_A_ROW: u32 = 3;

/// Watches the load while a run goes on.
pub(super) struct LoadWatch {
    seen: Arc<Mutex<Seen>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What was seen of the load.
#[derive(Clone, Copy, Default)]
struct Seen {
    slow_in_a_row: u32,
    /// The most of them.
    slow: u32,
    slowest: f64,
    stopped: Duration,
}

impl LoadWatch {
    pub(super) fn start() -> io::Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (stop, stopped) = mpsc::channel();
        let theirs = seen.clone();
        let thread = std::thread::Builder::new()
            .name("load-watch".into())
            .spawn(move || {
                let mut due = Instant::now() + EVERY;
                while let Err(RecvTimeoutError::Timeout) =
                    stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
                {
                    let late = due.elapsed();
                    let slowness = look();
                    theirs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take(late, slowness);
                    due = Instant::now() + EVERY;
                }
            })?;
        Ok(Self {
            seen,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Why what was seen may be the machine's doing, where it may.
    pub(super) fn doubt(&self) -> Option<String> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .doubt()
    }
}

impl Drop for LoadWatch {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn take(&mut self, late: Duration, slowness: f64) {
        self.stopped = self.stopped.max(late);
        self.slowest = self.slowest.max(slowness);
        self.slow_in_a_row = if slowness >= SLOW {
            self.slow_in_a_row + 1
        } else {
            0
        };
        self.slow = self.slow.max(self.slow_in_a_row);
    }

    fn doubt(&self) -> Option<String> {
        if self.stopped >= STOPPED {
            return Some(format!("this program was stopped for {:.1?}", self.stopped));
        }
        (self.slow >= IN_A_ROW).then(|| {
            format!(
                "the machine was busy with other work, which made everything up to {:.0} times \
                 slower",
                self.slowest
            )
        })
    }
}

/// Uses some processor time, and returns how many times longer that took than it should.
fn look() -> f64 {
    let used = || {
        let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
        time.map(Duration::from).unwrap_or_default()
    };
    let (began, before) = (Instant::now(), used());
    while used().saturating_sub(before) < LOOK && began.elapsed() < 100 * LOOK {
        std::hint::spin_loop();
    }
    began.elapsed().as_secs_f64() / LOOK.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(looks: &[(u64, f64)]) -> Option<String> {
        let mut seen = Seen::default();
        for (late, slowness) in looks {
            seen.take(Duration::from_millis(*late), *slowness);
        }
        seen.doubt()
    }

    #[test]
    fn a_machine_that_is_slow_for_long_or_stopped_is_doubted() {
        assert_eq!(after(&[(0, 1.0), (3, 9.0), (0, 9.0), (1, 1.2)]), None);
        let slow = after(&[(0, 4.0), (0, 9.0), (0, 3.5), (0, 1.0)]);
        assert!(slow.is_some_and(|why| why.contains("9 times slower")));
        let stopped = after(&[(2_500, 1.0)]);
        assert!(stopped.is_some_and(|why| why.contains("stopped for 2.5s")));
    }

    #[test]
    fn it_looks_while_it_lives() {
        let watch = LoadWatch::start().unwrap();
        while watch.seen.lock().unwrap().slowest == 0.0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(watch.seen.lock().unwrap().slowest >= 0.9);
    }
}

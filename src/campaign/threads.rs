//! The cases of a campaign on threads: handed out in order, taken in order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::case::{Case, CaseFile};
use super::{CampaignError, Config, Shard};
use crate::generate;

/// A thread may be so many cases ahead of the oldest one that is not done: what waits to be taken
/// is bounded.
const AHEAD: u64 = 1024;
/// How long a thread that is too far ahead waits before it looks again.
const WAIT: Duration = Duration::from_millis(5);
/// How often the campaign is asked whether to go on when nothing comes.
const TICK: Duration = Duration::from_millis(200);

/// Which cases are run.
pub(crate) struct Cases<'a> {
    pub(crate) config: &'a Config,
    pub(crate) shard: Shard,
    /// So many of the shard's cases are done already.
    pub(crate) done: u64,
    /// The file that holds the case of a thread while it runs, so that a case that takes the whole
    /// tester with it can be seen.
    pub(crate) case_file: &'a (dyn Fn(usize) -> PathBuf + Sync),
}

/// What the campaign is asked about.
pub(crate) enum Progressed<'a, T> {
    /// A case has run, in whatever order.
    Ran(&'a T),
    /// The next case in order, by its number.
    Next(u64, T),
    /// All that came in order was taken; or nothing came for a while.
    Waiting,
}

/// How the campaign goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GoOn {
    Yes,
    /// Cases that are under way come to their end, and are taken.
    WithThoseUnderWay,
    /// Nothing more is taken.
    No,
}

/// What the threads share.
struct Shared {
    /// The next of the shard's cases.
    next: AtomicU64,
    /// All of the shard's cases before this one were taken.
    taken: AtomicU64,
    stop: AtomicBool,
}

impl Cases<'_> {
    /// Runs the cases on as many threads as jobs. `run` is called on those, and returns `None` for
    /// a case that was cut off; `asked` is called here.
    ///
    /// # Errors
    /// What `run` or `asked` returns, or where plans cannot be generated or written.
    pub(crate) fn run<T: Send>(
        &self,
        run: &(dyn Fn(u64, Case) -> Result<Option<T>, CampaignError> + Sync),
        asked: &mut dyn FnMut(Progressed<'_, T>) -> Result<GoOn, CampaignError>,
    ) -> Result<(), CampaignError> {
        let shared = Shared {
            next: AtomicU64::new(self.done),
            taken: AtomicU64::new(self.done),
            stop: AtomicBool::new(false),
        };
        std::thread::scope(|scope| {
            let (send, done) = mpsc::channel();
            for job in 0..self.config.jobs.max(1) {
                let (send, shared) = (send.clone(), &shared);
                scope.spawn(move || {
                    if let Err(error) = self.work(job, shared, run, &send) {
                        // The campaign may have ended, and the channel with it.
                        let _ = send.send(Err(error));
                    }
                });
            }
            drop(send);
            let result = self.collect(&done, &shared, asked);
            shared.stop.store(true, Ordering::Relaxed);
            result
        })
    }

    /// Takes what the threads send in the order of the cases, until they end.
    fn collect<T>(
        &self,
        done: &mpsc::Receiver<Result<(u64, T), CampaignError>>,
        shared: &Shared,
        asked: &mut dyn FnMut(Progressed<'_, T>) -> Result<GoOn, CampaignError>,
    ) -> Result<(), CampaignError> {
        let mut early = BTreeMap::new();
        let mut expected = self.done;
        // Cases are handed out in order: those before one that ran are under way already.
        let heed = |go_on| {
            shared.stop.fetch_or(go_on != GoOn::Yes, Ordering::Relaxed);
            go_on != GoOn::No
        };
        loop {
            match done.recv_timeout(TICK) {
                Ok(ran) => {
                    let (turn, ran) = ran?;
                    if !heed(asked(Progressed::Ran(&ran))?) {
                        return Ok(());
                    }
                    early.insert(turn, ran);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Some(ran) = early.remove(&expected) {
                let number = self.shard.case(expected);
                expected += 1;
                let go_on = asked(Progressed::Next(number, ran))?;
                shared.taken.store(expected, Ordering::Relaxed);
                if !heed(go_on) {
                    return Ok(());
                }
            }
            if !heed(asked(Progressed::Waiting)?) {
                return Ok(());
            }
        }
    }

    /// One thread's work: takes the next case until there is none, or it shall stop.
    fn work<T>(
        &self,
        job: usize,
        shared: &Shared,
        run: &(dyn Fn(u64, Case) -> Result<Option<T>, CampaignError> + Sync),
        send: &mpsc::Sender<Result<(u64, T), CampaignError>>,
    ) -> Result<(), CampaignError> {
        let strategy = generate::plans(&self.config.shape);
        let cases = self.config.cases;
        let most = cases.map_or(u64::MAX, |cases| self.shard.share_of(cases));
        let path = (self.case_file)(job);
        let failed = |why| CampaignError::Write {
            path: path.clone(),
            why,
        };
        let mut case_file = CaseFile::at(&path).map_err(failed)?;
        while !shared.stop.load(Ordering::Relaxed) {
            let turn = shared.next.fetch_add(1, Ordering::Relaxed);
            if turn >= most || !is_near(shared, turn) {
                break;
            }
            let number = self.shard.case(turn);
            let case = Case::generate(&strategy, self.config.seed, number)
                .map_err(CampaignError::Generate)?;
            case_file.write(&case).map_err(failed)?;
            let Some(ran) = run(number, case)? else {
                break;
            };
            if send.send(Ok((turn, ran))).is_err() {
                break;
            }
        }
        case_file.remove().map_err(failed)
    }
}

/// Waits until a case is not too far ahead of the oldest one that is not done; not so where the
/// campaign ends before.
fn is_near(shared: &Shared, turn: u64) -> bool {
    while turn >= shared.taken.load(Ordering::Relaxed) + AHEAD {
        if shared.stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(WAIT);
    }
    true
}

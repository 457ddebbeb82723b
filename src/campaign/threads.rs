//! The plans of a campaign on threads: handed out in order, taken in order, kept ones first or, where there is no
//! time for all of them, in turns with the others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proptest::strategy::BoxedStrategy;

use super::case::{self, Case, CaseFile};
use super::{CampaignError, Config, Shard};
use crate::generate;
use crate::plan::Plan;
use crate::process::no_thread;
use crate::regression::Kept;
use crate::shrink::canonical;

/// A thread may be so many cases ahead of the oldest one that is not done: what waits to be taken
/// is bounded.
const AHEAD: u64 = 1024;
/// How long a thread that is too far ahead waits before it looks again.
const WAIT: Duration = Duration::from_millis(5);
/// How often another plan is drawn in the place of one that was drawn before.
const REDRAWN: u64 = 16;
/// How often the campaign is asked whether to go on when nothing comes.
const TICK: Duration = Duration::from_millis(200);

/// Which cases are run.
pub(crate) struct Cases<'a> {
    pub(crate) config: &'a Config,
    pub(crate) shard: Shard,
    /// So many of the shard's cases are done already.
    pub(crate) done: u64,
    /// Run before the cases; where they have a time, in turns with those.
    pub(crate) kept: &'a [Kept],
    /// The file that holds the case of a thread while it runs, so that a case that takes the whole
    /// tester with it can be seen.
    pub(crate) case_file: &'a (dyn Fn(usize) -> PathBuf + Sync),
}

/// Where a plan comes from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    Kept(&'a Kept),
    /// Generated: the number of the case.
    Case(u64),
}

/// What the campaign is asked about.
pub(crate) enum Progressed<'a, T> {
    /// A plan has run, in whatever order.
    Ran(&'a T),
    /// The next plan in order.
    Next(Source<'a>, T),
    /// A kept plan, next in order, for which there was no time.
    LeftOut,
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
    began: Instant,
    /// The place in the order of the next plan to run.
    next: AtomicU64,
    /// All plans before this one were taken.
    taken: AtomicU64,
    stop: AtomicBool,
    /// The plans that were drawn, by the form that names do not change; only of campaigns that begin with plans
    /// of their own, whose runs are slow.
    drawn: Option<Mutex<Vec<Plan>>>,
}

/// A plan by its place in the order; nothing where it was left out.
type Sent<T> = Result<(u64, Option<T>), CampaignError>;

impl<'a> Cases<'a> {
    /// Runs the plans on as many threads as jobs. `run` is called on those, and returns `None` for
    /// a plan that was cut off; `asked` is called here.
    ///
    /// # Errors
    /// What `run` or `asked` returns, or where plans cannot be generated or written.
    pub(crate) fn run<T: Send>(
        &self,
        run: &(dyn Fn(Source<'a>, Case) -> Result<Option<T>, CampaignError> + Sync),
        asked: &mut dyn FnMut(Progressed<'_, T>) -> Result<GoOn, CampaignError>,
    ) -> Result<(), CampaignError> {
        let shared = Shared {
            began: Instant::now(),
            next: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            drawn: (!self.config.first.is_empty())
                .then(|| Mutex::new(self.config.first.iter().map(canonical).collect())),
        };
        std::thread::scope(|scope| {
            let (send, done) = mpsc::channel();
            for job in 0..self.config.jobs.max(1) {
                let (send, shared) = (send.clone(), &shared);
                let work = move || {
                    if let Err(error) = self.work(job, shared, run, &send) {
                        // The campaign may have ended, and the channel with it.
                        let _ = send.send(Err(error));
                    }
                };
                match std::thread::Builder::new().spawn_scoped(scope, work) {
                    Ok(_) => {}
                    // Fewer do the same work.
                    Err(why) if job > 0 => {
                        eprintln!(
                            "only {job} plans run at once: {}",
                            no_thread("for more", &why)
                        );
                        break;
                    }
                    Err(why) => return Err(no_thread("for the plans", &why).into()),
                }
            }
            drop(send);
            let result = self.collect(&done, &shared, asked);
            shared.stop.store(true, Ordering::Relaxed);
            result
        })
    }

    /// Takes what the threads send in the order of the plans, until they end.
    fn collect<T>(
        &self,
        done: &mpsc::Receiver<Sent<T>>,
        shared: &Shared,
        asked: &mut dyn FnMut(Progressed<'_, T>) -> Result<GoOn, CampaignError>,
    ) -> Result<(), CampaignError> {
        let mut early = BTreeMap::new();
        let mut expected = 0;
        // Plans are handed out in order: those before one that ran are under way already.
        let heed = |go_on| {
            shared.stop.fetch_or(go_on != GoOn::Yes, Ordering::Relaxed);
            go_on != GoOn::No
        };
        loop {
            match done.recv_timeout(TICK) {
                Ok(sent) => {
                    let (turn, ran) = sent?;
                    if let Some(ran) = &ran
                        && !heed(asked(Progressed::Ran(ran))?)
                    {
                        return Ok(());
                    }
                    early.insert(turn, ran);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while let Some(ran) = early.remove(&expected) {
                let go_on = asked(match ran {
                    Some(ran) => Progressed::Next(self.source(expected), ran),
                    None => Progressed::LeftOut,
                })?;
                expected += 1;
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

    /// How many of the cases are still to be run.
    fn left(&self) -> u64 {
        self.config.cases.map_or(u64::MAX, |cases| {
            self.shard.share_of(cases).saturating_sub(self.done)
        })
    }

    /// The plan with this place in the order.
    fn source(&self, turn: u64) -> Source<'a> {
        let kept = self.kept.len() as u64;
        let kept_before = |turn: u64| match self.config.kept_for {
            None => turn.min(kept),
            // Kept plans alone could take all of the time.
            Some(_) => {
                let in_turns = turn.div_ceil(2).min(kept);
                in_turns.max(turn.saturating_sub(self.left()))
            }
        };
        let before = kept_before(turn);
        if kept_before(turn + 1) > before {
            Source::Kept(&self.kept[before as usize])
        } else {
            Source::Case(self.shard.case(self.done + turn - before))
        }
    }

    /// One thread's work: takes the next plan until there is none, or it shall stop.
    fn work<T>(
        &self,
        job: usize,
        shared: &Shared,
        run: &(dyn Fn(Source<'a>, Case) -> Result<Option<T>, CampaignError> + Sync),
        send: &mpsc::Sender<Sent<T>>,
    ) -> Result<(), CampaignError> {
        let strategy = generate::plans(&self.config.shape);
        let most = self.left().saturating_add(self.kept.len() as u64);
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
            let source = self.source(turn);
            let ran = match self.case(source, &strategy, shared)? {
                None => None,
                Some(case) => {
                    case_file.write(&case).map_err(failed)?;
                    let Some(ran) = run(source, case)? else {
                        break;
                    };
                    Some(ran)
                }
            };
            if send.send(Ok((turn, ran))).is_err() {
                break;
            }
        }
        case_file.remove().map_err(failed)
    }

    /// What is to be run; nothing where the time for kept plans is over.
    fn case(
        &self,
        source: Source<'_>,
        strategy: &BoxedStrategy<Plan>,
        shared: &Shared,
    ) -> Result<Option<Case>, CampaignError> {
        let kept_for = self.config.kept_for;
        match source {
            Source::Kept(_) if kept_for.is_some_and(|most| shared.began.elapsed() >= most) => {
                Ok(None)
            }
            Source::Kept(kept) => Ok(Some(Case {
                plan: kept.plan.clone(),
                seed: kept.seed.unwrap_or_default(),
            })),
            Source::Case(number) if (number as usize) < self.config.first.len() => {
                let plan = self.config.first[number as usize].clone();
                let (_, seed) = case::tree(strategy, self.config.seed, number)
                    .map_err(CampaignError::Generate)?;
                Ok(Some(Case { plan, seed }))
            }
            Source::Case(number) => self.draw(strategy, number, shared).map(Some),
        }
    }

    /// A generated case: where runs are slow, one whose plan was not drawn before, as long as one is found.
    fn draw(
        &self,
        strategy: &BoxedStrategy<Plan>,
        number: u64,
        shared: &Shared,
    ) -> Result<Case, CampaignError> {
        let generate = |attempt: u64| {
            // Other words than those of the cases with other numbers.
            let seed = self.config.seed ^ attempt.rotate_right(8);
            Case::generate(strategy, seed, number).map_err(CampaignError::Generate)
        };
        if let Some(drawn) = &shared.drawn {
            for attempt in 0..REDRAWN {
                let case = generate(attempt)?;
                let form = canonical(&case.plan);
                let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
                if !drawn.contains(&form) {
                    drawn.push(form);
                    return Ok(case);
                }
            }
        }
        generate(0)
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

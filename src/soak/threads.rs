//! The cases of a soak on threads: handed out in order, each failure shrunk where it is found,
//! and taken in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::folder::{Folder, PLANS_OF_A_BUG};
use super::totals::TOLD_APART;
use super::{Config, End, News, Soak, SoakError};
use crate::campaign::{Case, CaseFile};
use crate::coverage::Coverage;
use crate::finding::{Finding, Origin, shrink_budget};
use crate::generate;
use crate::history::History;
use crate::regression::Seed;
use crate::runner::{self, Outcome};
use crate::shrink::Budget;
use crate::target::{Interrupt, Interruptible, Target};
use crate::verdict::{Rule, Verdict, Violation};

/// A thread may be so many cases ahead of the oldest one that is not done: what waits to be taken
/// is bounded.
const AHEAD: u64 = 1024;
/// Runs that shrinking may take on sim; what is as small as it can be needs far fewer.
const SHRINK_RUNS: u32 = 500;
/// It ends sooner only where a time was given, or something hangs.
const SHRINK_TIME: Duration = Duration::from_secs(1800);
/// How long a thread that is too far ahead waits before it looks again.
const WAIT: Duration = Duration::from_millis(5);
/// How often the soak looks up when nothing comes.
const TICK: Duration = Duration::from_millis(200);

/// A case that has run.
struct Done {
    turn: u64,
    coverage: Coverage,
    left_out: Vec<String>,
    came: Came,
}

/// What came of a case.
enum Came {
    Held,
    Unknown(String),
    /// It broke a rule as others did often enough before.
    Counted(Rule, String),
    /// The case as it was generated, and with its smallest plan.
    Shrunk(Case, Box<Finding>),
}

/// What the threads share.
struct Shared<'a> {
    config: &'a Config,
    target: &'a Interruptible<'a>,
    interrupt: &'a Interrupt,
    folder: &'a Folder,
    budget: Budget,
    /// The next of the shard's cases, by turn.
    next: AtomicU64,
    /// The shard's cases that were taken, by turn: all before this one.
    taken: AtomicU64,
    most: u64,
    stop: AtomicBool,
    /// How many of each failure were taken and shrunk.
    told_apart: Mutex<BTreeMap<(Rule, String), usize>>,
    /// What earlier starts found, by case.
    found: BTreeMap<u64, Finding>,
}

impl Soak<'_> {
    /// Runs the shard's cases from where the state is.
    pub(super) fn work(&mut self, target: &Interruptible<'_>) -> Result<End, SoakError> {
        let (config, folder) = (self.config, self.folder.clone());
        let state = &self.state;
        let most = state
            .most_cases
            .map_or(u64::MAX, |cases| config.shard.share_of(cases));
        let told_apart = state.totals.failures.iter();
        let told_apart = told_apart.map(|of| ((of.rule, of.kind.clone()), of.seen.len()));
        let mut budget = shrink_budget(target);
        budget.runs = budget.runs.min(SHRINK_RUNS);
        if target.is_deterministic() && budget.time == Budget::for_target(target).time {
            // A busy machine must not end it sooner, and so at another plan.
            budget.time = SHRINK_TIME;
        }
        let shared = Shared {
            config,
            target,
            interrupt: self.interrupt,
            found: folder.read_found(config.shard, state.done)?,
            folder: &folder,
            budget,
            next: AtomicU64::new(state.done),
            taken: AtomicU64::new(state.done),
            most,
            stop: AtomicBool::new(false),
            told_apart: Mutex::new(told_apart.collect()),
        };
        std::thread::scope(|scope| {
            let (send, done) = mpsc::channel();
            for job in 0..config.jobs.max(1) {
                let (send, shared) = (send.clone(), &shared);
                scope.spawn(move || {
                    if let Err(error) = work(shared, job, &send) {
                        // The receiver is gone when the soak has ended.
                        let _ = send.send(Err(error));
                    }
                });
            }
            drop(send);
            let result = self.collect(&done, &shared);
            shared.stop.store(true, Ordering::Relaxed);
            result
        })
    }

    /// Takes what the threads send in the order of the cases, until they end.
    fn collect(
        &mut self,
        done: &mpsc::Receiver<Result<Done, SoakError>>,
        shared: &Shared<'_>,
    ) -> Result<End, SoakError> {
        let mut early = BTreeMap::new();
        let mut end = None;
        loop {
            match done.recv_timeout(TICK) {
                Ok(case) => {
                    let case = case?;
                    early.insert(case.turn, case);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if self.is_interrupted() => {
                    return Ok(End::Told);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(end.unwrap_or(End::Complete)),
            }
            while let Some(case) = early.remove(&self.state.done) {
                self.take(case, shared)?;
                shared.taken.store(self.state.done, Ordering::Relaxed);
            }
            let Some(how) = self.look_up()? else {
                continue;
            };
            // A first reason stays the reason.
            end = end.or(Some(how));
            // Cases that are under way come to their end, and are taken.
            shared.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Counts one case. A bug is on the disk before it is reported.
    fn take(&mut self, done: Done, shared: &Shared<'_>) -> Result<(), SoakError> {
        let totals = &mut self.state.totals;
        let number = self.config.shard.case(done.turn);
        totals.cases += 1;
        self.state.done += 1;
        totals.coverage.add(&done.coverage);
        for why in done.left_out {
            *totals.left_out.entry(why).or_default() += 1;
        }
        self.unknown_in_a_row = match done.came {
            Came::Unknown(_) => self.unknown_in_a_row + 1,
            _ => 0,
        };
        match done.came {
            Came::Held => totals.held += 1,
            Came::Unknown(why) => totals.leave_unjudged(number, why),
            Came::Counted(rule, kind) => {
                totals.violate(rule, &kind, None);
            }
            Came::Shrunk(case, bug) => self.take_bug(number, &case, *bug, shared)?,
        }
        Ok(())
    }

    fn take_bug(
        &mut self,
        number: u64,
        case: &Case,
        mut bug: Finding,
        shared: &Shared<'_>,
    ) -> Result<(), SoakError> {
        let (rule, kind) = (bug.violation.rule, bug.violation.kind.clone());
        let history = std::mem::take(&mut bug.history);
        let totals = &mut self.state.totals;
        let is_new = totals.violate(rule, &kind, Some(bug.clone()));
        bug.history = history;
        let told_apart = totals.told_apart(rule, &kind);
        let times = totals.times(&bug);
        shared
            .told_apart
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((rule, kind), told_apart);
        if times <= PLANS_OF_A_BUG {
            self.folder.write_generated(&bug, number, case)?;
        }
        let bugs = self.state.totals.families().count() as u64;
        let is_unlike = bugs > self.bugs;
        self.bugs = bugs;
        if is_new {
            self.folder.write_bug(&bug)?;
            if is_unlike {
                bug.file = self.folder.keep(&bug, &self.config.command)?;
            }
        }
        self.write_state()?;
        if is_new && is_unlike {
            self.line.aside(|| (self.tell)(News::Bug(&bug)));
        }
        self.folder.remove_found(number)
    }
}

/// One thread's work: takes the next case until there is none, or it has to stop.
fn work(
    shared: &Shared<'_>,
    job: usize,
    send: &mpsc::Sender<Result<Done, SoakError>>,
) -> Result<(), SoakError> {
    let strategy = generate::plans(&shared.config.shape);
    let path = shared.folder.running(job);
    let failed = |why| SoakError::Write {
        path: path.clone(),
        why,
    };
    // A case that crashes the whole tester can be seen there.
    let mut file = CaseFile::at(&path).map_err(failed)?;
    while !shared.stop.load(Ordering::Relaxed) {
        let turn = shared.next.fetch_add(1, Ordering::Relaxed);
        if turn >= shared.most || !is_near(shared, turn) {
            break;
        }
        let number = shared.config.shard.case(turn);
        let case =
            Case::generate(&strategy, shared.config.seed, number).map_err(SoakError::Generate)?;
        file.write(&case).map_err(failed)?;
        let Some(done) = run(shared, turn, case)? else {
            // Cut off; it runs again at the next start.
            break;
        };
        if send.send(Ok(done)).is_err() {
            break;
        }
    }
    file.remove().map_err(failed)
}

/// Waits until a case is not too far ahead of the oldest one that is not done; not so where the
/// soak ends before.
fn is_near(shared: &Shared<'_>, turn: u64) -> bool {
    while turn >= shared.taken.load(Ordering::Relaxed) + AHEAD {
        if shared.stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(WAIT);
    }
    true
}

/// Runs a case, and shrinks it where it breaks a rule; `None` when the interrupt cut it off.
fn run(shared: &Shared<'_>, turn: u64, case: Case) -> Result<Option<Done>, SoakError> {
    let target = shared.target;
    let number = shared.config.shard.case(turn);
    let (outcome, coverage) = case.run(&|plan, seed| runner::run(target, plan, seed));
    let case_seed = case.seed;
    let is_cut_off = || shared.interrupt.load(Ordering::Relaxed);
    let Outcome {
        verdict,
        mut history,
        left_out,
        ..
    } = outcome;
    let seen = match (verdict, shared.found.get(&number)) {
        (Verdict::Violated(violation), _) => Ok(violation),
        // It was seen once, and stays found though this run did not show it.
        (verdict, Some(found)) if found.plan == case.plan => {
            if is_cut_off() && matches!(verdict, Verdict::Unknown { .. }) {
                return Ok(None);
            }
            history = History::default();
            Ok(found.violation.clone())
        }
        (verdict, _) => Err(verdict),
    };
    let came = match seen {
        Ok(violation) => match shown(shared, number, case, violation, history)? {
            Some(came) => came,
            None => return Ok(None),
        },
        Err(Verdict::Unknown { .. }) if is_cut_off() => return Ok(None),
        Err(Verdict::Unknown { why }) => Came::Unknown(why),
        Err(_) => Came::Held,
    };
    let verdict = match &came {
        Came::Held => "held",
        Came::Unknown(_) => "unknown",
        Came::Counted(..) | Came::Shrunk(..) => "violated",
    };
    tracing::debug!("case {number}, run seed {}: {verdict}", Seed(case_seed));
    Ok(Some(Done {
        turn,
        coverage,
        left_out: left_out.into_iter().map(|(_, why)| why).collect(),
        came,
    }))
}

/// Makes a failing case's plan as small as it can be. It is on the disk before that begins.
fn shown(
    shared: &Shared<'_>,
    number: u64,
    case: Case,
    violation: Violation,
    history: History,
) -> Result<Option<Came>, SoakError> {
    let key = (violation.rule, violation.kind.clone());
    let told_apart = shared
        .told_apart
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .copied();
    if told_apart.is_some_and(|count| count >= TOLD_APART) {
        return Ok(Some(Came::Counted(key.0, key.1)));
    }
    let (on, plan) = (shared.target.name(), case.plan.clone());
    let origin = Origin::Case(number);
    let found = Finding::new(on, origin, plan, case.seed, violation, history);
    shared.folder.write_found(number, &found)?;
    let smallest = catch_unwind(AssertUnwindSafe(|| {
        found.shrunk(shared.target, &shared.budget, &mut |_| {})
    }));
    if shared.interrupt.load(Ordering::Relaxed) {
        // Not as small as it can be, so it is not known which bug it is; it is written down.
        return Ok(None);
    }
    // Where the harness panicked at a smaller plan, the whole one is that of the bug.
    let bug = smallest.unwrap_or(found);
    Ok(Some(Came::Shrunk(case, Box::new(bug))))
}

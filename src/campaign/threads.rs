//! The cases of a campaign on threads: handed out in order, taken in order.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::case::{Case, CaseFile};
use super::{Campaign, CampaignError, Config, Judge};
use crate::coverage::Coverage;
use crate::generate;
use crate::progress::Progress;
use crate::regression::Seed;
use crate::runner::Outcome;
use crate::verdict::Verdict;

/// A case that has run.
struct Done {
    index: u32,
    case: Case,
    outcome: Outcome,
    coverage: Coverage,
    took: Duration,
}

impl Campaign<'_> {
    /// Generates and runs the cases, on as many threads as jobs.
    pub(super) fn generate(&mut self, judge: &Judge<'_>) -> Result<(), CampaignError> {
        let config = self.config;
        let total = u64::from(config.cases);
        let title = format!("{} seed {}", self.summary.target, Seed(config.seed));
        let mut progress = Progress::begin(config.quiet, &title, total);
        let next = AtomicU32::new(0);
        let stop = AtomicBool::new(false);
        let name = self.slip_name();
        let result = std::thread::scope(|scope| {
            let (send, done) = mpsc::channel();
            for job in 0..config.jobs.max(1) {
                let slip = config.out.join(format!("{name}-running-{job}.plan"));
                let (send, next, stop) = (send.clone(), &next, &stop);
                scope.spawn(move || work(config, judge, &slip, next, stop, &send));
            }
            drop(send);
            let result = self.collect(&done, &stop, &mut progress);
            stop.store(true, Ordering::Relaxed);
            result
        });
        progress.end();
        result
    }

    /// Takes what the threads send in the order of the cases, until they end.
    fn collect(
        &mut self,
        done: &mpsc::Receiver<Result<Done, CampaignError>>,
        stop: &AtomicBool,
        progress: &mut Progress,
    ) -> Result<(), CampaignError> {
        let mut early = BTreeMap::new();
        let (mut arrived, mut steps) = (0, 0);
        let total = u64::from(self.config.cases);
        let began = Instant::now();
        let mut expected = 0;
        while let Ok(case) = done.recv() {
            let case = case?;
            arrived += 1;
            steps += case.coverage.steps;
            let rate = steps as f64 / began.elapsed().as_secs_f64().max(1e-3);
            progress.at(arrived, total, &format!("{rate:.0} steps/s"));
            // Cases are handed out in order: those before this one are under way already.
            let is_violated = matches!(case.outcome.verdict, Verdict::Violated(_));
            if is_violated && !self.config.keep_going || self.interrupt.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
            }
            early.insert(case.index, case);
            while let Some(case) = early.remove(&expected) {
                expected += 1;
                if self.take(case.case, case.outcome, case.coverage, case.took, None)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// One thread's work: takes the next case until there is none, or it has to stop.
fn work(
    config: &Config,
    judge: &Judge<'_>,
    slip: &Path,
    next: &AtomicU32,
    stop: &AtomicBool,
    send: &mpsc::Sender<Result<Done, CampaignError>>,
) {
    let failed = |why| {
        // The receiver is gone when the campaign has ended.
        let _ = send.send(Err(CampaignError::Write {
            path: slip.to_owned(),
            why,
        }));
    };
    let strategy = generate::plans(&config.shape);
    let mut file = match CaseFile::at(slip) {
        Ok(file) => file,
        Err(error) => return failed(error),
    };
    while !stop.load(Ordering::Relaxed) {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= config.cases {
            break;
        }
        let case = match Case::generate(&strategy, config.seed, index.into()) {
            Ok(case) => case,
            Err(why) => {
                let _ = send.send(Err(CampaignError::Generate(why)));
                break;
            }
        };
        if let Err(error) = file.write(&case) {
            return failed(error);
        }
        let began = Instant::now();
        let (outcome, coverage) = case.run(judge);
        let done = Done {
            index,
            case,
            outcome,
            coverage,
            took: began.elapsed(),
        };
        if send.send(Ok(done)).is_err() {
            break;
        }
    }
    if let Err(error) = file.remove() {
        failed(error);
    }
}

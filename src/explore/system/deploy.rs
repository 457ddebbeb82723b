//! Building, and bringing a build to the site, one request at a time.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use super::fault::TAKEN;
use super::work::After;
use super::{
    Admitted, Container, Habits, Job, ModelFault, Order, Seen, Stage, System, Task, Wanted,
};
use crate::coverage::Sometimes;
use crate::explore::mutant::Mutant;
use crate::history::{Content, Level, S3Operation, S3Outcome, What};
use crate::plan::{Mark, Phase};
use crate::site::{read_content, render_parts};
use crate::worker::deploy::is_page;

/// Attempts of one sync.
const SYNC_ATTEMPTS: u8 = 3;

type Files = BTreeMap<Arc<str>, Arc<Content>>;

/// A build, by its marks and whether it warns.
type BuildKey = (Vec<Mark>, bool);

thread_local! {
    /// The same few builds are made again and again.
    static BUILDS: RefCell<HashMap<BuildKey, Rc<Files>>> = RefCell::default();
}

fn files_of(marks: &[Mark], warns: bool) -> Rc<Files> {
    BUILDS.with_borrow_mut(|builds| {
        let key = (marks.to_vec(), warns);
        builds
            .entry(key)
            .or_insert_with(|| {
                let rendered = render_parts(marks, !warns, true);
                let files = rendered.files.iter();
                Rc::new(
                    files
                        .map(|(key, bytes)| (key.clone(), Arc::new(read_content(key, bytes))))
                        .collect(),
                )
            })
            .clone()
    })
}

/// What a sync does next.
enum Request {
    Put(Arc<str>, Arc<Content>),
    Delete(Arc<str>),
}

impl System {
    pub(super) fn build(&mut self, task: &mut Task, mark: Mark, habits: Habits, seen: &mut Seen) {
        let session = task.session;
        let local = self.threads[session].local.clone().unwrap_or_default();
        let build = self.build_of(&local.tree);
        let injected_error = self.has(ModelFault::BuildError(session as u8));
        let injected_warning = self.has(ModelFault::BuildWarning(session as u8));
        seen.is_hit |= injected_error || injected_warning;
        let fails = build.fails || injected_error;
        if fails && !habits.has(Mutant::DeploysBrokenBuild) {
            let notes = &mut self.threads[session].notes;
            notes.failure = Some("build failed: package.json is missing");
            notes.build_warned = false;
            let text = "Build failed: package.json is missing";
            seen.see(self.say(session, Level::Error, None, text.into()));
            match (habits.order, task.job) {
                (Order::DeployFirst, Job::Instruction(mark))
                    if self.threads[session].is_ahead() =>
                {
                    seen.see(self.enter(session, Phase::Pushing, mark));
                    task.stage = Stage::Push {
                        tried: 0,
                        taken_in: super::TakenIn::Nothing,
                    };
                }
                _ => task.stage = Stage::Finish,
            }
            return;
        }
        // That it was cut off before is no failure of it any more.
        self.threads[session].notes.failure = None;
        self.threads[session].notes.build_warned = build.warns || injected_warning;
        let text = if build.warns || injected_warning {
            "Build completed with warnings: the banner is left out"
        } else {
            "Build complete"
        };
        seen.see(self.say(session, Level::Info, None, text.into()));
        seen.see(self.enter(session, Phase::Deploying, mark));
        self.wanted = Some(Wanted {
            session,
            marks: local.tree.clone(),
            warns: build.warns,
        });
        self.is_deployed = false;
        task.stage = Stage::Admit;
    }

    /// Takes up the deploy that was put off; where its build is lost, that of what remains.
    pub(super) fn begin_put_off_deploy(&mut self, seen: &mut Seen) {
        let Some(wanted) = self.wanted.clone() else {
            return;
        };
        let session = wanted.session;
        let tree = |branch: &crate::history::Branch| branch.tree.clone();
        let thread = &self.threads[session];
        let here = thread.local.as_deref().map(tree).unwrap_or_default();
        let is_lost = wanted.marks.iter().any(|mark| !here.contains(mark));
        if is_lost {
            let build = self.build_of(&here);
            if build.fails || here.is_empty() {
                // Nothing is left that could be built: the site stays as it is.
                self.wanted = None;
                self.is_deployed = true;
                self.clear_put_off(None, seen);
                return;
            }
            self.wanted = Some(Wanted {
                session,
                marks: here,
                warns: build.warns,
            });
        }
        self.container = Container::Busy(Task {
            job: Job::Deploy,
            session,
            stage: Stage::Admit,
        });
    }

    pub(super) fn admitted(&mut self, task: &mut Task, answer: Admitted, seen: &mut Seen) {
        let session = task.session;
        if answer == Admitted::Prevented {
            let text = "Circuit breaker prevented S3 sync; it is put off";
            seen.see(self.say(session, Level::Error, None, text.into()));
            task.stage = Stage::Settle { succeeded: false };
            return;
        }
        seen.see(self.say(session, Level::Info, None, "S3 sync attempt 1/3".into()));
        task.stage = Stage::Sync {
            attempt: 1,
            probe: answer == Admitted::Probe,
            asked: 0,
        };
    }

    pub(super) fn request(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) {
        let Stage::Sync {
            attempt,
            probe,
            asked,
        } = task.stage
        else {
            return;
        };
        let next = self.next_request(habits);
        let refusal = self.refusal(next.as_ref(), asked);
        if let Some((operation, outcome)) = refusal {
            seen.is_hit = true;
            let client = self.client.clone();
            seen.see(What::S3Asked {
                client,
                operation,
                outcome,
            });
            self.attempt_failed(task, habits, seen);
            return;
        }
        let has_put = asked > 0;
        task.stage = Stage::Sync {
            attempt,
            probe,
            asked: (asked + 1).min(2),
        };
        match next {
            Some(Request::Put(key, content)) => {
                self.site.insert(key.clone(), content.clone());
                let answered = !self.has(ModelFault::S3AckLost);
                seen.see(What::ObjectPut {
                    client: self.client.clone(),
                    key,
                    content,
                    answered,
                });
                if !answered {
                    seen.is_hit = true;
                    self.attempt_failed(task, habits, seen);
                }
            }
            Some(Request::Delete(key)) => {
                self.site.remove(&key);
                seen.see(What::ObjectDeleted {
                    client: self.client.clone(),
                    key,
                });
            }
            None => {
                seen.see(What::S3Asked {
                    client: self.client.clone(),
                    operation: S3Operation::List,
                    outcome: S3Outcome::Done,
                });
                task.stage = Stage::Count {
                    succeeded: true,
                    probe,
                    has_put,
                };
            }
        }
    }

    fn attempt_failed(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) {
        let Stage::Sync { attempt, probe, .. } = task.stage else {
            return;
        };
        let most = SYNC_ATTEMPTS + u8::from(habits.has(Mutant::SyncsOnceMore));
        if habits.has(Mutant::TakesLostAnswerForDone) {
            task.stage = Stage::Count {
                succeeded: true,
                probe,
                has_put: true,
            };
            return;
        }
        if attempt >= most {
            task.stage = Stage::Count {
                succeeded: false,
                probe,
                has_put: false,
            };
            return;
        }
        let text = format!("S3 sync attempt {}/{SYNC_ATTEMPTS}", attempt + 1);
        seen.see(self.say(task.session, Level::Info, None, text));
        task.stage = Stage::Sync {
            attempt: attempt + 1,
            probe,
            asked: 1,
        };
    }

    /// How S3 refuses the next request, if it does.
    fn refusal(&self, next: Option<&Request>, asked: u8) -> Option<(S3Operation, S3Outcome)> {
        let operation = match next {
            Some(Request::Put(..)) => S3Operation::Put,
            Some(Request::Delete(_)) => S3Operation::Delete,
            None => S3Operation::List,
        };
        let is_put = operation == S3Operation::Put;
        if self.has(ModelFault::S3Missing) {
            return Some((operation, S3Outcome::NoSuchBucket));
        }
        if self.has(ModelFault::S3Down) {
            return Some((operation, S3Outcome::Unavailable));
        }
        if is_put && self.has(ModelFault::S3Denied) {
            return Some((operation, S3Outcome::Denied));
        }
        let is_over = u32::from(asked) >= TAKEN;
        (is_put && is_over && self.has(ModelFault::S3Partial))
            .then_some((operation, S3Outcome::Unavailable))
    }

    /// What the site lacks of the build: assets first, pages next, then what is left over, pages
    /// first.
    fn next_request(&self, habits: Habits) -> Option<Request> {
        let wanted = self.wanted.as_ref()?;
        let files = files_of(&wanted.marks, wanted.warns);
        let order = if habits.has(Mutant::PagesFirst) {
            [true, false]
        } else {
            [false, true]
        };
        for pages in order {
            for (key, content) in files.iter().filter(|(key, _)| is_page(key) == pages) {
                if self.site.get(key) != Some(content) {
                    return Some(Request::Put(key.clone(), content.clone()));
                }
            }
        }
        if habits.has(Mutant::LeavesOldObjects) {
            return None;
        }
        let stale = |pages: bool| {
            self.site
                .keys()
                .find(|key| is_page(key) == pages && !files.contains_key(*key))
        };
        let key = stale(true).or_else(|| stale(false))?;
        Some(Request::Delete(key.clone()))
    }

    pub(super) fn count(&mut self, task: &mut Task, opened: bool) {
        if let Stage::Count {
            succeeded,
            probe,
            has_put,
        } = task.stage
        {
            task.stage = Stage::Report {
                succeeded,
                probe,
                opened,
                has_put,
            };
        }
    }

    pub(super) fn report(&mut self, task: &mut Task, seen: &mut Seen) {
        let Stage::Report {
            succeeded,
            probe,
            opened,
            has_put,
        } = task.stage
        else {
            return;
        };
        let session = task.session;
        if succeeded {
            seen.see(self.say(session, Level::Info, None, "S3 sync complete".into()));
            seen.is_deployed = true;
            if probe {
                seen.reach(Sometimes::BreakerClosedAgain);
            }
            if has_put && self.threads[session].notes.build_warned {
                seen.reach(Sometimes::WarnedBuildDeployed);
            }
            if self.threads[session].notes.failure.is_none() && self.was_broken(session) {
                seen.reach(Sometimes::BrokenBuildRepaired);
            }
        } else {
            let text = "S3 sync failed after retries: Access Denied";
            seen.see(self.say(session, Level::Error, None, text.into()));
            if probe {
                seen.reach(Sometimes::ProbeFailed);
            }
            if opened {
                seen.reach(Sometimes::BreakerOpened);
                let text = "Circuit breaker open for S3";
                seen.see(self.say(session, Level::Error, None, text.into()));
            }
        }
        task.stage = Stage::Settle { succeeded };
    }

    /// Whether the branch has an edit that broke the build.
    fn was_broken(&self, session: usize) -> bool {
        let local = self.threads[session].local.iter();
        local
            .flat_map(|branch| &branch.tree)
            .any(|mark| self.edit_of(*mark) == crate::plan::Edit::BreakBuild)
    }

    pub(super) fn settle(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) -> After {
        let Stage::Settle { succeeded } = task.stage else {
            return After::GoesOn;
        };
        let session = task.session;
        if succeeded {
            self.is_deployed = true;
            if !habits.has(Mutant::LeavesError) {
                let current = matches!(task.job, Job::Instruction(_)).then_some(session);
                self.clear_put_off(current, seen);
            }
        } else if !std::mem::replace(&mut self.threads[session].notes.deploy_put_off, true) {
            self.write_record(session, seen);
        }
        self.after_deploy(task, habits, seen)
    }

    /// Clears the errors of all that waited for the deploy; the record of `current` is written
    /// later anyway.
    fn clear_put_off(&mut self, current: Option<usize>, seen: &mut Seen) {
        for session in 0..self.threads.len() {
            let notes = &mut self.threads[session].notes;
            if std::mem::take(&mut notes.deploy_put_off) && Some(session) != current {
                self.write_record(session, seen);
            }
        }
    }
}

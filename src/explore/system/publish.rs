//! Bringing a branch to the remote, and opening a workspace that is gone.

use std::sync::Arc;

use super::disturb::add_to_tree;
use super::work::After;
use super::{Container, Habits, Job, ModelFault, Seen, Stage, System, TakenIn, Task, Thread};
use crate::coverage::Sometimes;
use crate::explore::mutant::Mutant;
use crate::history::{Branch, Commit, GitOutcome, Level, What};
use crate::plan::{Mark, Outsider};

/// Attempts of one push.
const PUSH_ATTEMPTS: u8 = 3;

impl System {
    pub(super) fn begin_push(&mut self, session: usize) {
        self.container = Container::Busy(Task {
            job: Job::Push,
            session,
            stage: Stage::Push {
                tried: 0,
                taken_in: TakenIn::Nothing,
            },
        });
    }

    pub(super) fn push(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) -> After {
        let Stage::Push { tried, taken_in } = task.stage else {
            return After::GoesOn;
        };
        let session = task.session;
        if !self.threads[session].is_ahead() {
            self.pushed(task.session, seen);
            return self.after_push(task, habits, seen);
        }
        if tried == 0 {
            self.note_conflict(session, seen);
        }
        let thread = &self.threads[session];
        let failure = if self.has(ModelFault::GitAuth) {
            Some(GitOutcome::AuthFailed)
        } else if self.has(ModelFault::GitDown) {
            Some(GitOutcome::Unavailable)
        } else if !thread.is_behind()
            || habits.has(Mutant::ForcePushes)
            || habits.has(Mutant::DropsOutsider) && taken_in == TakenIn::Merged
        {
            None
        } else {
            Some(GitOutcome::Rejected)
        };
        if let Some(outcome) = failure {
            // One that is behind sees it from the refs; one that is refused says no branch.
            let client = self.client.clone();
            seen.see(match outcome {
                GitOutcome::Rejected => What::PushBegan { client },
                _ => What::Pushed {
                    client,
                    session: None,
                    outcome,
                    branch: None,
                },
            });
            seen.is_hit |= outcome != GitOutcome::Rejected;
            if habits.has(Mutant::ClaimsPush) {
                self.threads[session].notes.push_put_off = false;
                return self.after_push(task, habits, seen);
            }
            // Credentials do not get better by trying again at once.
            if outcome == GitOutcome::AuthFailed || tried + 1 >= PUSH_ATTEMPTS {
                self.save_locally(session, seen);
                return self.after_push(task, habits, seen);
            }
            task.stage = if outcome == GitOutcome::Rejected {
                Stage::Integrate { tried: tried + 1 }
            } else {
                Stage::Push {
                    tried: tried + 1,
                    taken_in,
                }
            };
            return After::GoesOn;
        }
        match taken_in {
            TakenIn::Nothing => {}
            TakenIn::Rebased => seen.reach(Sometimes::PushRebased),
            TakenIn::Merged => seen.reach(Sometimes::ConflictMerged),
        }
        if thread.notes.push_put_off {
            seen.reach(Sometimes::SavedThenPushed);
        }
        let thread = &mut self.threads[session];
        thread.remote = thread.local.clone().unwrap_or_default();
        let client = self.client.clone();
        seen.see(What::PushBegan {
            client: client.clone(),
        });
        seen.see(What::Pushed {
            client,
            session: Some(thread.id.clone()),
            outcome: GitOutcome::Done,
            branch: Some(thread.remote.clone()),
        });
        self.pushed(session, seen);
        self.after_push(task, habits, seen)
    }

    /// Nothing is left to push.
    fn pushed(&mut self, session: usize, seen: &mut Seen) {
        let notes = &mut self.threads[session].notes;
        notes.push_put_off = false;
        notes.saved.clear();
        seen.see(self.say(session, Level::Info, None, "Git push complete".into()));
    }

    fn save_locally(&mut self, session: usize, seen: &mut Seen) {
        let thread = &mut self.threads[session];
        thread.notes.push_put_off = true;
        thread.notes.saved = thread.ahead().collect();
        let text = "Saved work locally: git push failed";
        seen.see(self.say(session, Level::Error, None, text.into()));
    }

    /// That the push carries a resolved conflict is recorded before it: nothing shows it later.
    fn note_conflict(&mut self, session: usize, seen: &mut Seen) {
        let thread = &mut self.threads[session];
        let local = thread.local.clone().unwrap_or_default();
        let is_merged = local
            .commits
            .iter()
            .any(|commit| commit.merge && !thread.remote.commits.contains(commit));
        if thread.notes.conflict != is_merged {
            thread.notes.conflict = is_merged;
            self.write_record(session, seen);
        }
    }

    /// Takes in what the remote has more: by a rebase, or a merge where that conflicts.
    pub(super) fn integrate(&mut self, task: &mut Task, habits: Habits, seen: &mut Seen) {
        let Stage::Integrate { tried } = task.stage else {
            return;
        };
        if self.has(ModelFault::GitAuth) || self.has(ModelFault::GitDown) {
            // The fetch fails; the next push is refused again.
            seen.is_hit = true;
            task.stage = Stage::Push {
                tried,
                taken_in: TakenIn::Nothing,
            };
            return;
        }
        seen.see(What::Fetched {
            client: self.client.clone(),
            outcome: GitOutcome::Done,
        });
        let is_conflicting = |mark: &Mark| {
            self.outsiders
                .iter()
                .any(|(other, kind)| other == mark && *kind == Outsider::Conflicting)
        };
        let thread = &self.threads[task.session];
        let local = thread.local.clone().unwrap_or_default();
        let new: Vec<&Commit> = thread
            .remote
            .commits
            .iter()
            .filter(|commit| !local.commits.contains(commit))
            .collect();
        let conflicts = new
            .iter()
            .flat_map(|commit| &commit.adds)
            .any(is_conflicting);
        let ours: Vec<Commit> = local
            .commits
            .iter()
            .filter(|commit| !thread.remote.commits.contains(commit))
            .cloned()
            .collect();
        let next = if conflicts {
            let mut merged = (*local).clone();
            // The session's version wins where both changed the same; files of their own stay.
            let added = new.iter().flat_map(|commit| &commit.adds);
            let clean: Vec<Mark> = added
                .filter(|mark| matches!(mark, Mark::Outside(_)) && !is_conflicting(mark))
                .copied()
                .collect();
            for mark in clean {
                add_to_tree(&mut merged, mark, false);
            }
            merged.commits.extend(new.into_iter().cloned());
            if habits.has(Mutant::DropsOutsider) {
                merged.commits.truncate(local.commits.len());
            }
            merged.commits.push(Commit {
                subject: format!("Merge after {}", merged.commits.len()).into(),
                adds: Vec::new(),
                merge: true,
                content: None,
            });
            merged
        } else {
            let mut rebased: Branch = (*thread.remote).clone();
            for commit in ours {
                for mark in &commit.adds {
                    add_to_tree(&mut rebased, *mark, true);
                }
                rebased.commits.push(commit);
            }
            rebased
        };
        let thread = &mut self.threads[task.session];
        let next = Arc::new(next);
        thread.local = Some(next.clone());
        seen.see(What::Committed {
            session: thread.id.clone(),
            branch: next,
        });
        if conflicts && !thread.notes.conflict {
            thread.notes.conflict = true;
            self.write_record(task.session, seen);
        }
        task.stage = Stage::Push {
            tried,
            taken_in: if conflicts {
                TakenIn::Merged
            } else {
                TakenIn::Rebased
            },
        };
    }

    /// Clones a workspace that is gone, and records by name what was lost with it.
    pub(super) fn open(&mut self, session: usize, habits: Habits, seen: &mut Seen) {
        let thread = &mut self.threads[session];
        let branch = thread.remote.clone();
        thread.local = Some(branch.clone());
        if !branch.commits.is_empty() {
            seen.see(What::Committed {
                session: thread.id.clone(),
                branch: branch.clone(),
            });
        }
        let is_there = |mark: &Mark| branch.commits.iter().any(|c| c.adds.contains(mark));
        let lost: Vec<Mark> = std::mem::take(&mut thread.notes.saved);
        let lost: Vec<Mark> = lost.into_iter().filter(|mark| !is_there(mark)).collect();
        thread.notes.handled.retain(|mark| !lost.contains(mark));
        let was_put_off = std::mem::take(&mut thread.notes.push_put_off);
        let is_reported = !habits.has(Mutant::TellsNoLoss);
        if is_reported && !lost.is_empty() {
            thread.notes.lost = lost;
        }
        if was_put_off || is_reported && !thread.notes.lost.is_empty() {
            self.write_record(session, seen);
        }
    }
}

impl Thread {
    /// The marks that the workspace has and the remote lacks.
    pub fn ahead(&self) -> impl Iterator<Item = Mark> + '_ {
        let local = self.local.iter().flat_map(|branch| &branch.commits);
        local
            .filter(|commit| !self.remote.commits.contains(commit))
            .flat_map(|commit| commit.adds.iter().copied())
    }

    /// Whether the workspace has a commit that the remote lacks.
    pub fn is_ahead(&self) -> bool {
        self.ahead().next().is_some()
    }

    fn is_behind(&self) -> bool {
        let local = self.local.clone().unwrap_or_default();
        let has = |commit: &Commit| local.commits.contains(commit);
        !self.remote.commits.iter().all(has)
    }
}

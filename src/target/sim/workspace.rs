//! The worker's git commands: those that contact the remote, and those that work on a checkout
//! alone, with what a crash leaves in it.

use std::rc::Rc;

use async_trait::async_trait;

use super::git::{Commits, Index, TEMPLATE};
use super::repository::Checkout;
use super::time::Span;
use super::world::{Answer, Link, World, unavailable};
use crate::history::{Death, GitOutcome, What};
use crate::plan::{Fault, SessionId};
use crate::site::HUNGRY_FILES;
use crate::worker::ports::{
    CommitId, FileChange, Force, Kind, PortError, PortResult, PushError, Rebase, Status, Workspace,
};

/// A request to the remote, in each direction.
const REMOTE: Span = Span::millis(50, 400);
/// Half of a command that works on the checkout alone.
const LOCAL: Span = Span::millis(5, 30);
/// The bytes that a container with a low memory limit cannot write at once: only a memory-hungry
/// edit has so many.
const TOO_MUCH: usize = HUNGRY_FILES.0 * HUNGRY_FILES.1 / 2;

impl World {
    fn is_git_denied(&self) -> bool {
        self.has_fault(|fault| matches!(fault, Fault::GitAuth))
    }

    fn is_git_down(&self) -> bool {
        self.has_fault(|fault| matches!(fault, Fault::GitDown))
    }
}

pub struct WorkspacePort {
    pub link: Link,
}

impl WorkspacePort {
    /// Works on a checkout.
    fn with<T>(
        &self,
        session: &SessionId,
        work: impl FnOnce(&mut Commits, &mut Checkout) -> PortResult<T>,
    ) -> PortResult<T> {
        let mut client = self.link.mine();
        let repository = &mut client.repository;
        match repository.checkouts.get_mut(session) {
            Some(checkout) => work(&mut repository.commits, checkout),
            None => Err(PortError::new(Kind::Missing, "not a git repository")),
        }
    }

    /// The first half of a command that changes the checkout: takes git's lock.
    async fn begin(&self, session: &SessionId, doing: Option<&'static str>) -> PortResult<()> {
        self.with(session, |_, checkout| {
            if checkout.lock {
                let text = "Unable to create '.git/index.lock': File exists";
                return Err(PortError::new(Kind::Other, text));
            }
            if let Some(unfinished) = checkout.unfinished {
                return Err(PortError::new(Kind::Other, unfinished));
            }
            checkout.lock = true;
            checkout.unfinished = doing;
            Ok(())
        })?;
        self.link.spend(LOCAL).await;
        Ok(())
    }

    /// The second half: the effect, and the lock goes.
    async fn end<T>(
        &self,
        session: &SessionId,
        work: impl FnOnce(&mut Commits, &mut Checkout) -> PortResult<T>,
    ) -> PortResult<T> {
        let done = self.with(session, |commits, checkout| {
            let before = checkout.head;
            checkout.lock = false;
            checkout.unfinished = None;
            let done = work(commits, checkout);
            Ok((done, before != checkout.head))
        });
        let (done, moved) = done?;
        if moved {
            self.emit_branch(session);
        }
        self.link.spend(LOCAL).await;
        done
    }

    fn emit_branch(&self, session: &SessionId) {
        let mut world = self.link.world();
        let repository = &world.clients[self.link.client].repository;
        if let Some(checkout) = repository.checkouts.get(session) {
            let branch = repository.branch(checkout.head);
            world.emit(What::Committed {
                session: session.clone(),
                branch,
            });
        }
    }

    /// A request that brings commits from the remote: `take` them, if it is answered.
    fn fetched<T>(&self, take: impl FnOnce(&mut World) -> T) -> Answer<T> {
        let mut world = self.link.world();
        let client = world.clients[self.link.client].id.clone();
        let (outcome, answer) = if world.is_git_down() {
            let answer = unavailable(&mut world.chance, "git remote");
            (GitOutcome::Unavailable, answer)
        } else if world.is_git_denied() {
            (GitOutcome::AuthFailed, Some(Err(denied())))
        } else {
            (GitOutcome::Done, Some(Ok(take(&mut world))))
        };
        world.emit(What::Fetched { client, outcome });
        answer
    }

    async fn clone_fresh(&self, session: &SessionId) -> PortResult<()> {
        self.link.there().await?;
        let seen = self.fetched(|world| {
            let remote = &world.clients[self.link.client].repository.remote;
            remote.get(session).copied()
        });
        let tracking = self.link.back_after(REMOTE, seen).await?;
        {
            let mut client = self.link.mine();
            let repository = &mut client.repository;
            repository.clones += 1;
            let checkout = Checkout {
                number: repository.clones,
                head: tracking.unwrap_or(TEMPLATE),
                tracking,
                edits: None,
                lock: false,
                unfinished: None,
            };
            repository.checkouts.insert(session.clone(), checkout);
        }
        if tracking.is_some() {
            self.emit_branch(session);
        }
        Ok(())
    }

    fn applied(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()> {
        self.with(session, |commits, checkout| {
            let head = checkout.head;
            let tree = checkout
                .edits
                .get_or_insert_with(|| (*commits.get(head).tree).clone());
            tree.apply_all(changes);
            Ok(())
        })
    }

    /// Whether these changes kill the container; it is then ended as soon as it waits.
    fn runs_out_of_memory(&self, changes: &[FileChange]) -> bool {
        let bytes: usize = changes
            .iter()
            .map(|change| match change {
                FileChange::Write { text, .. } => text.len(),
                _ => 0,
            })
            .sum();
        let mut world = self.link.world();
        let id = &world.clients[self.link.client].id;
        let runs_out = bytes > TOO_MUCH
            && world.has_fault(|fault| matches!(fault, Fault::OutOfMemory(whose) if whose == id));
        if runs_out {
            world.clients[self.link.client].killed = Some(Death::OutOfMemory);
        }
        runs_out
    }
}

fn denied() -> PortError {
    let mut error = PortError::new(Kind::Denied, "fatal: Authentication failed for the remote");
    error.status = Some(401);
    error
}

#[async_trait(?Send)]
impl Workspace for WorkspacePort {
    async fn open(&self, session: &SessionId) -> PortResult<bool> {
        if !self.link.mine().repository.checkouts.contains_key(session) {
            self.clone_fresh(session).await?;
            return Ok(true);
        }
        self.link.spend(LOCAL).await;
        self.with(session, |_, checkout| {
            checkout.lock = false;
            checkout.unfinished = None;
            Ok(())
        })?;
        self.link.spend(LOCAL).await;
        self.with(session, |_, checkout| {
            checkout.edits = None;
            Ok(false)
        })
    }

    async fn sessions(&self) -> PortResult<Vec<SessionId>> {
        self.link.spend(LOCAL).await;
        let client = self.link.mine();
        Ok(client.repository.checkouts.keys().cloned().collect())
    }

    async fn fetch(&self, session: &SessionId) -> PortResult<()> {
        self.link.there().await?;
        let seen = self.fetched(|world| {
            let remote = &world.clients[self.link.client].repository.remote;
            remote.get(session).copied()
        });
        let tracking = self.link.back_after(REMOTE, seen).await?;
        self.with(session, |_, checkout| {
            checkout.tracking = tracking;
            Ok(())
        })
    }

    async fn status(&self, session: &SessionId) -> PortResult<Status> {
        self.link.spend(LOCAL).await;
        self.with(session, |commits, checkout| {
            let upstream = checkout.tracking.unwrap_or(TEMPLATE);
            let ahead = commits
                .lacking(upstream, checkout.head)
                .map(|index| commits.get(index).instruction.clone().unwrap_or_default())
                .collect();
            Ok(Status {
                head: commits.id(checkout.head),
                ahead,
                behind: commits.lacking(checkout.head, upstream).count(),
            })
        })
    }

    async fn has_instruction(&self, session: &SessionId, id: &str) -> PortResult<bool> {
        self.link.spend(LOCAL).await;
        self.with(session, |commits, checkout| {
            Ok(commits.has_instruction(checkout.head, id))
        })
    }

    async fn instructed(&self, session: &SessionId) -> PortResult<Vec<CommitId>> {
        self.link.spend(LOCAL).await;
        self.with(session, |commits, checkout| {
            let mut found: Vec<CommitId> = commits
                .lacking(TEMPLATE, checkout.head)
                .filter(|index| commits.get(*index).instruction.is_some())
                .map(|index| commits.id(index))
                .collect();
            found.reverse();
            Ok(found)
        })
    }

    async fn apply(&self, session: &SessionId, changes: &[FileChange]) -> PortResult<()> {
        // A crash can come between the files.
        let (first, rest) = changes.split_at(changes.len().min(1));
        self.link.spend(LOCAL).await;
        self.applied(session, first)?;
        self.link.spend(LOCAL).await;
        if self.runs_out_of_memory(rest) {
            return std::future::pending().await;
        }
        self.applied(session, rest)?;
        self.link.spend(LOCAL).await;
        Ok(())
    }

    async fn commit(&self, session: &SessionId, message: &str, id: &str) -> PortResult<CommitId> {
        self.link
            .world()
            .look_for_secret(self.link.client, message, "commit");
        self.begin(session, None).await?;
        let subject = message.lines().next().unwrap_or_default();
        self.end(session, |commits, checkout| {
            let tree = match checkout.edits.take() {
                Some(tree) => Rc::new(tree),
                None => commits.get(checkout.head).tree.clone(),
            };
            checkout.head = commits.commit(
                checkout.head,
                tree,
                subject.into(),
                Some(id.into()),
                checkout.number,
            );
            Ok(commits.id(checkout.head))
        })
        .await
    }

    async fn rebase(&self, session: &SessionId) -> PortResult<Rebase> {
        self.begin(session, Some("rebase in progress")).await?;
        self.end(session, |commits, checkout| {
            let onto = checkout.tracking.ok_or_else(no_upstream)?;
            match commits.rebase(checkout.head, onto, checkout.number) {
                Some(head) => {
                    checkout.head = head;
                    Ok(Rebase::Done)
                }
                None => Ok(Rebase::Conflict),
            }
        })
        .await
    }

    async fn merge(&self, session: &SessionId) -> PortResult<()> {
        self.begin(session, Some("merge in progress")).await?;
        let branch = self.link.world().branch(session);
        self.end(session, |commits, checkout| {
            let theirs = checkout.tracking.ok_or_else(no_upstream)?;
            checkout.head = commits.merge(checkout.head, theirs, &branch, checkout.number);
            Ok(())
        })
        .await
    }

    async fn push(&self, session: &SessionId, force: Force) -> Result<(), PushError> {
        self.link.there().await?;
        let head = self.with(session, |_, checkout| Ok(checkout.head))?;
        let answer = self.pushed(session, head, force);
        let accepted = self.link.back_after(REMOTE, answer).await?;
        if !accepted {
            let branch = self.link.world().branch(session);
            let text = format!("! [rejected] {branch} -> {branch} (fetch first)");
            return Err(PushError::Rejected(text));
        }
        self.with(session, |_, checkout| {
            checkout.tracking = Some(head);
            Ok(())
        })?;
        Ok(())
    }
}

fn no_upstream() -> PortError {
    PortError::new(Kind::Other, "the remote has no such branch")
}

impl WorkspacePort {
    /// A push reaches the remote. Whether it was accepted.
    fn pushed(&self, session: &SessionId, head: Index, force: Force) -> Answer<bool> {
        let mut world = self.link.world();
        let (down, denied_now) = (world.is_git_down(), world.is_git_denied());
        let repository = &mut world.clients[self.link.client].repository;
        let there = repository.remote.get(session).copied();
        let fits = there.is_none_or(|tip| repository.commits.is_ancestor(head, tip));
        let outcome = if down {
            GitOutcome::Unavailable
        } else if denied_now {
            GitOutcome::AuthFailed
        } else if fits || force == Force::Always {
            repository.remote.insert(session.clone(), head);
            GitOutcome::Done
        } else {
            GitOutcome::Rejected
        };
        let branch = repository.branch(head);
        let client = world.clients[self.link.client].id.clone();
        // As git does it: the refs come first. One that is refused has not said its branch yet, and
        // one that sees there that the remote has more asks no further.
        let is_done = outcome == GitOutcome::Done;
        if is_done || outcome == GitOutcome::Rejected {
            world.emit(What::PushBegan {
                client: client.clone(),
            });
        }
        if outcome != GitOutcome::Rejected {
            world.emit(What::Pushed {
                client,
                session: is_done.then(|| session.clone()),
                outcome,
                branch: is_done.then_some(branch),
            });
        }
        match outcome {
            GitOutcome::Done => Some(Ok(true)),
            GitOutcome::Rejected => Some(Ok(false)),
            GitOutcome::AuthFailed => Some(Err(denied())),
            GitOutcome::Unavailable => unavailable(&mut world.chance, "git remote"),
        }
    }
}

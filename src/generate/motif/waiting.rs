//! What waits beside something else: two services, two sessions, older builds.

use std::time::Duration;

use super::{Draws, Writer};
use crate::generate::weigh::MOMENTS;
use crate::plan::{Edit, Fault, Outage, Outsider, Phase, SessionId, Step};

fn seconds(n: u64) -> Step {
    Step::Wait(Duration::from_secs(n))
}

impl Writer {
    fn heal_all(&self) -> Vec<Step> {
        self.active.iter().cloned().map(Step::Heal).collect()
    }

    /// An instruction, and its end.
    pub(super) fn work(session: &SessionId, edit: Edit) -> [Step; 2] {
        [
            Step::Instruct(session.clone(), edit),
            Step::Until {
                session: session.clone(),
                phase: Phase::Done,
                requests: 0,
            },
        ]
    }

    /// A push and a deploy are put off. One of the two services is well again, the other is not.
    pub(super) fn one_service_stays_away(&self, draws: &mut Draws) -> Vec<Step> {
        let s3 = Fault::S3Denied(Some(self.client()));
        // A remote that does not answer holds all up for as long as a push may take.
        let (git, well) = match draws.below(4) {
            0 => (Fault::GitAuth, Fault::GitAuth),
            1 => (Fault::GitDown, Fault::GitDown),
            _ => (Fault::GitAuth, s3.clone()),
        };
        let mut steps = self.heal_all();
        steps.extend([
            self.instruct(Edit::Change),
            self.until(Phase::Editing, 0),
            Step::Inject(git),
            Step::Inject(s3),
            self.done(),
            seconds(5),
            Step::Heal(well),
            seconds([130, 200][draws.below(2)]),
        ]);
        steps
    }

    /// Both sessions of a client have commits that wait, or one of them has while the other is busy.
    pub(super) fn both_sessions_wait(&self, draws: &mut Draws) -> Vec<Step> {
        let sibling = self.sibling.as_ref().unwrap_or(&self.session);
        let git = [Fault::GitAuth, Fault::GitDown][draws.below(2)].clone();
        let mut steps = self.heal_all();
        steps.extend(Self::work(&self.session, Edit::Change));
        steps.extend(Self::work(sibling, Edit::Change));
        steps.push(Step::Inject(git.clone()));
        steps.extend(Self::work(&self.session, Edit::Change));
        match draws.below(4) {
            0 => {
                steps.extend([seconds(1), Step::Heal(git)]);
                for _ in 0..8 {
                    steps.extend([Step::Instruct(sibling.clone(), Edit::Change), seconds(20)]);
                }
            }
            end => {
                steps.extend(Self::work(sibling, Edit::Change));
                steps.push(seconds(1));
                steps.push(match end {
                    1 => Step::LoseWorkspace(self.client()),
                    _ => Step::Crash(self.client()),
                });
            }
        }
        steps
    }

    /// The newest build never gets to the site and is lost; builds of both sessions are left.
    pub(super) fn older_build_is_left(&self, draws: &mut Draws) -> Vec<Step> {
        let sibling = self.sibling.as_ref().unwrap_or(&self.session);
        let mut steps = self.heal_all();
        steps.extend(Self::work(&self.session, Edit::Change));
        steps.extend(Self::work(sibling, Edit::Change));
        if draws.below(3) == 0 {
            steps.extend(Self::work(sibling, Edit::BreakBuild));
        }
        let last = [&self.session, sibling][draws.below(2)];
        steps.extend([
            Step::Inject(Fault::GitAuth),
            Step::Inject(Fault::S3Denied(Some(self.client()))),
        ]);
        steps.extend(Self::work(last, Edit::Change));
        steps.extend([seconds(5), Step::LoseWorkspace(self.client())]);
        steps
    }

    /// Commits are lost with the workspace and reported, and a push is asked for after that.
    pub(super) fn loss_is_reported(&self, draws: &mut Draws) -> Vec<Step> {
        let mut steps = self.heal_all();
        steps.extend([
            self.instruct(Edit::Change),
            self.until(Phase::Editing, 0),
            Step::Inject(Fault::GitAuth),
            self.done(),
        ]);
        if draws.below(2) == 0 {
            steps.extend(Self::work(&self.session, Edit::Change));
        }
        steps.extend([
            seconds(1),
            Step::LoseWorkspace(self.client()),
            Step::Heal(Fault::GitAuth),
            seconds(70),
            Step::RetryPush(self.session.clone()),
            seconds(15),
        ]);
        steps
    }

    /// A deploy that replaces another one is cut off among its last requests, for a moment.
    pub(super) fn deploy_is_cut_off(&self, draws: &mut Draws) -> Vec<Step> {
        let fault = match draws.below(4) {
            0 => Fault::S3Denied(None),
            1 => Fault::Partition(self.client()),
            2 => Fault::S3Down(Outage::Reset),
            _ => Fault::S3Down(Outage::SlowDown),
        };
        let mut steps = self.heal_all();
        steps.extend(Self::work(&self.session, Edit::Change));
        steps.extend([
            self.instruct([Edit::Change, Edit::Warn][draws.below(2)]),
            self.until(Phase::Deploying, [6, 7, 8, 8, 9, 9][draws.below(6)]),
            Step::Inject(fault.clone()),
            Step::Wait(MOMENTS[3 + draws.below(3)]),
            Step::Heal(fault),
            seconds(15),
        ]);
        steps
    }

    /// A push brings the resolution of a conflict, and its container is cut off after that.
    pub(super) fn conflict_is_cut_off(&self, draws: &mut Draws) -> Vec<Step> {
        let phase = [Phase::Pushing, Phase::Building, Phase::Deploying][draws.below(3)];
        vec![
            self.instruct(Edit::Change),
            self.until(Phase::Thinking, 0),
            Step::PushFromOutside(self.session.clone(), Outsider::Conflicting),
            self.until(phase, draws.below(4) as u32),
            Step::Crash(self.client()),
        ]
    }

    /// Pushes, one after the other, to a remote that is away for long.
    pub(super) fn many_pushes_meet_an_outage(&self, _: &mut Draws) -> Vec<Step> {
        let mut steps = self.heal_all();
        steps.extend([
            self.instruct(Edit::Change),
            self.until(Phase::Editing, 0),
            Step::Inject(Fault::GitDown),
        ]);
        steps.extend((0..4).map(|_| self.instruct(Edit::Change)));
        steps.extend((0..6).map(|_| Step::RetryPush(self.session.clone())));
        steps.push(seconds(600));
        steps
    }
}

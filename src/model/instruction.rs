//! What is known of one instruction.

use std::sync::Arc;
use std::time::Duration;

use super::Model;
use crate::history::{Branch, ReportedOutcome};
use crate::plan::{Edit, Mark};
use crate::profile::Evidence;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Instruction {
    pub mark: Mark,
    pub session: usize,
    pub edit: Edit,
    /// When its message first went to a container.
    pub delivered: Option<Duration>,
    /// When it last went to one.
    pub delivered_last: Duration,
    /// Whether that delivery may not have arrived: the container was cut off while it was under way.
    pub may_not_have_come: bool,
    pub deliveries: u32,
    /// Delivered, and neither acknowledged nor given up since.
    pub in_flight: bool,
    pub acknowledged: bool,
    pub dead_lettered: bool,
    /// Whether the session's record held an error when it was acknowledged, or the outcome did.
    pub error_recorded: bool,
    /// Whether its commit was on the branch, local or remote, when it was acknowledged.
    pub saved: bool,
    /// What was not done, and not reported yet, when it was acknowledged; kept only of systems that
    /// may report it later.
    pub unreported: Vec<Owed>,
    /// What was reported of it first, since it was sent or, once it had ended, delivered again.
    pub outcome: Option<ReportedOutcome>,
    /// `BUILD_ERROR` was active at some time of its handling; at all times of it.
    pub build_error: Toggled,
    /// The same for `BUILD_WARNING`.
    pub build_warning: Toggled,
    /// Agent requests in a row that failed, since the last delivery or answer.
    pub agent_failures: u32,
    /// When the agent was last asked, and what its answer asked to wait.
    pub agent_asked: Option<(Duration, Option<Duration>)>,
    /// The time between the failed requests in a row.
    pub agent_waited: Duration,
    /// Whether one of those was no quick answer.
    pub agent_was_slow: bool,
    /// Whether nothing but the agent could hold up the next request since it was last asked.
    pub agent_alone: bool,
    /// The container that it was last delivered to lives.
    pub at_work: bool,
    /// Whether it was sent after recovery, to see whether work is possible again.
    pub sent_again: bool,
    /// Whether anything was seen, since it was first delivered, that may keep its commit from being
    /// made: its agent failed, or its container was cut off. What its workspace was lost with counts
    /// from then on.
    pub excused: bool,
    /// A lost workspace took its commit before it was acknowledged.
    pub lost_in_flight: bool,
    /// Its commit was not on the branch when it was last delivered.
    pub was_missing: bool,
    /// The branch with which its commit was pushed, where nothing was deployed for it before.
    pub pushed_first: Option<Arc<Branch>>,
    /// Whether its last delivery led to anything that could have reported it: a request to the
    /// agent, a record.
    pub got_on: bool,
    /// How often it may have been delivered again, where deliveries are not seen.
    pub came_again: u32,
    /// Its container may have ended with it, where that is not seen.
    pub may_be_dropped: bool,
}

/// Whether something was on during a span.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Toggled {
    pub sometimes: bool,
    pub always: bool,
}

impl Toggled {
    pub fn is(on: bool) -> Self {
        Self {
            sometimes: on,
            always: on,
        }
    }

    pub fn set(&mut self, on: bool) {
        self.sometimes |= on;
        self.always &= on;
    }
}

impl Instruction {
    pub fn new(mark: Mark, session: usize, edit: Edit) -> Self {
        Self {
            mark,
            session,
            edit,
            delivered: None,
            delivered_last: Duration::ZERO,
            may_not_have_come: false,
            deliveries: 0,
            in_flight: false,
            acknowledged: false,
            dead_lettered: false,
            error_recorded: false,
            saved: false,
            unreported: Vec::new(),
            outcome: None,
            build_error: Toggled::default(),
            build_warning: Toggled::default(),
            agent_failures: 0,
            agent_asked: None,
            agent_waited: Duration::ZERO,
            agent_was_slow: false,
            agent_alone: false,
            at_work: false,
            sent_again: false,
            pushed_first: None,
            excused: false,
            lost_in_flight: false,
            was_missing: false,
            got_on: false,
            came_again: 0,
            may_be_dropped: false,
        }
    }

    /// Whether it waits or is being handled.
    pub fn is_pending(&self) -> bool {
        !self.acknowledged && !self.dead_lettered
    }
}

/// What an acknowledgement without a report claims to have been done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owed {
    /// Its commit is on the remote.
    Push,
    /// Its build did not fail.
    Failure,
    /// Its build is in the site.
    Deploy,
}

/// How a handling ended, as far as the contract and what was seen decide it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum HandlingEnd {
    /// Its build is good, so it is to be deployed.
    Good,
    /// Its build, or something before it, failed for good.
    Failed,
    /// It may have ended either way.
    Unclear,
}

impl Model {
    /// How the handling of an instruction ended, or would end.
    pub fn end_of(&self, instruction: &Instruction) -> HandlingEnd {
        let session = &self.sessions[instruction.session];
        if instruction.dead_lettered || session.lost.contains(&instruction.mark) {
            return HandlingEnd::Unclear;
        }
        if !session.committed.contains(&instruction.mark) {
            return self.end_without_commit(instruction);
        }
        // In the order of the branch: what a lost workspace took may come after what was newer.
        let upto = [&session.local, &session.remote]
            .into_iter()
            .find_map(|branch| branch.marks_up_to(instruction.mark));
        let upto = upto.unwrap_or_else(|| {
            let before = self.instructions.iter().filter(|other| {
                other.session == instruction.session && other.mark <= instruction.mark
            });
            let marks = before.map(|other| other.mark);
            marks
                .filter(|mark| session.committed.contains(mark) && !session.lost.contains(mark))
                .collect()
        });
        if self.build_of(&upto).fails || instruction.build_error.always {
            HandlingEnd::Failed
        } else if instruction.build_error.sometimes {
            HandlingEnd::Unclear
        } else {
            HandlingEnd::Good
        }
    }

    /// All that an instruction that is acknowledged now lacks: it is not done, and neither its outcome
    /// nor a record says so.
    pub fn unreported(&self, mark: Mark) -> Vec<Owed> {
        let Some(instruction) = self.instruction(mark) else {
            return Vec::new();
        };
        let session = &self.sessions[instruction.session];
        let is_reported = session.record.last_error.is_some()
            || instruction.outcome == Some(ReportedOutcome::Failed);
        if instruction.acknowledged || is_reported {
            return Vec::new();
        }
        let is_pushed = session.remote_has(mark);
        let mut owed = Vec::new();
        owed.extend((!is_pushed).then_some(Owed::Push));
        if !is_pushed && !session.has(mark) {
            return owed;
        }
        if self.end_of(instruction) == HandlingEnd::Failed {
            owed.push(Owed::Failure);
            return owed;
        }
        let branch = match is_pushed {
            true => &session.remote,
            false => &session.local,
        };
        // A newer build of the client's overtakes this one.
        let is_shown = self.was_shown(session.client, mark) || !self.sees(Evidence::Site);
        let may_fail = instruction.build_error.sometimes || self.build_of(&branch.tree).fails;
        owed.extend((!is_shown && !may_fail).then_some(Owed::Deploy));
        owed
    }

    /// Whether the log has an ERROR line of the instruction's session since it was delivered, or may
    /// have had one that a crash took along.
    pub fn reported_in_log(&self, instruction: &Instruction) -> bool {
        let session = &self.sessions[instruction.session];
        let since = instruction.delivered.unwrap_or_default();
        let client = &self.clients[session.client];
        let has_line = |line: Option<Duration>| line.is_some_and(|line| line >= since);
        has_line(session.error_line) || client.died.is_some_and(|died| died >= since)
    }
}

//! Planted defects: plausible mistakes of an edit system, to show that the rules catch them.
//!
//! Each is put around the worker's ports or into its settings; the worker's own code has none.

mod agent;
mod builder;
mod queue;
mod site;
mod store;
pub mod trial;
mod workspace;

use std::rc::Rc;
use std::time::Duration;

use crate::verdict::Rule;
use crate::worker::ports::Ports;
use crate::worker::settings::Settings;

/// A mistake that can be planted.
pub struct Defect {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the system does wrong.
    pub what: &'static str,
    /// The rule that should be the first to catch it.
    pub rule: Rule,
    /// The steps of the shortest plan known that shows it.
    pub shortest: usize,
    plant: fn(&mut Ports, &mut Settings),
}

impl Defect {
    /// Puts the defect into a container that is about to start.
    pub fn plant(&self, ports: &mut Ports, settings: &mut Settings) {
        (self.plant)(ports, settings);
    }

    pub fn by_name(name: &str) -> Option<&'static Self> {
        DEFECTS.iter().find(|defect| defect.name == name)
    }
}

const FOR_EVER: Duration = Duration::from_secs(1_000_000_000);

macro_rules! defects {
    ($($name:literal, $rule:ident, $shortest:literal, $what:literal, $plant:expr;)+) => {
        /// Every defect, by the rule that should catch it.
        pub static DEFECTS: &[Defect] = &[$(Defect {
            name: $name,
            what: $what,
            rule: Rule::$rule,
            shortest: $shortest,
            plant: $plant,
        }),+];
    };
}

defects! {
    "deploys-failed-build", NoBrokenDeploy, 1, "a failed build is deployed like a good one",
        |ports, _| builder::plant(ports, builder::Mistake::FailedIsGood);
    "ignores-injected-error", NoBrokenDeploy, 2, "a build that is to fail by injection is deployed",
        |ports, _| store::plant(ports, store::Mistake::HidesInjection);
    "pages-first", NoDanglingPage, 1, "pages go up before the assets that they name",
        |ports, _| site::plant(ports, site::Mistake::PagesFirst);
    "deletes-first", NoDanglingPage, 2, "old assets are deleted before the new build is up",
        |ports, _| site::plant(ports, site::Mistake::DeletesFirst);
    "force-push", CommitsPreserved, 2, "a rejected push is forced",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForcePush);
    "force-push-on-conflict", CommitsPreserved, 3, "a push is forced where the rebase conflicts",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForcePushOnConflict);
    "applies-redelivered", ExactlyOnce, 3, "a message that comes again is carried out again",
        |ports, _| {
            store::plant(ports, store::Mistake::ForgetsHandled);
            workspace::plant(ports, workspace::Mistake::NeverHasInstruction);
        };
    "applies-twice-after-push", ExactlyOnce, 3,
        "an instruction is known as done only until its commit is pushed",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForgetsPushed);
    "marks-neighbour", NoCascade, 3, "an instruction's failure is told in another session's record",
        |ports, _| store::plant(ports, store::Mistake::MarksNeighbour);
    "one-workspace", NoCascade, 2, "sessions of a client share one checkout",
        |ports, _| workspace::plant(ports, workspace::Mistake::OneCheckout);
    "breaker-never-opens", Breaker, 3, "failed syncs are not counted",
        |_, settings| settings.breaker_failures = u32::MAX;
    "breaker-opens-early", Breaker, 3, "the breaker opens after three failed syncs",
        |_, settings| settings.breaker_failures = 3;
    "short-cool-down", Breaker, 3, "the breaker lets a probe through after five seconds",
        |_, settings| settings.cool_down = Duration::from_secs(5);
    "never-resets-count", Breaker, 6, "a sync that succeeds does not reset the breaker's count",
        |ports, _| store::plant(ports, store::Mistake::NeverResetsCount);
    "probe-lets-all-through", Breaker, 5, "a half-open breaker lets every sync through",
        |ports, _| store::plant(ports, store::Mistake::HalfOpenIsClosed);
    "breaker-of-each-container", Breaker, 5, "each container has a breaker of its own",
        |ports, _| store::plant(ports, store::Mistake::OwnBreaker);
    "probe-permit-lost", Fresh, 6, "a probe that a crash cut off holds its permit for ever",
        |ports, settings| {
            settings.probe_permit = FOR_EVER;
            store::plant(ports, store::Mistake::PermitOfNobody);
        };
    "six-sync-attempts", BoundedRetries, 2, "a sync is tried six times",
        |_, settings| settings.sync.attempts = 6;
    "eight-agent-attempts", BoundedRetries, 2, "the agent is asked eight times",
        |_, settings| settings.agent.attempts = 8;
    "no-wait-for-agent", BoundedRetries, 2, "the agent is asked again at once",
        |_, settings| {
            settings.agent.first = Duration::ZERO;
            settings.agent.cap = Duration::ZERO;
        };
    "ignores-retry-after", BoundedRetries, 2, "the wait that the agent asks for is not kept",
        |ports, _| agent::plant(ports, agent::Mistake::IgnoresRetryAfter);
    "panics-on-denied", StaysUp, 2, "a denied object brings the container down",
        |ports, _| site::plant(ports, site::Mistake::PanicsOnDenied);
    "tells-no-error", ErrorsTold, 1, "lastError is never written",
        |ports, _| store::plant(ports, store::Mistake::TellsNoError);
    "swallows-put-errors", ErrorsTold, 2, "an object that was refused counts as stored",
        |ports, _| site::plant(ports, site::Mistake::SwallowsErrors);
    "acknowledges-on-receipt", ErrorsTold, 1, "a message is deleted as soon as it is received",
        |ports, _| queue::plant(ports, queue::Mistake::AcknowledgesOnReceipt);
    "claims-push", ErrorsTold, 2, "a push that failed is told as done",
        |ports, _| workspace::plant(ports, workspace::Mistake::ClaimsPush);
    "token-in-error", NoSecretTold, 2, "the text of a git error has the token in it",
        |ports, _| workspace::plant(ports, workspace::Mistake::TokenInError);
    "token-in-commit", NoSecretTold, 1, "the commit message has the token in it",
        |ports, _| workspace::plant(ports, workspace::Mistake::TokenInCommit);
    "hangs-after-agent-error", NothingLost, 2, "an agent error is waited out for ever",
        |ports, _| agent::plant(ports, agent::Mistake::HangsOnError);
    "forgets-lost-work", NothingLost, 4, "work that went with the workspace is not told as lost",
        |ports, _| store::plant(ports, store::Mistake::ForgetsSaved);
    "forgets-unpushed", Pushed, 2, "a push that was put off is not tried again",
        |ports, _| workspace::plant(ports, workspace::Mistake::NothingAhead);
    "drops-conflict", Pushed, 2, "a conflict is left for ever",
        |ports, _| workspace::plant(ports, workspace::Mistake::NeverMerges);
    "never-tries-again", Fresh, 2, "what was put off waits for ever",
        |_, settings| settings.put_off = (FOR_EVER, FOR_EVER);
    "skips-put-off-deploy", Fresh, 2, "a deploy that was put off counts as done",
        |ports, _| store::plant(ports, store::Mistake::CountsAsDeployed);
    "old-deploy-last", Fresh, 3, "a deploy that was put off is finished after a newer one",
        |ports, _| store::plant(ports, store::Mistake::KeepsOldWanted);
    "never-deletes", Fresh, 2, "objects of older builds stay",
        |ports, _| site::plant(ports, site::Mistake::NeverDeletes);
    "keeps-error", Settled, 2, "an error is told for ever",
        |ports, _| store::plant(ports, store::Mistake::KeepsError);
    "keeps-warning", Settled, 2, "a warning stays after a clean build",
        |ports, _| store::plant(ports, store::Mistake::KeepsWarning);
    "tells-no-warning", Settled, 1, "warnings are never written",
        |ports, _| store::plant(ports, store::Mistake::TellsNoWarning);
}

/// Puts something around one of the ports.
fn wrap<T: ?Sized>(port: &mut Rc<T>, around: impl FnOnce(Rc<T>) -> Rc<T>) {
    *port = around(port.clone());
}

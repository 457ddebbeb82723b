//! Planted defects: plausible mistakes of an edit system, to show that the rules catch them.
//!
//! Each is put around the worker's ports or into its settings; the worker's own code has none.

mod agent;
mod builder;
mod commits;
pub(crate) mod harmless;
pub mod known;
mod later;
mod log;
pub(crate) mod other;
mod pace;
mod queue;
mod refusal;
mod site;
mod store;
pub(crate) mod trial;
mod workspace;

pub use trial::planted_sim;

use std::rc::Rc;
use std::time::Duration;

use self::later::Later;
use self::refusal::Refuses;
use crate::verdict::Rule;
use crate::worker::ports::Ports;
use crate::worker::retry::Jitter;
use crate::worker::settings::Settings;

/// A mistake that can be planted.
pub struct Defect {
    /// Its name on the command line.
    pub name: &'static str,
    /// What the system does wrong.
    pub what: &'static str,
    /// The rule that should be the first to catch it.
    pub rule: Rule,
    plant: fn(&mut Ports, &mut Settings),
}

impl Defect {
    /// Puts the defect into a container that is about to start.
    pub(crate) fn plant(&self, ports: &mut Ports, settings: &mut Settings) {
        (self.plant)(ports, settings);
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().find(|defect| defect.name == name)
    }

    /// Every one: those that a plan shows, and those that only the plans of a campaign show together.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        DEFECTS.iter().chain(OF_CAMPAIGNS)
    }
}

const FOR_EVER: Duration = Duration::from_secs(1_000_000_000);

macro_rules! defects {
    ($(#[doc = $about:literal])+ $table:ident: $($name:literal, $rule:ident, $what:literal, $plant:expr;)+) => {
        $(#[doc = $about])+
        pub static $table: &[Defect] = &[$(Defect {
            name: $name,
            what: $what,
            rule: Rule::$rule,
            plant: $plant,
        }),+];
    };
}

defects! {
    /// The waits of a campaign's runs show these, and no plan shows one alone.
    OF_CAMPAIGNS:
    "same-wait-for-agent", BoundedRetries, "waits between requests to the agent do not grow",
        |_, settings| settings.agent.cap = settings.agent.first;
    "same-wait-for-sync", BoundedRetries, "waits between the attempts of a sync do not grow",
        |_, settings| settings.sync.cap = settings.sync.first;
    "no-jitter-for-agent", BoundedRetries, "waits between requests to the agent have no jitter",
        |_, settings| settings.agent.jitter = Jitter::Share(0.0);
    "no-jitter-for-sync", BoundedRetries, "waits between the attempts of a sync have no jitter",
        |_, settings| settings.sync.jitter = Jitter::Share(0.0);
    "same-long-wait-for-agent", BoundedRetries,
        "the agent is asked again after ten seconds each time, more or less",
        |_, settings| {
            settings.agent.first = Duration::from_secs(10);
            settings.agent.cap = settings.agent.first;
            settings.agent.jitter = Jitter::Share(0.4);
        };
    "gives-agent-ten-seconds", BoundedRetries, "the agent has ten seconds to answer",
        |_, settings| settings.agent_limit = Duration::from_secs(10);
    "gives-agent-two-thirds", BoundedRetries, "the agent has two thirds of its time to answer",
        |_, settings| settings.agent_limit = settings.agent_limit * 2 / 3;
}

defects! {
    /// Every defect that a plan shows, by the rule that should catch it.
    DEFECTS:
    "deploys-failed-build", NoBrokenDeploy, "a failed build is deployed like a good one",
        |ports, _| builder::plant(ports, builder::Mistake::FailedIsGood);
    "trusts-first-build", NoBrokenDeploy, "the first build after a start is taken as good",
        |ports, _| builder::plant(ports, builder::Mistake::FirstIsGood);
    "ignores-injected-error", NoBrokenDeploy, "a build that is to fail by injection is deployed",
        |ports, _| store::plant(ports, store::Mistake::HidesInjection);
    "pages-first", NoDanglingPage, "pages are uploaded before the assets that they refer to",
        |ports, _| site::plant(ports, site::Mistake::PagesFirst);
    "deletes-first", NoDanglingPage, "old assets are deleted before the new build is uploaded",
        |ports, _| site::plant(ports, site::Mistake::DeletesFirst);
    "trusts-own-list", Fresh, "an object counts as stored once it was sent",
        |ports, _| site::plant(ports, site::Mistake::TrustsItself);
    "force-push", CommitsPreserved, "a rejected push is forced",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForcePush);
    "force-push-on-conflict", CommitsPreserved, "a push is forced where the rebase conflicts",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForcePushOnConflict);
    "applies-redelivered", ExactlyOnce, "a message that comes again is carried out again",
        |ports, _| {
            store::plant(ports, store::Mistake::ForgetsHandled);
            workspace::plant(ports, workspace::Mistake::NeverHasInstruction);
        };
    "applies-twice-after-push", ExactlyOnce,
        "an instruction is known as done only until its commit is pushed",
        |ports, _| workspace::plant(ports, workspace::Mistake::ForgetsPushed);
    "never-cleans", ExactlyOnce, "half an edit that a crash left is not removed",
        |ports, _| workspace::plant(ports, workspace::Mistake::NeverCleans);
    "marks-neighbour", NoCascade, "an instruction's failure is written into another session's record",
        |ports, _| store::plant(ports, store::Mistake::MarksNeighbour);
    "warns-neighbour", NoCascade, "a build's warnings are written into another session's record",
        |ports, _| store::plant(ports, store::Mistake::WarnsNeighbour);
    "one-workspace", NoCascade, "sessions of a client share one checkout",
        |ports, _| workspace::plant(ports, workspace::Mistake::OneCheckout);
    "breaker-never-opens", Breaker, "failed syncs are not counted",
        |_, settings| settings.breaker_failures = u32::MAX;
    "breaker-opens-early", Breaker, "the breaker opens after three failed syncs",
        |_, settings| settings.breaker_failures = 3;
    "short-cool-down", Breaker, "the breaker lets a probe through after five seconds",
        |_, settings| settings.cool_down = Duration::from_secs(5);
    "never-resets-count", Breaker, "a sync that succeeds does not reset the breaker's count",
        |ports, _| store::plant(ports, store::Mistake::NeverResetsCount);
    "probe-lets-all-through", Breaker, "a half-open breaker lets every sync through",
        |ports, _| store::plant(ports, store::Mistake::HalfOpenIsClosed);
    "breaker-of-each-container", Breaker, "each container has a breaker of its own",
        |ports, _| store::plant(ports, store::Mistake::OwnBreaker);
    "breaker-closed-by-restart", Breaker, "a container that starts takes the breaker for closed",
        |ports, _| store::plant(ports, store::Mistake::ClosesBreakerAtStart);
    "reopens-without-cool-down", Breaker, "a probe that fails is followed by another at once",
        |ports, _| store::plant(ports, store::Mistake::ReopensWithoutCoolDown);
    "prevents-silently", Breaker, "a sync that the breaker stops is not logged",
        |ports, _| log::plant(ports, log::Mistake::SilentBreaker);
    "probe-permit-lost", Breaker, "a probe that a crash cut off holds its permit for ever",
        |ports, settings| {
            settings.probe_permit = FOR_EVER;
            store::plant(ports, store::Mistake::PermitWithoutHolder);
        };
    "six-sync-attempts", BoundedRetries, "a sync is tried six times",
        |_, settings| settings.sync.attempts = 6;
    "one-sync-attempt", BoundedRetries, "a sync fails with its first attempt",
        |_, settings| settings.sync.attempts = 1;
    "endless-sync", BoundedRetries, "a sync is tried until it succeeds, each time as the first",
        |ports, settings| {
            settings.sync.attempts = u32::MAX;
            log::plant(ports, log::Mistake::CountsAttemptsAnew);
        };
    "ignores-retry-push", BoundedRetries, "a message that asks for a push is deleted unread",
        |ports, _| queue::plant(ports, queue::Mistake::DeletesRetries);
    "eight-agent-attempts", BoundedRetries, "the agent is asked eight times",
        |_, settings| settings.agent.attempts = 8;
    "no-wait-for-agent", BoundedRetries, "the agent is asked again at once",
        |_, settings| {
            settings.agent.first = Duration::ZERO;
            settings.agent.cap = Duration::ZERO;
        };
    "ignores-retry-after", BoundedRetries, "the wait that the agent asks for is not kept",
        |ports, _| agent::plant(ports, agent::Mistake::IgnoresRetryAfter);
    "ten-push-attempts", BoundedRetries, "a push is tried ten times",
        |_, settings| settings.push.attempts = 10;
    "no-wait-for-sync", BoundedRetries, "a sync is tried again at once",
        |_, settings| {
            settings.sync.first = Duration::ZERO;
            settings.sync.cap = Duration::ZERO;
        };
    "no-wait-for-table", BoundedRetries, "the session table is asked again at once",
        |_, settings| {
            settings.store.first = Duration::ZERO;
            settings.store.cap = Duration::ZERO;
        };
    "polls-without-wait", BoundedRetries, "a poll that the queue refused is repeated at once",
        |ports, _| queue::plant(ports, queue::Mistake::PollsWithoutWait);
    "hammers-put-off", BoundedRetries, "postponed work is tried again at once",
        |_, settings| {
            settings.put_off = (Duration::ZERO, Duration::ZERO);
            settings.poll = Duration::from_millis(100);
        };
    "waits-long-for-agent", BoundedRetries, "the agent has two minutes to answer",
        |_, settings| settings.agent_limit = Duration::from_secs(120);
    "panics-on-denied", StaysUp, "a denied object brings the container down",
        |ports, _| site::plant(ports, site::Mistake::PanicsOnDenied);
    "panics-on-auth", StaysUp, "a push without permission brings the container down",
        |ports, _| workspace::plant(ports, workspace::Mistake::PanicsOnDenied);
    "panics-on-throttle", StaysUp, "a record that cannot be written brings the container down",
        |ports, _| store::plant(ports, store::Mistake::PanicsOnThrottle);
    "tells-no-error", ErrorsTold, "lastError is never written",
        |ports, _| store::plant(ports, store::Mistake::TellsNoError);
    "swallows-put-errors", ErrorsTold, "an object that was refused counts as stored",
        |ports, _| site::plant(ports, site::Mistake::SwallowsErrors);
    "acknowledges-on-receipt", ErrorsTold, "a message is deleted as soon as it is received",
        |ports, _| queue::plant(ports, queue::Mistake::AcknowledgesOnReceipt);
    "acknowledges-on-push", ErrorsTold, "a message is deleted as soon as its commit is pushed",
        |ports, _| queue::plant_acknowledging_push(ports);
    "tells-no-put-off-push", ErrorsTold, "a postponed push is not written into the record",
        |ports, _| store::plant(ports, store::Mistake::TellsNoPutOffPush);
    "no-error-lines", ErrorsTold, "errors are logged as ordinary lines",
        |ports, _| log::plant(ports, log::Mistake::NoErrorLevel);
    "tells-no-dead-letter", Settled, "an instruction that is given up is not written into the record",
        |ports, _| store::plant(ports, store::Mistake::TellsNoDeadLetter);
    "claims-push", ErrorsTold, "a push that failed is logged as done",
        |ports, _| workspace::plant(ports, workspace::Mistake::ClaimsPush);
    "token-in-error", NoSecretTold, "the text of a git error has the token in it",
        |ports, _| workspace::plant(ports, workspace::Mistake::TokenInError);
    "token-in-commit", NoSecretTold, "the commit message has the token in it",
        |ports, _| workspace::plant(ports, workspace::Mistake::TokenInCommit);
    "token-in-record", NoSecretTold, "an error in the record has the token in it",
        |ports, _| store::plant(ports, store::Mistake::TokenInRecord);
    "token-in-site", NoSecretTold, "the build leaves a log with the token in the site",
        |ports, _| builder::plant(ports, builder::Mistake::TokenInOutput);
    "hangs-after-agent-error", NothingLost, "after an agent error the worker waits for ever",
        |ports, _| agent::plant(ports, agent::Mistake::HangsOnError);
    "takes-cut-answer", ErrorsTold,
        "an agent's answer that is cut is taken for a whole one, in which nothing is changed",
        |ports, _| agent::plant(ports, agent::Mistake::TakesCut);
    "forgets-lost-work", NothingLost, "work that was lost with the workspace is not reported as lost",
        |ports, _| store::plant(ports, store::Mistake::ForgetsSaved);
    "stops-polling", NothingLost, "a poll that fails is the last one",
        |ports, _| queue::plant(ports, queue::Mistake::StopsPolling);
    "forgets-unpushed", Pushed, "a postponed push is not tried again",
        |ports, _| workspace::plant(ports, workspace::Mistake::NothingAhead);
    "forgets-unpushed-in-crash", Pushed, "a postponed push is forgotten in a crash",
        |ports, _| {
            store::plant(ports, store::Mistake::ForgetsSessionsAtStart);
            workspace::plant(ports, workspace::Mistake::ForgetsSessions);
        };
    "drops-conflict", Pushed, "a conflict is left for ever",
        |ports, _| workspace::plant(ports, workspace::Mistake::NeverMerges);
    "never-tries-again", Fresh, "postponed work waits for ever",
        |_, settings| settings.put_off = (FOR_EVER, FOR_EVER);
    "skips-put-off-deploy", Fresh, "a postponed deploy counts as done",
        |ports, _| store::plant(ports, store::Mistake::CountsAsDeployed);
    "forgets-deploy-in-crash", Fresh, "a postponed deploy is forgotten in a crash",
        |ports, _| store::plant(ports, store::Mistake::ForgetsDeployAtStart);
    "keeps-first-build", ErrorsTold, "a session's first build is deployed for ever",
        |ports, _| builder::plant(ports, builder::Mistake::KeepsFirst);
    "cool-down-for-ever", Breaker, "a breaker that is open stays open",
        |_, settings| settings.cool_down = FOR_EVER;
    "old-deploy-last", Fresh, "a postponed deploy is finished after a newer one",
        |ports, _| store::plant(ports, store::Mistake::KeepsOldWanted);
    "never-deletes", Fresh, "objects of older builds stay",
        |ports, _| site::plant(ports, site::Mistake::NeverDeletes);
    "keeps-error", Settled, "an error stays in the record for ever",
        |ports, _| store::plant(ports, store::Mistake::KeepsError);
    "keeps-warning", Settled, "a warning stays after a clean build",
        |ports, _| store::plant(ports, store::Mistake::KeepsWarning);
    "tells-no-warning", Settled, "warnings are never written",
        |ports, _| store::plant(ports, store::Mistake::TellsNoWarning);
    "tells-no-conflict", Settled, "a conflict that was resolved is not written into the record",
        |ports, _| store::plant(ports, store::Mistake::TellsNoConflict);
    "refuses-after-failed-build", NothingLost,
        "after a failed build every instruction of the session is refused, the repair too",
        |ports, _| refusal::plant(ports, Refuses::AfterFailedBuild);
    "gives-up-at-second-receive", NothingLost, "an instruction whose message comes again is refused",
        |ports, _| refusal::plant(ports, Refuses::SecondReceive);
    "refuses-while-breaker-open", NothingLost, "instructions are refused while the breaker is not closed",
        |ports, _| refusal::plant(ports, Refuses::WhileBreakerOpen);
    "refuses-beside-unpushed", NothingLost,
        "instructions are refused while commits of the session wait to be pushed",
        |ports, _| refusal::plant(ports, Refuses::BesideUnpushed);
    "keeps-broken-conversation", Usable,
        "once a request to the agent failed, every later instruction of the session is refused",
        |ports, _| refusal::plant(ports, Refuses::BrokenConversation);
    "keeps-older-lock", Usable,
        "a session that an older container worked on is refused for ever",
        |ports, _| refusal::plant(ports, Refuses::OlderLock);
    "gives-up-lost-in-flight", NothingLost,
        "a message that comes again after the workspace was lost is refused",
        |ports, _| refusal::plant(ports, Refuses::LostInFlight);
    "reports-lost-in-flight", NothingLost,
        "work that was lost while its message was in flight is reported as lost, and not done again",
        |ports, _| refusal::plant_giving_up_lost(ports);
    "uploads-page-later", NoDanglingPage,
        "a page whose upload failed is uploaded once more after 45 s, whatever came since",
        |ports, _| later::plant(ports, Later::Page);
    "deletes-assets-later", NoDanglingPage, "45 s after an upload failed, the assets that were not there then are deleted",
        |ports, _| later::plant(ports, Later::Assets);
    "writes-record-later", Settled, "a record with an error is written once more after 45 s, whatever came since",
        |ports, _| later::plant(ports, Later::Record);
    "clears-error-when-redelivered", ErrorsTold, "a handled message that comes again clears the error of its session",
        |ports, _| later::plant(ports, Later::ClearsErrorAgain);
    "clears-warning-when-redelivered", Settled, "a handled message that comes again clears the warnings of its session",
        |ports, _| later::plant(ports, Later::ClearsWarningsAgain);
    "keeps-loss", Settled, "what was lost with a workspace is reported for ever",
        |ports, _| later::plant(ports, Later::KeepsLoss);
    "clears-errors-at-start", ErrorsTold, "an instruction that begins clears the errors of what waits",
        |ports, _| later::plant(ports, Later::ClearsAtStart);
    "push-clears-deploy-error", ErrorsTold, "a push that succeeds at last clears the error of a deploy that waits",
        |ports, _| later::plant(ports, Later::PushClearsDeploy);
    "failure-keeps-warnings", Settled, "a failed build leaves the warnings of the build before",
        |ports, _| later::plant(ports, Later::FailureKeepsWarnings);
    "reports-failure-alone", ErrorsTold, "a failed instruction is reported instead of what waits to be pushed or deployed",
        |ports, _| later::plant(ports, Later::FailureAlone);
    "prevents-silently-once-said", Breaker, "only the first sync that the breaker stops is logged",
        |ports, _| log::plant(ports, log::Mistake::SilentBreakerOnceSaid);
    "prevents-others-silently", Breaker, "only the stopped syncs of one session are logged",
        |ports, _| log::plant(ports, log::Mistake::SilentBreakerOfOthers);
    "logs-error-once", ErrorsTold, "an error that was logged before is logged as an ordinary line",
        |ports, _| log::plant(ports, log::Mistake::ErrorOnce);
    "logs-git-errors-as-warnings", ErrorsTold, "a failed push is logged as a warning",
        |ports, _| log::plant(ports, log::Mistake::GitWarns);
    "logs-sync-errors-as-warnings", ErrorsTold, "a failed sync is logged as a warning",
        |ports, _| log::plant(ports, log::Mistake::SyncWarns);
    "puts-off-for-minutes", BoundedRetries, "what was put off is tried again every four minutes",
        |_, settings| settings.put_off = (Duration::from_secs(240), Duration::from_secs(240));
    "puts-off-longer", BoundedRetries, "what was put off is tried again every three minutes or so",
        |_, settings| settings.put_off = (Duration::from_secs(130), Duration::from_secs(240));
    "pushes-only-in-quiet", BoundedRetries,
        "a push that was put off is not tried within four minutes of an instruction",
        |ports, _| workspace::plant(ports, workspace::Mistake::PushesInQuiet);
    "pushes-thrice-at-once", BoundedRetries, "a put-off push is made three times at once, each time",
        |ports, settings| {
            settings.push.attempts = 1;
            workspace::plant(ports, workspace::Mistake::PushesThriceAtOnce);
        };
    "no-wait-for-clone", BoundedRetries, "a checkout that cannot be opened is opened again at once",
        |ports, _| workspace::plant(ports, workspace::Mistake::OpensWithoutWait);
    "clones-four-times", BoundedRetries, "a checkout that cannot be opened is opened four times at once, each time",
        |ports, _| workspace::plant(ports, workspace::Mistake::OpensFourTimes);
    "same-wait-for-clone", BoundedRetries, "a checkout that cannot be opened is opened every half second",
        |ports, _| workspace::plant(ports, workspace::Mistake::OpensAtFixedPace);
    "same-wait-for-table", BoundedRetries, "waits for the session table do not grow",
        |_, settings| settings.store.cap = settings.store.first;
    "same-wait-for-queue", BoundedRetries, "a poll that the queue refused is repeated every half second",
        |ports, _| queue::plant(ports, queue::Mistake::PollsAtFixedPace);
    "lists-again-at-once", BoundedRetries, "a list of the site that fails is asked for again at once within an attempt",
        |ports, _| site::plant(ports, site::Mistake::ListsAgainAtOnce);
    "puts-off-in-pairs", BoundedRetries, "a sync that was put off is tried twice at once, each time",
        |ports, settings| {
            settings.put_off = (Duration::ZERO, Duration::from_secs(60));
            pace::plant_alternating(ports);
        };
    "waits-a-minute-for-agent", BoundedRetries, "the agent has a minute to answer",
        |_, settings| settings.agent_limit = Duration::from_secs(60);
    "first-wait-of-a-minute", BoundedRetries, "the first wait before the agent is asked again is a minute",
        |_, settings| {
            settings.agent.first = Duration::from_secs(60);
            settings.agent_limit = Duration::from_secs(30);
        };
    "cools-down-for-minutes", Breaker, "an open breaker lets no probe through for five minutes",
        |_, settings| settings.cool_down = Duration::from_secs(300);
    "cools-down-for-two-minutes", Breaker, "an open breaker lets no probe through for two minutes",
        |_, settings| settings.cool_down = Duration::from_secs(120);
    "pushes-last-handled", BoundedRetries,
        "a push that is asked for is made for the session that was handled last",
        |ports, _| queue::plant_retrying_last(ports);
    "remembers-one-session", Pushed, "after a crash the postponed pushes of one session are tried",
        |ports, _| {
            store::plant(ports, store::Mistake::ForgetsOthersAtStart);
            workspace::plant(ports, workspace::Mistake::ForgetsSessions);
        };
    "swallows-delete-errors", Fresh, "an object that could not be deleted counts as deleted",
        |ports, _| site::plant(ports, site::Mistake::SwallowsDeleteErrors);
    "names-newest-loss", NothingLost, "of the work that was lost with the workspace only the newest is reported",
        |ports, _| store::plant(ports, store::Mistake::RemembersNewestSaved);
    "reports-loss-once", ErrorsTold, "a loss is reported until the record is written for another reason",
        |ports, _| later::plant(ports, Later::ReportsLossOnce);
    "drops-outsiders-files", CommitsPreserved,
        "a rebase keeps the commits of outsiders, and not what they changed",
        |ports, _| workspace::plant(ports, workspace::Mistake::DropsForeign);
    "builds-before-rebase", Fresh, "what is built is the commit as it was before it was rebased",
        |ports, _| commits::plant_building_before_rebase(ports);
    "probe-never-closes", Breaker, "a probe that succeeds opens the breaker again",
        |ports, _| store::plant(ports, store::Mistake::ProbeNeverCloses);
}

/// Puts something around one of the ports.
fn wrap<T: ?Sized>(port: &mut Rc<T>, around: impl FnOnce(Rc<T>) -> Rc<T>) {
    *port = around(port.clone());
}

//! The parts of all rules, as a table: what each needs to be seen, and what checks it.

use super::Check::{self, AfterRecovery, Always};
use super::{
    Invariant, branch, breaker, cascade, fresh, process, recovered, reported, retries, settled,
    site, usable,
};
use crate::profile::Evidence::{
    self, Log, Process, Queue, Record, Remote, Report, Requests, Secrets, Site, Workspace,
};
use crate::verdict::Rule;

/// Every part of every rule. Where one event breaks several, the first one listed is reported.
pub(crate) const INVARIANTS: &[Invariant] = &[
    part(
        Rule::NoSecretTold,
        &[Secrets],
        Always(process::no_secret_told),
    ),
    part(Rule::StaysUp, &[Process], Always(process::stays_up)),
    part(
        Rule::NoCascade,
        &[Remote],
        Always(cascade::foreign_edit_on_branch),
    ),
    part(
        Rule::NoCascade,
        &[Site],
        Always(cascade::foreign_edit_in_site),
    ),
    part(
        Rule::NoCascade,
        &[Record, Requests],
        Always(cascade::foreign_trouble),
    ),
    part(
        Rule::NoCascade,
        &[Remote, Requests],
        Always(cascade::trespass),
    ),
    part(
        Rule::NoBrokenDeploy,
        &[Site],
        Always(site::no_broken_deploy),
    ),
    part(
        Rule::NoDanglingPage,
        &[Site, Requests],
        Always(site::no_dangling_page),
    ),
    part(Rule::ExactlyOnce, &[Remote], Always(branch::exactly_once)),
    part(
        Rule::CommitsPreserved,
        &[Remote],
        Always(branch::commits_preserved),
    ),
    part(
        Rule::CommitsPreserved,
        &[Remote],
        Always(branch::content_preserved),
    ),
    part(
        Rule::Breaker,
        &[Log, Site, Requests],
        Always(breaker::breaker),
    ),
    part(
        Rule::BoundedRetries,
        &[Log, Site, Requests],
        Always(retries::sync_at_once),
    ),
    part(
        Rule::BoundedRetries,
        &[Record, Requests],
        Always(retries::requests_at_once),
    ),
    // What the other of these two services refuses is not seen where its evidence is not.
    part(
        Rule::BoundedRetries,
        &[Queue, Requests],
        Always(retries::requests_at_once),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Workspace, Remote, Requests],
        Always(retries::git_at_once),
    ),
    part(
        Rule::BoundedRetries,
        &[Site, Requests],
        Always(retries::lists_at_once),
    ),
    // A message, or a request to the agent, shows that there is something new to do.
    part(
        Rule::BoundedRetries,
        &[Log, Queue, Requests],
        Always(retries::put_off_at_once),
    ),
    part(
        Rule::BoundedRetries,
        &[Log, Evidence::Agent, Requests],
        Always(retries::put_off_at_once),
    ),
    part(
        Rule::BoundedRetries,
        &[Log, Requests],
        Always(retries::endless_sync),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Workspace, Remote, Requests],
        Always(retries::asked_push),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Workspace, Remote, Requests],
        Always(retries::push_late),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Remote, Site, Log, Requests],
        Always(retries::deploy_late),
    ),
    part(
        Rule::BoundedRetries,
        &[Log, Site, Requests],
        Always(retries::gave_up),
    ),
    part(
        Rule::BoundedRetries,
        &[Log, Requests],
        Always(retries::sync_attempts),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Requests],
        Always(retries::receives),
    ),
    part(
        Rule::BoundedRetries,
        &[Evidence::Agent, Requests],
        Always(retries::agent),
    ),
    part(
        Rule::BoundedRetries,
        &[Queue, Remote, Workspace, Requests],
        Always(retries::pushes),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Remote, Report, Requests],
        Always(reported::acknowledged),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Remote, Report, Requests],
        Always(reported::done_claimed),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Requests],
        Always(reported::one_outcome),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Remote, Record, Requests],
        Always(reported::without_cause),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Remote, Site, Record, Requests],
        Always(reported::still_there),
    ),
    part(
        Rule::ErrorsTold,
        &[Log, Remote, Workspace, Requests],
        Always(reported::push_claimed),
    ),
    part(
        Rule::ErrorsTold,
        &[Log, Site, Requests],
        Always(reported::sync_claimed),
    ),
    part(
        Rule::ErrorsTold,
        &[Queue, Remote, Report, Requests],
        AfterRecovery(reported::reported_at_last),
    ),
    part(
        Rule::Breaker,
        &[Log, Record, Requests],
        AfterRecovery(breaker::is_in_log),
    ),
    part(
        Rule::ErrorsTold,
        &[Log, Record, Requests],
        AfterRecovery(reported::errors_are_in_log),
    ),
    part(
        Rule::ErrorsTold,
        &[Log, Queue],
        AfterRecovery(reported::failures_are_in_log),
    ),
    // Before the rules that such work would break too.
    part(Rule::Usable, &[Queue], AfterRecovery(usable::ended)),
    part(
        Rule::Usable,
        &[Queue, Remote],
        AfterRecovery(usable::committed),
    ),
    part(
        Rule::NothingLost,
        &[Queue],
        AfterRecovery(recovered::all_ended),
    ),
    part(
        Rule::NothingLost,
        &[Queue, Remote, Report],
        AfterRecovery(recovered::nothing_lost),
    ),
    part(
        Rule::Pushed,
        &[Remote, Workspace],
        AfterRecovery(recovered::pushed),
    ),
    part(Rule::Pushed, &[Workspace], AfterRecovery(recovered::clean)),
    part(
        Rule::Fresh,
        &[Queue, Remote, Site],
        AfterRecovery(fresh::fresh),
    ),
    part(Rule::Settled, &[Queue], AfterRecovery(settled::queue)),
    part(
        Rule::Settled,
        &[Log, Site, Requests],
        AfterRecovery(settled::breaker),
    ),
    part(
        Rule::Settled,
        &[Process],
        AfterRecovery(settled::containers),
    ),
    part(
        Rule::Settled,
        &[Queue, Record],
        AfterRecovery(settled::records),
    ),
    part(
        Rule::Usable,
        &[Queue, Remote, Site],
        AfterRecovery(usable::deployed),
    ),
    part(
        Rule::Usable,
        &[Queue, Record],
        AfterRecovery(usable::without_error),
    ),
];

const fn part(rule: Rule, needs: &'static [Evidence], check: Check) -> Invariant {
    Invariant { rule, needs, check }
}

//! `shakedown profile try`: a system that its profile starts, given work once, and what was seen of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::dispatch::{Exit, print};
use crate::history::describe::line;
use crate::history::phases::Phases;
use crate::history::{CallAnswer, Event, ServiceCall, What};
use crate::invariant::not_asked;
use crate::plan::{ClientId, Edit, Mark, Phase, SessionId, Step};
use crate::process::namespace;
use crate::profile::{Evidence, NetworkMode, Profile};
use crate::target::local::Local;
use crate::target::{Target, TargetError};

/// How often it is looked whether an instruction is over, in real time.
const SLICE: Duration = Duration::from_millis(200);
/// What may follow the end of an instruction, in real time.
const AFTERWARDS: Duration = Duration::from_secs(2);
/// Lines of the log that are shown where an expression does not match them.
const SAMPLES: usize = 3;

/// Runs the command.
pub fn run(file: &Path, edits: &[Edit], within: Duration) -> Exit {
    let profile = match Profile::read(file) {
        Ok(profile) => Arc::new(profile),
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    if profile.start.is_none() {
        eprintln!(
            "{}: the profile starts no system: add a section [start] with its command, and [[accept]]",
            file.display()
        );
        return Exit::Usage;
    }
    let session = SessionId::new("acme", "home");
    let mut events = Vec::new();
    let tried = attempt(&profile, &session, edits, within, &mut events);
    print(&report(&profile, &session, edits, &events));
    match tried {
        Err(error) => {
            eprintln!("{error}");
            Exit::Unknown
        }
        Ok(()) if edits.len() == count(&events, is_over) => Exit::Held,
        Ok(()) => Exit::Unknown,
    }
}

/// Starts the system and gives it the instructions, one after the other.
fn attempt(
    profile: &Arc<Profile>,
    session: &SessionId,
    edits: &[Edit],
    within: Duration,
    events: &mut Vec<Event>,
) -> Result<(), TargetError> {
    let local = Local {
        time_scale: 1.0,
        profile: profile.clone(),
        ..Local::new()?
    };
    let mut run = local.start(std::slice::from_ref(session), 0)?;
    for (n, edit) in (1..).zip(edits) {
        let mark = Mark::Edit(n);
        run.apply(&Step::Instruct(session.clone(), *edit), Some(mark), events)?;
        let limit = run.now() + within;
        let over = |events: &[Event]| {
            events.iter().any(
                |event| matches!(event.what, What::Acknowledged { mark: of, .. } if of == mark),
            )
        };
        while !over(events) && run.now() < limit {
            run.apply(&Step::Wait(SLICE), None, events)?;
        }
    }
    run.apply(&Step::Wait(AFTERWARDS), None, events)
}

fn is_over(what: &What) -> bool {
    matches!(what, What::Acknowledged { .. })
}

fn count(events: &[Event], is: impl Fn(&What) -> bool) -> usize {
    events.iter().filter(|event| is(&event.what)).count()
}

/// What was seen, and what should be looked at where it was not.
fn report(profile: &Profile, session: &SessionId, edits: &[Edit], events: &[Event]) -> String {
    let mut text = network(profile);
    text.push_str("What was seen\n");
    for event in events {
        let _ = writeln!(text, "  {}", line(event));
    }
    let lines: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Logged { text, .. } => Some(&**text),
            _ => None,
        })
        .collect();
    let mut hints = Vec::new();
    text.push_str("\nEvidence\n");
    for (what, is, hint) in evidence(profile, session, events) {
        let n = count(events, is);
        let _ = writeln!(text, "  {what:<44} {}", times(n));
        if n == 0 {
            hints.extend(hint);
        }
    }
    text.push_str("\nPhases that began\n");
    let mut phases = Phases::default();
    let began: Vec<Phase> = events
        .iter()
        .filter_map(|event| Some(phases.see(&event.what)?.phase))
        .collect();
    for phase in Phase::ALL {
        let n = began.iter().filter(|seen| **seen == phase).count();
        let _ = writeln!(text, "  {:<44} {}", phase.to_string(), times(n));
    }
    let _ = writeln!(text, "\nWords ({} lines of the log)", lines.len());
    let named = count(events, |what| {
        matches!(
            what,
            What::Logged {
                session: Some(_),
                ..
            }
        )
    });
    let _ = writeln!(
        text,
        "  {:<44} {}",
        "lines that name a session",
        times(named)
    );
    for (name, expression) in profile.words.expressions() {
        // A line is kept without what `line` takes off it.
        if name == "line" {
            continue;
        }
        let n = lines
            .iter()
            .filter(|line| expression.is_match(line))
            .count();
        let _ = writeln!(text, "  {name:<44} {}", times(n));
    }
    if named == 0 && !lines.is_empty() {
        let samples: Vec<String> = lines
            .iter()
            .filter(|line| !line.trim().is_empty())
            .take(SAMPLES)
            .map(|line| format!("    {line}"))
            .collect();
        hints.push(format!(
            "no line of the log names a session: give `line` in [words] a group (?<session>…) that is `{}`, \
             if there are such lines, or say with `session` of [names] how they name it (a container's own may be \
             \"{{thread}}\"); the first lines are\n{}",
            profile.names.session(session),
            samples.join("\n")
        ));
    }
    if count(events, is_over) < edits.len() {
        hints.push(
            "an instruction did not end in its time: see the last lines above, or give more with --within"
                .into(),
        );
    }
    let unserved: Vec<&Arc<ServiceCall>> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Called { call, .. } if call.answer == CallAnswer::NotServed => Some(call),
            _ => None,
        })
        .collect();
    let (hosts, unserved): (Vec<_>, Vec<_>) = unserved
        .iter()
        .partition(|call| call.unknown_host().is_some());
    let names = |of: &[&&Arc<ServiceCall>], name: fn(&ServiceCall) -> String| {
        let names: BTreeSet<String> = of.iter().map(|call| name(call)).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    if !hosts.is_empty() {
        hints.push(format!(
            "it asked for hosts for which the loopback cloud does not answer, and was refused: {}; where one of them is \
             AWS, git or the agent under another name, add it to `hosts` of [network]",
            names(&hosts, |call| call.operation.to_string())
        ));
    }
    if !unserved.is_empty() {
        hints.push(format!(
            "it made calls that the loopback cloud does not serve: {}",
            names(&unserved, ServiceCall::name)
        ));
    }
    if !hints.is_empty() {
        text.push_str("\nWhat to look at\n");
        for hint in hints {
            let _ = writeln!(text, "  - {hint}");
        }
    }
    let left_out = not_asked(profile, None);
    if !left_out.is_empty() {
        text.push_str("\nNot asked of this system\n");
    }
    for unasked in left_out {
        let _ = writeln!(text, "  {unasked}");
    }
    text
}

/// How the system is kept from the real network.
fn network(profile: &Profile) -> String {
    if profile.network.is_none() {
        return String::new();
    }
    let lacking = match profile.network_mode() {
        NetworkMode::Proxy => Some("the profile wants none, or its server is called".into()),
        NetworkMode::Auto | NetworkMode::Namespace => namespace::lacking(),
    };
    match lacking {
        None => "Network\n  its own: no other host can be reached\n\n".into(),
        Some(why) => format!(
            "Network\n  the machine's, with proxy settings and a preload for Node, which a program may not follow; no \
             network of its own: {why}\n\n"
        ),
    }
}

fn times(n: usize) -> String {
    match n {
        0 => "never".into(),
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

/// Another branch than the session's that was pushed, and what would make it the session's.
fn other_branch(session: &SessionId, events: &[Event]) -> Option<String> {
    let branch = events.iter().find_map(|event| match &event.what {
        What::Called { call, .. } if call.answer == CallAnswer::Done => {
            call.operation.strip_prefix("push of refs/heads/")
        }
        _ => None,
    })?;
    let name = branch.replace(&*session.thread, "{thread}");
    let name = name.replace(&*session.client.0, "{client}");
    Some(format!(
        "; `{branch}` was pushed: should it be `branch = \"{name}\"`?"
    ))
}

type Seen = (&'static str, fn(&What) -> bool, Option<String>);

/// What an instruction leaves in the world, and where to look when it does not.
fn evidence(profile: &Profile, session: &SessionId, events: &[Event]) -> Vec<Seen> {
    let client: &ClientId = &session.client;
    let names = &profile.names;
    let branch = other_branch(session, events).unwrap_or_default();
    let reached = match &profile.network {
        Some(_) => "",
        None => {
            "; one that knows only the hosts of AWS finds the tester there with a section [network]"
        }
    };
    let unless_unseen = |of: Evidence, hint: String| profile.unseen(of).is_none().then_some(hint);
    let agents = profile.start.iter().flat_map(|start| &start.agents);
    let agents: Vec<&str> = agents.map(String::as_str).collect();
    let builds = profile
        .start
        .as_ref()
        .map(|start| &start.builds.commands[..]);
    let builds = builds.unwrap_or_default();
    vec![
        (
            "the container started",
            |what| matches!(what, What::Started { .. }),
            None,
        ),
        (
            "the instruction was delivered",
            |what| matches!(what, What::Delivered { .. }),
            Some(format!(
                "nothing took the instruction: the system should read the queue `{}`, whose URL is {{queue.url}}{reached}",
                names.queue(client)
            )),
        ),
        (
            "the agent was asked",
            |what| matches!(what, What::AgentAsked { .. }),
            Some(match agents.is_empty() {
                true => "no agent was asked: give {agent.url} and {agent.key} to the system, or name its program in `stub` of [agent]".into(),
                false => format!(
                    "no agent was asked: the system should run `{}` by its PATH, with the instruction in an argument or on standard input",
                    agents.join("` or `")
                ),
            }),
        ),
        (
            "a commit in a checkout",
            |what| matches!(what, What::Committed { .. }),
            unless_unseen(
                Evidence::Workspace,
                format!(
                    "no commit was seen on the branch `{}` of the checkout: check `checkout` of [workspace] and `branch` of [names]{branch}",
                    names.branch(session)
                ),
            ),
        ),
        (
            "a push to the session's branch",
            |what| matches!(what, What::Pushed { session: Some(_), .. }),
            unless_unseen(
                Evidence::Remote,
                format!(
                    "no push to `{}` of {{git.repository}} was seen: check `branch` of [names], and that the token is {{git.token}}{branch}",
                    names.branch(session)
                ),
            ),
        ),
        (
            "a build of the system",
            |what| matches!(what, What::BuildEnded { .. }),
            (!builds.is_empty()).then(|| format!(
                "no build was seen: the system should run `{}` by its PATH, and not by another path of the program",
                builds.join("` or `")
            )),
        ),
        (
            "an object in the site",
            |what| matches!(what, What::ObjectPut { .. }),
            unless_unseen(
                Evidence::Site,
                format!(
                    "nothing was deployed to the bucket `{}`: check `bucket` of [names], and {{aws.url}}",
                    names.bucket(client)
                ),
            ),
        ),
        (
            "a session's record",
            |what| matches!(what, What::RecordWritten { .. }),
            unless_unseen(
                Evidence::Record,
                "no record was written: check [record]".into(),
            ),
        ),
        (
            "the instruction's end",
            is_over,
            None,
        ),
    ]
}

//! Hand-written histories, right and wrong, for each rule: what the judge says of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::history::{
    Branch, Commit, Death, Event, GitOutcome, Level, Record, Snapshot, What, Workspace,
};
use crate::invariant::not_asked;
use crate::judge::{Judge, judge};
use crate::plan::{ClientId, Fault, Mark, Place, Plan, SessionId, Step};
use crate::profile::{Profile, Seen};
use crate::site::{SiteKind, read_content, render_parts};
use crate::verdict::Verdict;

fn home() -> SessionId {
    SessionId::new("acme", "home")
}
fn blog() -> SessionId {
    SessionId::new("acme", "blog")
}
fn acme() -> ClientId {
    "acme".into()
}
fn edit(n: u32) -> Mark {
    Mark::Edit(n)
}
fn outside(n: u32) -> Mark {
    Mark::Outside(n)
}

/// A history that grows a second with each event.
struct Story {
    plan: Plan,
    events: Vec<Event>,
    seen: Snapshot,
}

impl Story {
    /// The plan's steps, after the declaration of three sessions.
    fn of(steps: &str) -> Self {
        let text = format!(
            "# shakedown plan v1\nsession acme/home\nsession acme/blog\nsession globex/home\n{steps}"
        );
        Self {
            plan: text.parse().unwrap(),
            events: Vec::new(),
            seen: Snapshot {
                running: Seen::Seen(vec![acme(), "globex".into()]),
                ..Snapshot::empty()
            },
        }
    }

    fn and(mut self, what: What) -> Self {
        let at = Duration::from_secs(self.events.len() as u64);
        self.events.push(Event { at, what });
        self
    }

    fn step(self, step: usize) -> Self {
        let what = What::StepBegan {
            index: Some(step),
            step: self.plan.steps[step].clone(),
            mark: self.plan.marks()[step],
        };
        self.and(what)
    }

    /// All the plan's steps, one after the other.
    fn steps(self) -> Self {
        (0..self.plan.steps.len()).fold(self, |story, step| story.step(step))
    }

    fn later(mut self, seconds: u64) -> Self {
        let nothing = What::Refused {
            client: acme(),
            place: Place::Table,
        };
        for _ in 0..seconds {
            self = self.and(nothing.clone());
        }
        self
    }

    fn delivered(self, mark: Mark) -> Self {
        let session = home();
        self.and(What::Delivered {
            session,
            mark,
            receives: 1,
        })
    }

    fn acknowledged(self, mark: Mark) -> Self {
        let session = home();
        self.and(What::Acknowledged { session, mark })
    }

    fn committed(mut self, marks: &[Mark]) -> Self {
        let branch = branch(marks);
        self.seen.workspaces.or_default().insert(
            home(),
            Workspace {
                branch: branch.clone(),
                debris: Vec::new(),
            },
        );
        self.and(What::Committed {
            session: home(),
            branch: Arc::new(branch),
        })
    }

    fn pushed(self, marks: &[Mark]) -> Self {
        self.pushed_branch(branch(marks))
    }

    fn pushed_branch(mut self, branch: Branch) -> Self {
        self.seen.remote.or_default().insert(home(), branch.clone());
        self.and(What::PushBegan { client: acme() })
            .and(pushed_to(home(), branch))
    }

    fn outsider(mut self, mark: Mark, marks: &[Mark]) -> Self {
        self.seen.remote.or_default().insert(home(), branch(marks));
        self.and(What::OutsiderPushed {
            session: home(),
            mark,
            branch: Arc::new(branch(marks)),
        })
    }

    fn put(mut self, key: &str, bytes: &[u8]) -> Self {
        let content = read_content(key, bytes);
        let site = self.seen.sites.or_default().entry(acme()).or_default();
        site.insert(key.into(), Arc::new(content.clone()));
        self.and(What::ObjectPut {
            client: acme(),
            key: key.into(),
            content: Arc::new(content),
            answered: true,
        })
    }

    fn delete(mut self, key: &str) -> Self {
        self.seen
            .sites
            .or_default()
            .get_mut(&acme())
            .unwrap()
            .remove(key);
        self.and(What::ObjectDeleted {
            client: acme(),
            key: key.into(),
        })
    }

    /// A whole good build: assets, then pages, then deletions of what it does not have.
    fn deployed(mut self, marks: &[Mark]) -> Self {
        let files = render_parts(marks, true, true).files;
        for pages in [false, true] {
            for (key, bytes) in files.iter().filter(|(k, _)| k.ends_with(".html") == pages) {
                self = self.put(key, bytes);
            }
        }
        let there: Vec<Arc<str>> = self.seen.sites.or_default()[&acme()]
            .keys()
            .cloned()
            .collect();
        for old in there.iter().filter(|key| !files.contains_key(*key)) {
            self = self.delete(old);
        }
        self
    }

    fn recorded(mut self, session: SessionId, error: Option<&str>, warnings: &[&str]) -> Self {
        let record = Record {
            status: "running".into(),
            last_error: error.map(Into::into),
            warnings: warnings.iter().map(|w| (*w).into()).collect(),
        };
        self.seen
            .records
            .or_default()
            .insert(session.clone(), record.clone());
        self.and(What::RecordWritten {
            session,
            record: Arc::new(record),
        })
    }

    fn says(self, client: &str, text: &str) -> Self {
        self.logs(Level::Info, client, text)
    }

    fn says_at(self, millis: u64, client: &str, text: &str) -> Self {
        let mut story = self.says(client, text);
        let at = Duration::from_millis(millis);
        let line = story.events.last_mut().unwrap();
        line.at = at;
        if let What::Logged { stamp, .. } = &mut line.what {
            *stamp = at;
        }
        story
    }

    /// An error, reported as it should be: in the record and in the log.
    fn fails(self, error: &str) -> Self {
        self.recorded(home(), Some(error), &[])
            .logs(Level::Error, "acme", error)
    }

    fn logs(self, level: Level, client: &str, text: &str) -> Self {
        let stamp = Duration::from_secs(self.events.len() as u64);
        self.and(What::Logged {
            client: client.into(),
            stamp,
            session: (client == "acme").then(home),
            level,
            text: text.into(),
            phase: None,
            claim: Profile::reference().words.claim(text),
        })
    }

    fn synced(self, client: &str, outcome: &str) -> Self {
        self.says(client, "S3 sync attempt 1/3")
            .says(client, outcome)
    }

    fn healed(self) -> Self {
        let mut active: Vec<Fault> = Vec::new();
        for event in &self.events {
            if let What::StepBegan { step, .. } = &event.what
                && let Step::Inject(fault) | Step::Heal(fault) = step
            {
                active.retain(|other| !other.excludes(fault));
                active.extend(matches!(step, Step::Inject(_)).then(|| fault.clone()));
            }
        }
        let at = Duration::from_secs(self.events.len() as u64);
        let mut story = self.and(What::Healed);
        // Recovery heals at one moment.
        let heals = active.into_iter().map(|fault| Event {
            at,
            what: What::StepBegan {
                index: None,
                step: Step::Heal(fault),
                mark: None,
            },
        });
        story.events.extend(heals);
        story
    }

    /// Judged event by event only.
    fn is(self, expected: &str) {
        let verdict = judge(
            &self.plan,
            SiteKind::Shell,
            Profile::reference(),
            &self.events,
            None,
        );
        assert_eq!(short(&verdict), expected, "{verdict:#?}");
    }

    /// Judged after recovery too.
    fn ends_as(self, expected: &str) {
        let story = self.healed();
        let verdict = judge(
            &story.plan,
            SiteKind::Shell,
            Profile::reference(),
            &story.events,
            Some(&story.seen),
        );
        assert_eq!(short(&verdict), expected, "{verdict:#?}");
    }
}

fn short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Held => "held".into(),
        Verdict::Violated(violation) => format!("{} {}", violation.rule, violation.kind),
        Verdict::Unknown { .. } => "unknown".into(),
    }
}

fn pushed_to(session: SessionId, branch: Branch) -> What {
    What::Pushed {
        client: session.client.clone(),
        session: Some(session),
        outcome: GitOutcome::Done,
        branch: Some(Arc::new(branch)),
    }
}

fn branch(marks: &[Mark]) -> Branch {
    Branch {
        commits: marks.iter().map(|mark| commit(*mark)).collect(),
        tree: marks.to_vec(),
    }
}

fn commit(mark: Mark) -> Commit {
    Commit {
        subject: format!("Change the headline ({mark})").into(),
        adds: vec![mark],
        merge: false,
        content: None,
    }
}

const FAILED: &str = "S3 sync failed after retries: Access Denied";

/// One instruction, carried out as it should be.
fn plain(steps: &str) -> Story {
    Story::of(steps)
        .steps()
        .delivered(edit(1))
        .committed(&[edit(1)])
        .pushed(&[edit(1)])
        .deployed(&[edit(1)])
        .recorded(home(), None, &[])
        .acknowledged(edit(1))
}

#[test]
fn a_plain_instruction_holds() {
    plain("instruct acme/home change\n").ends_as("held");
}

#[test]
fn no_broken_deploy() {
    let broken = Story::of("instruct acme/home break-build\n").steps();
    let page = render_parts(&[edit(1)], true, false).files["index.html"].clone();
    broken
        .delivered(edit(1))
        .put("index.html", &page)
        .is("no-broken-deploy broken");

    let injected = "inject build-error acme/home\ninstruct acme/home change\n";
    let style = &render_parts(&[edit(1)], true, true).files;
    let (key, bytes) = style.first_key_value().unwrap();
    Story::of(injected)
        .steps()
        .delivered(edit(1))
        .put(key, bytes)
        .is("no-broken-deploy injected");
    // Healed in between: that build may have been good.
    Story::of(&format!("{injected}heal build-error acme/home\n"))
        .step(0)
        .step(1)
        .delivered(edit(1))
        .step(2)
        .put(key, bytes)
        .is("held");
}

#[test]
fn a_page_needs_what_its_style_sheets_name_and_no_page_that_it_links_to() {
    const PAGE: &[u8] = b"<link rel=stylesheet href=../a.css><a href=/next.html>Next</a> edit-1";
    const STYLE: &[u8] = b"@import 'b.css'; /* edit-1 */";
    const IMPORTED: &[u8] = b"@font-face { src: url(/fonts/f.woff2) } /* edit-1 */";
    let assets = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
            .put("a.css", STYLE)
            .put("b.css", IMPORTED)
    };
    assets()
        .put("about/index.html", PAGE)
        .is("no-dangling-page page-first");
    let whole = || {
        assets()
            .put("fonts/f.woff2", b"")
            .put("about/index.html", PAGE)
    };
    whole().is("held");
    whole()
        .delete("fonts/f.woff2")
        .is("no-dangling-page deleted-first");
}

#[test]
fn no_dangling_page() {
    let files = render_parts(&[edit(1)], true, true).files;
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story()
        .put("index.html", &files["index.html"])
        .is("no-dangling-page page-first");
    let style = files.keys().find(|key| key.contains("style")).unwrap();
    story()
        .deployed(&[edit(1)])
        .delete(style)
        .is("no-dangling-page deleted-first");
    story()
        .deployed(&[edit(1)])
        .delete("history.html")
        .delete("index.html")
        .delete(style)
        .is("held");
}

#[test]
fn commits_preserved() {
    let steps = "instruct acme/home change\npush-from-outside acme/home clean\n";
    let story = || {
        Story::of(steps)
            .steps()
            .outsider(outside(1), &[outside(1)])
            .committed(&[edit(1)])
    };
    story().pushed(&[edit(1)]).is("commits-preserved remote");
    // Rebased: other names, the same contents and messages.
    story().pushed(&[outside(1), edit(1)]).is("held");
    story().committed(&[]).is("commits-preserved local");
    story()
        .and(What::Died {
            client: acme(),
            cause: Death::WorkspaceLost,
        })
        .committed(&[])
        .is("held");
}

#[test]
fn a_commit_is_known_by_what_it_adds_and_not_by_its_message() {
    let made = |content: u64, marks: &[Mark]| Commit {
        content: Some(content),
        adds: marks.to_vec(),
        ..commit(edit(1))
    };
    let one = || made(7, &[edit(1)]);
    let plain_file = || made(9, &[]);
    let of = |commits: Vec<Commit>| Branch {
        tree: commits.iter().flat_map(|it| it.adds.clone()).collect(),
        commits,
    };
    let steps = "instruct acme/home change\ninstruct acme/home change\n";
    let before = vec![one(), made(8, &[edit(2)]), plain_file(), made(0, &[])];
    // What the remote has is committed once more: in the workspace, and then pushed.
    let pushed = |commits: Vec<Commit>| {
        let story = Story::of(steps)
            .steps()
            .delivered(edit(1))
            .delivered(edit(2));
        story
            .pushed_branch(of(before.clone()))
            .pushed_branch(of(commits))
    };
    let reworded = |commit: Commit| Commit {
        subject: "Other words".into(),
        ..commit
    };
    let rewritten: Vec<Commit> = before.iter().cloned().map(reworded).collect();
    pushed(rewritten.clone()).is("held");
    // One that changes nothing may go, and the order is free.
    pushed(vec![plain_file(), before[1].clone(), one()]).is("held");
    let squashed = made(15, &[edit(1), edit(2)]);
    pushed(vec![squashed, plain_file()]).is("held");
    // The same marks and the same message, and not the same content.
    let emptied = made(1, &[edit(1)]);
    let without = vec![emptied, before[1].clone(), plain_file()];
    pushed(without).is("commits-preserved remote");
    pushed(before[1..].to_vec()).is("commits-preserved remote");
    // The message is there, and what it stands for is not.
    let renamed = vec![one(), before[1].clone(), made(3, &[])];
    pushed(renamed).is("commits-preserved remote");

    // The workspace may say it in other words than the remote.
    let locally = |commits: Vec<Commit>| {
        pushed(before.clone())
            .and(What::Committed {
                session: home(),
                branch: Arc::new(of(commits)),
            })
            .says("acme", "Git push complete")
    };
    locally(rewritten).is("held");
    locally([&before[..], &[made(4, &[])]].concat()).is("errors-told push-claimed");
}

#[test]
fn exactly_once() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story()
        .pushed(&[edit(1), edit(1)])
        .is("exactly-once commit");
    let mut twice = branch(&[edit(1)]);
    twice.tree.push(edit(1));
    story().pushed_branch(twice).is("exactly-once tree");
    // A merge repeats what it merges without doing it again.
    let mut merged = branch(&[edit(1)]);
    merged.commits.push(Commit {
        merge: true,
        ..commit(edit(1))
    });
    story().pushed_branch(merged).is("held");
}

#[test]
fn no_cascade() {
    let steps = "instruct acme/home break-build\ninstruct acme/blog change\n";
    let story = || Story::of(steps).steps().delivered(edit(1));
    story()
        .recorded(blog(), Some("build failed"), &[])
        .is("no-cascade last-error");
    story()
        .recorded(blog(), None, &["build warned"])
        .is("no-cascade warnings");
    story()
        .recorded(home(), Some("build failed"), &[])
        .recorded(blog(), None, &[])
        .is("held");
    story().committed(&[edit(2)]).is("no-cascade branch");
    let foreign = "instruct globex/home change\n";
    Story::of(foreign)
        .steps()
        .put("a.txt", b"edit-1")
        .is("no-cascade site");
    // A shared outage affects every session.
    Story::of(&format!("{steps}inject s3-denied\n"))
        .steps()
        .recorded(blog(), Some(FAILED), &[])
        .is("held");
    Story::of(&format!("{steps}inject s3-denied globex\n"))
        .steps()
        .recorded(blog(), Some(FAILED), &[])
        .is("no-cascade last-error");
}

#[test]
fn breaker() {
    let story = || Story::of("inject s3-denied\nwait 1s\n").steps();
    let failed = |story: Story, times: usize| {
        (0..times).fold(story, |story, _| story.synced("acme", FAILED).later(5))
    };
    failed(story(), 6).is("breaker sync-while-open");
    failed(story(), 5)
        .later(30)
        .synced("globex", FAILED)
        .is("held");
    failed(story(), 4)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("breaker prevented-while-closed");
    failed(story(), 5)
        .says("globex", "Circuit breaker prevented S3 sync")
        .is("held");
    failed(story(), 4)
        .says("acme", "Circuit breaker open for S3")
        .is("breaker opened-early");
    // The probe runs, and another begins beside it.
    failed(story(), 5)
        .later(30)
        .says("acme", "S3 sync attempt 1/3")
        .later(3)
        .says("globex", "S3 sync attempt 1/3")
        .later(1)
        .says("acme", "S3 sync attempt 2/3")
        .is("breaker second-probe");
    // The probe dies; the next one may run.
    failed(story(), 5)
        .later(30)
        .says("acme", "S3 sync attempt 1/3")
        .and(What::Died {
            client: acme(),
            cause: Death::Crash,
        })
        .later(3)
        .says("globex", "S3 sync attempt 1/3")
        .is("held");
    let asked = What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::List,
        outcome: crate::history::S3Outcome::Denied,
    };
    failed(story(), 5)
        .and(asked)
        .is("breaker request-while-open");
}

#[test]
fn a_sync_that_the_breaker_stops_is_logged() {
    let stopped = || {
        plain("inject s3-denied\ninstruct acme/home change\n")
            .recorded(home(), Some("Circuit breaker prevented S3 sync"), &[])
            .recorded(home(), None, &[])
    };
    let says = || stopped().says("acme", "Received instruction edit-1");
    says().ends_as("breaker prevented-silently");
    // Of a system without a log nothing is asked of it.
    stopped().ends_as("held");
    says()
        .says("acme", "Circuit breaker prevented S3 sync")
        .ends_as("held");
}

#[test]
fn bounded_retries() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    let received = |receives| What::Delivered {
        session: home(),
        mark: edit(1),
        receives,
    };
    story().and(received(3)).is("held");
    story().and(received(4)).is("bounded-retries receives");
    story()
        .says("acme", "S3 sync attempt 4/3")
        .is("bounded-retries sync");
    let asked = |status, retry_after: Option<u64>| What::AgentAsked {
        client: acme(),
        mark: Some(edit(1)),
        status: Some(status),
        retry_after: retry_after.map(Duration::from_secs),
    };
    let failing = |times: usize| (0..times).fold(story(), |s, _| s.and(asked(500, None)));
    failing(6).is("bounded-retries agent");
    failing(5)
        .delivered(edit(1))
        .and(asked(500, None))
        .is("held");
    failing(4)
        .and(asked(200, None))
        .and(asked(500, None))
        .is("held");
    story()
        .and(asked(429, Some(5)))
        .later(2)
        .and(asked(200, None))
        .is("bounded-retries retry-after");
    // A container that was cut off before the answer came need not obey it.
    let cut_off = |seconds| {
        Story::of("instruct acme/home change\ninject partition acme\n")
            .step(0)
            .delivered(edit(1))
            .and(asked(429, Some(9)))
            .later(seconds)
            .step(1)
            .and(asked(200, None))
    };
    cut_off(0).is("held");
    cut_off(1).is("bounded-retries retry-after");
    let cut_off_before = || {
        Story::of("instruct acme/home change\ninject partition acme\n")
            .step(0)
            .delivered(edit(1))
            .step(1)
            .and(asked(429, Some(9)))
            .later(1)
            .and(asked(200, None))
    };
    cut_off_before().is("held");
    let mut at_once = failing(5);
    for event in at_once.events.iter_mut().rev().take(5) {
        event.at = Duration::from_secs(9);
    }
    at_once.is("bounded-retries no-wait");
    failing(1)
        .later(120)
        .and(asked(200, None))
        .is("bounded-retries agent-limit");
    failing(1).later(80).and(asked(200, None)).is("held");
    // Other things may hold it up as well.
    Story::of("instruct acme/home change\ninject store-throttled\n")
        .steps()
        .delivered(edit(1))
        .and(asked(500, None))
        .later(120)
        .and(asked(200, None))
        .is("held");
    let refusals = |places: &[Place], apart: u64| {
        let client = acme();
        let refused = places.iter().map(|place| What::Refused {
            client: client.clone(),
            place: *place,
        });
        let mut refusals = refused.cycle().take(60).fold(story(), Story::and);
        for (n, event) in refusals.events.iter_mut().enumerate() {
            event.at = Duration::from_millis(apart * n as u64);
        }
        refusals
    };
    refusals(&[Place::Table], 50).is("bounded-retries at-once");
    refusals(&[Place::Queue], 50).is("bounded-retries at-once");
    refusals(&[Place::Queue], 100).is("held");
    // Each service is asked on its own.
    refusals(&[Place::Queue, Place::Table], 50).is("held");
    let denied = || What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::Put,
        outcome: crate::history::S3Outcome::Denied,
    };
    let syncing = |attempts: u32, wait: u64| {
        let mut syncs = story();
        let mut at = 10_000;
        for attempt in 0..attempts {
            let line = format!("S3 sync attempt {}/3", attempt % 3 + 1);
            syncs = syncs.says_at(at, "acme", &line).and(denied());
            at += 20;
            syncs.events.last_mut().unwrap().at = Duration::from_millis(at);
            at += wait;
        }
        syncs
    };
    syncing(15, 30).is("bounded-retries at-once");
    syncing(12, 30).is("held");
    syncing(30, 200).is("held");
    let again = |wait| (0..4).fold(story(), |story, _| story.synced("acme", FAILED).later(wait));
    again(0).is("bounded-retries at-once");
    again(15).is("held");
    let refused = || What::Pushed {
        client: acme(),
        session: None,
        outcome: GitOutcome::AuthFailed,
        branch: None,
    };
    let pushing = |times: usize| {
        let story = Story::of("instruct acme/home change\ninject git-auth\n").steps();
        (0..times).fold(story.delivered(edit(1)), |s, _| s.and(refused()))
    };
    pushing(4).is("bounded-retries push");
    pushing(3).later(15).and(refused()).is("held");
}

#[test]
fn a_breaker_stays_open_only_where_nothing_is_left_to_deploy() {
    let opened = || {
        let steps = "instruct acme/home change\ninject s3-denied\ninject git-auth\n\
                     instruct acme/home change\nworkspace-lost acme\n";
        let error = "Saved work locally: git push failed";
        let story = plain(steps)
            .delivered(edit(2))
            .committed(&[edit(1), edit(2)]);
        let mut story = story.fails(error).acknowledged(edit(2));
        story.seen.workspaces.or_default().clear();
        (0..5).fold(story, |story, _| story.later(15).synced("acme", FAILED))
    };
    let lost = |story: Story| {
        let client = acme();
        let cause = Death::WorkspaceLost;
        let died = What::Died { client, cause };
        let started = What::Started { client: acme() };
        story.and(died).later(60).and(started)
    };
    let unpushed = || {
        let story = lost(opened());
        story.fails("lost with the workspace: edit-2")
    };
    unpushed().ends_as("held");
    // What tries again has something to deploy.
    unpushed()
        .says("acme", "Circuit breaker prevented S3 sync")
        .ends_as("settled breaker");
    // So has one whose work is all on the remote.
    let pushed = || {
        let story = plain("instruct acme/home change\ninject s3-denied\nworkspace-lost acme\n");
        (0..5).fold(story, |story, _| story.later(15).synced("acme", FAILED))
    };
    pushed().ends_as("settled breaker");
    lost(pushed()).ends_as("settled breaker");
}

#[test]
fn a_sync_is_tried_three_times_where_s3_is_out_of_service() {
    let asked = |outcome| What::S3Asked {
        client: acme(),
        operation: crate::history::S3Operation::Put,
        outcome,
    };
    let failing = |attempts: u32, outcome, wait| {
        let story = plain("instruct acme/home change\n");
        (1..=attempts)
            .fold(story, |story, attempt| {
                let line = format!("S3 sync attempt {attempt}/3");
                story.says("acme", &line).and(asked(outcome)).later(wait)
            })
            .says("acme", FAILED)
    };
    let unavailable = crate::history::S3Outcome::Unavailable;
    failing(2, unavailable, 1).is("bounded-retries gave-up");
    failing(3, unavailable, 1).is("held");
    // What is refused for good, or took long, may be given up sooner.
    failing(1, crate::history::S3Outcome::Denied, 1).is("held");
    failing(2, unavailable, 15).is("held");
    // One that is cut off and begins again has an end of its own.
    let again = |times: u32, wait| {
        let story = plain("instruct acme/home change\n");
        (0..times).fold(story, |story, _| {
            story.says("acme", "S3 sync attempt 1/3").later(wait)
        })
    };
    again(5, 4).is("bounded-retries sync");
    again(4, 4).is("held");
    again(9, 20).is("held");
}

#[test]
fn a_push_that_is_asked_for_is_tried() {
    let asked = |steps: &str, wait| {
        let saved = "instruct acme/home change\ninject git-auth\nheal git-auth\n";
        let story = Story::of(&format!("{saved}{steps}"));
        let steps = story.plan.steps.len();
        let story = story
            .step(0)
            .step(1)
            .delivered(edit(1))
            .committed(&[edit(1)])
            .recorded(home(), Some("Saved work locally: git push failed"), &[])
            .acknowledged(edit(1))
            .step(2)
            .and(What::RetryDelivered { session: home() });
        (3..steps).fold(story, Story::step).later(wait)
    };
    asked("", 35).is("bounded-retries retry-ignored");
    asked("", 20).pushed(&[edit(1)]).later(35).is("held");
    // A container that is held up comes to it later.
    asked("inject partition acme\n", 35).is("held");
    // So does one that may still be in the midst of a wait that began before.
    let after = |seconds| {
        let steps = "instruct acme/home change\ninject git-auth\ninject store-throttled\n\
                     heal store-throttled\nheal git-auth\n";
        let story = Story::of(steps).step(0).step(1).step(2).step(3);
        let story = story.delivered(edit(1)).committed(&[edit(1)]);
        let story = story.recorded(home(), Some("Saved work locally: git push failed"), &[]);
        let story = story.acknowledged(edit(1)).later(seconds).step(4);
        story
            .and(What::RetryDelivered { session: home() })
            .later(35)
    };
    after(5).is("held");
    after(70).is("bounded-retries retry-ignored");
    asked("inject partition globex\n", 35).is("bounded-retries retry-ignored");
    asked("inject agent-slow\n", 35).is("bounded-retries retry-ignored");
    asked("instruct acme/home change\n", 0)
        .delivered(edit(2))
        .later(35)
        .is("held");
    // Where nothing waits there is nothing to push.
    Story::of("instruct acme/home change\n")
        .steps()
        .and(What::RetryDelivered { session: home() })
        .later(35)
        .is("held");
}

#[test]
fn stays_up_and_no_secret_told() {
    let died = |cause| What::Died {
        client: acme(),
        cause,
    };
    let story = || Story::of("crash acme\n").steps();
    story().and(died(Death::Exit)).is("stays-up exit");
    story().and(died(Death::OutOfMemory)).is("held");
    story()
        .and(died(Death::Crash))
        .later(125)
        .is("stays-up down");
    story()
        .and(died(Death::Crash))
        .later(100)
        .and(What::Started { client: acme() })
        .later(100)
        .is("held");
    story()
        .and(What::SecretSeen {
            client: acme(),
            place: "a log line".into(),
        })
        .is("no-secret-told secret");
}

#[test]
fn errors_told() {
    let story = || {
        Story::of("instruct acme/home change\n")
            .steps()
            .delivered(edit(1))
    };
    story().acknowledged(edit(1)).is("errors-told not-pushed");
    story()
        .pushed(&[edit(1)])
        .acknowledged(edit(1))
        .is("errors-told not-deployed");
    story()
        .committed(&[edit(1)])
        .says("acme", "Git push complete")
        .is("errors-told push-claimed");
    story()
        .says("acme", "S3 sync attempt 1/3")
        .says("acme", "S3 sync complete")
        .is("errors-told sync-claimed");
    let troubled = Story::of("inject s3-denied\ninstruct acme/home change\n").steps();
    troubled
        .delivered(edit(1))
        .pushed(&[edit(1)])
        .recorded(home(), Some(FAILED), &[])
        .acknowledged(edit(1))
        .is("held");
    Story::of("instruct acme/home break-build\n")
        .steps()
        .delivered(edit(1))
        .pushed(&[edit(1)])
        .acknowledged(edit(1))
        .is("errors-told not-failed");
    let failed = |level| {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .logs(level, "acme", "Build failed: no package.json")
            .recorded(home(), Some("build failed"), &[])
            .acknowledged(edit(1))
    };
    failed(Level::Error).ends_as("held");
    failed(Level::Warn).ends_as("errors-told not-logged");
    // A crash may have taken the line along.
    failed(Level::Warn)
        .and(What::Died {
            client: acme(),
            cause: Death::Crash,
        })
        .ends_as("held");
}

#[test]
fn nothing_lost() {
    Story::of("instruct acme/home change\n")
        .steps()
        .delivered(edit(1))
        .ends_as("nothing-lost pending");
    let git = "inject git-auth\ninstruct acme/home change\nworkspace-lost acme\n";
    let lost = |named: &str| {
        Story::of(git)
            .step(0)
            .step(1)
            .delivered(edit(1))
            .committed(&[edit(1)])
            .deployed(&[edit(1)])
            .fails("Saved work locally")
            .acknowledged(edit(1))
            .step(2)
            .and(What::Died {
                client: acme(),
                cause: Death::WorkspaceLost,
            })
            .committed(&[])
            .recorded(home(), Some(named), &[])
    };
    lost("all well but for edit-12").ends_as("nothing-lost work");
    lost("lost with the workspace: edit-1").ends_as("held");
    let mut dead = Story::of("instruct acme/home change\n").steps();
    dead.seen.dead_letters = Seen::Seen(vec![edit(1)]);
    dead.and(What::DeadLettered {
        session: home(),
        mark: edit(1),
    })
    .ends_as("held");
}

#[test]
fn pushed() {
    let steps = "inject git-auth\ninstruct acme/home change\n";
    let saved = || {
        Story::of(steps)
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .deployed(&[edit(1)])
            .recorded(home(), Some("Saved work locally"), &[])
            .acknowledged(edit(1))
    };
    let mut kept = saved();
    kept.seen
        .remote
        .or_default()
        .insert(home(), Branch::default());
    kept.ends_as("pushed commits");
    let mut stray = plain("instruct acme/home change\n");
    stray
        .seen
        .workspaces
        .or_default()
        .get_mut(&home())
        .unwrap()
        .debris = vec!["index.lock".into()];
    stray.ends_as("pushed debris");
    let mut ahead = plain("instruct acme/home change\n");
    let merge = Commit {
        subject: "Merge".into(),
        adds: Vec::new(),
        merge: true,
        content: None,
    };
    let workspace = ahead.seen.workspaces.or_default().get_mut(&home()).unwrap();
    workspace.branch.commits.push(merge);
    ahead.ends_as("pushed commits");
}

#[test]
fn fresh() {
    let two = "inject s3-denied acme\ninstruct acme/home change\ninstruct acme/home change\n";
    let second = || {
        plain(two)
            .delivered(edit(2))
            .committed(&[edit(1), edit(2)])
            .pushed(&[edit(1), edit(2)])
            .recorded(home(), Some(FAILED), &[])
            .acknowledged(edit(2))
            .recorded(home(), None, &[])
    };
    second().ends_as("fresh stale");
    second().deployed(&[edit(1), edit(2)]).ends_as("held");
    let mut left_over = second().deployed(&[edit(1), edit(2)]);
    let site: &mut BTreeMap<_, _> = left_over.seen.sites.or_default().get_mut(&acme()).unwrap();
    site.insert(
        "assets/old.css".into(),
        Arc::new(read_content("assets/old.css", b"edit-1")),
    );
    left_over.ends_as("fresh mixed");
    let mut empty = second();
    empty.seen.sites.or_default().clear();
    empty.ends_as("fresh empty");
}

#[test]
fn a_lost_workspace_is_no_excuse_for_what_the_remote_has() {
    let of_blog = |marks: &[Mark]| pushed_to(blog(), branch(marks));
    let steps = "instruct acme/home change\ninject s3-denied\ninstruct acme/blog change\n\
        workspace-lost acme\n";
    let mut story = plain(steps)
        .and(What::Delivered {
            session: blog(),
            mark: edit(2),
            receives: 1,
        })
        .and(of_blog(&[edit(2)]))
        .recorded(blog(), Some(FAILED), &[])
        .and(What::Acknowledged {
            session: blog(),
            mark: edit(2),
        })
        .and(What::Died {
            client: acme(),
            cause: Death::WorkspaceLost,
        })
        .and(What::Started { client: acme() })
        .recorded(blog(), None, &[]);
    story
        .seen
        .remote
        .or_default()
        .insert(blog(), branch(&[edit(2)]));
    story.ends_as("fresh stale");
}

#[test]
fn after_a_lost_workspace_a_build_of_what_the_remote_had_is_fresh() {
    let steps = "inject s3-denied acme\ninstruct acme/home change\nworkspace-lost acme\n\
        inject build-error acme/home\ninstruct acme/home change\n\
        push-from-outside acme/home clean\n";
    let all = [edit(1), edit(2), outside(1)];
    let rebuilt = |shown: &[Mark]| {
        let failed = |story: Story, mark, has: &[Mark]| {
            story
                .delivered(mark)
                .committed(has)
                .pushed(has)
                .recorded(home(), Some(FAILED), &[])
                .acknowledged(mark)
        };
        let mut story = failed(Story::of(steps).step(0).step(1), edit(1), &all[..1])
            .step(2)
            .and(What::Died {
                client: acme(),
                cause: Death::WorkspaceLost,
            })
            .and(What::Started { client: acme() })
            .step(3)
            .step(4);
        story = failed(story, edit(2), &all[..2])
            .step(5)
            .outsider(outside(1), &all);
        // Healed, it builds what the remote had before the outsider came.
        story.healed().deployed(shown)
    };
    rebuilt(&[edit(1), edit(2)]).ends_as("held");
    rebuilt(&[edit(2)]).ends_as("fresh stale");
}

#[test]
fn a_good_first_try_that_a_lost_workspace_took_may_stay() {
    let steps = "instruct acme/blog change\ninstruct acme/home break-build\n\
        inject git-auth\ninstruct acme/home repair\ninstruct acme/home change\n\
        workspace-lost acme\n";
    let home_has = [edit(2), edit(3), edit(4)];
    let of_blog = |what: fn(SessionId, Mark) -> What| what(blog(), edit(1));
    let redone_and_failed = || {
        let mut story = Story::of(steps)
            .step(0)
            .and(of_blog(|session, mark| What::Delivered {
                session,
                mark,
                receives: 1,
            }))
            .and(pushed_to(blog(), branch(&[edit(1)])))
            .deployed(&[edit(1)])
            .and(of_blog(|session, mark| What::Acknowledged {
                session,
                mark,
            }))
            .step(1)
            .delivered(edit(2))
            .committed(&home_has[..1])
            .pushed(&home_has[..1])
            .fails("build failed")
            .acknowledged(edit(2))
            .step(2)
            .step(3)
            .delivered(edit(3))
            .committed(&home_has[..2])
            .fails("Saved work locally")
            .deployed(&home_has[..2])
            .acknowledged(edit(3))
            .step(4)
            .delivered(edit(4))
            .committed(&home_has)
            .deployed(&home_has)
            .step(5)
            .and(What::Died {
                client: acme(),
                cause: Death::WorkspaceLost,
            })
            .and(What::Started { client: acme() })
            .delivered(edit(4))
            .committed(&[edit(2), edit(4)])
            .pushed(&[edit(2), edit(4)])
            .fails("build failed; lost with the workspace: edit-3")
            .acknowledged(edit(4));
        story
            .seen
            .remote
            .or_default()
            .insert(blog(), branch(&[edit(1)]));
        story
    };
    redone_and_failed().ends_as("held");
    // Something builds, so the site is a whole build.
    let mut mixed = redone_and_failed();
    let site: &mut BTreeMap<_, _> = mixed.seen.sites.or_default().get_mut(&acme()).unwrap();
    site.insert(
        "assets/old.css".into(),
        Arc::new(read_content("assets/old.css", b"edit-1")),
    );
    mixed.ends_as("fresh mixed");
    let mut empty = redone_and_failed();
    empty.seen.sites.or_default().clear();
    empty.ends_as("fresh empty");
}

#[test]
fn settled() {
    let mut queued = plain("instruct acme/home change\n");
    queued.seen.queued = Seen::Seen(vec![edit(1)]);
    queued.ends_as("settled queue");
    let mut down = plain("instruct acme/home change\n");
    down.seen.running.or_default().pop();
    down.ends_as("settled container");
    let troubled = || plain("inject git-auth\ninstruct acme/home change\n");
    troubled()
        .recorded(home(), Some("Saved work locally"), &[])
        .ends_as("settled error-left");
    troubled()
        .recorded(home(), Some("Saved work locally"), &[])
        .recorded(home(), None, &[])
        .ends_as("held");
    let warned = "instruct acme/home warn\n";
    let warn = |warnings: &[&str]| {
        let mut story = Story::of(warned)
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)]);
        let files = render_parts(&[edit(1)], false, true).files;
        for (key, bytes) in &files {
            story = story.put(key, bytes);
        }
        story.recorded(home(), None, warnings).acknowledged(edit(1))
    };
    warn(&[]).ends_as("settled warning-missing");
    warn(&["syntax error"]).ends_as("held");
    plain("push-from-outside acme/home clean\ninstruct acme/home change\n")
        .recorded(home(), None, &["something"])
        .ends_as("settled warning-left");
    let broken = |error: Option<&str>| {
        Story::of("instruct acme/home break-build\n")
            .steps()
            .delivered(edit(1))
            .committed(&[edit(1)])
            .pushed(&[edit(1)])
            .fails("build failed")
            .acknowledged(edit(1))
            .recorded(home(), error, &[])
    };
    broken(None).ends_as("settled error-missing");
    broken(Some("build failed")).ends_as("held");
    let dead = |error: Option<&str>, got_on: bool| {
        let mut story = Story::of("instruct acme/home memory-hungry\n").steps();
        for _ in 0..3 {
            story = story.delivered(edit(1));
        }
        if got_on {
            story = story.recorded(home(), error, &[]);
        }
        story.seen.dead_letters = Seen::Seen(vec![edit(1)]);
        story.and(What::DeadLettered {
            session: home(),
            mark: edit(1),
        })
    };
    dead(None, true).ends_as("settled error-missing");
    dead(Some("given up"), true).ends_as("held");
    // Its container died before it got to anything: nothing could report it.
    dead(None, false).ends_as("held");
    let after_another = || {
        let mut story = plain("instruct acme/home change\ninstruct acme/home memory-hungry\n");
        for _ in 0..3 {
            story = story.delivered(edit(2));
        }
        story.seen.dead_letters = Seen::Seen(vec![edit(2)]);
        story.recorded(home(), None, &[]).and(What::DeadLettered {
            session: home(),
            mark: edit(2),
        })
    };
    after_another().ends_as("settled error-missing");
    // The older one comes again, and what is reported is its end.
    after_another()
        .delivered(edit(1))
        .acknowledged(edit(1))
        .ends_as("held");
}

#[test]
fn a_part_that_is_not_seen_breaks_no_rule_and_is_reported() {
    let all_wrong = || {
        let mut story = Story::of("instruct acme/home change\n").steps();
        story.seen.queued = Seen::Seen(vec![edit(1)]);
        story.seen.running = Seen::Seen(Vec::new());
        let record = Record {
            last_error: Some("broken".into()),
            ..Record::default()
        };
        story.seen.records.or_default().insert(blog(), record);
        story.committed(&[edit(1)])
    };
    // Each part by its own is wrong, and no longer once it is not seen.
    let hide: [fn(&mut Snapshot); 4] = [
        |seen| seen.running = Seen::NotSeen,
        |seen| seen.records = Seen::NotSeen,
        |seen| seen.queued = Seen::NotSeen,
        |seen| seen.workspaces = Seen::NotSeen,
    ];
    let rules = |story: &Story| {
        let mut judge = Judge::new(&story.plan, SiteKind::Shell, Profile::reference());
        for event in &story.events {
            judge.take(event).unwrap();
        }
        let each = crate::invariant::each_recovered(&judge.model, &story.seen);
        let broken = each
            .into_iter()
            .filter_map(|(rule, it)| Some((rule, it?.kind)));
        broken.collect::<Vec<_>>()
    };
    let mut before = rules(&all_wrong());
    assert!(before.len() >= 5, "{before:?}");
    let mut story = all_wrong();
    for hide in hide {
        hide(&mut story.seen);
        let now = rules(&story);
        assert!(now.len() < before.len(), "{before:?} {now:?}");
        assert!(now.iter().all(|it| before.contains(it)), "{now:?}");
        before = now;
    }
    assert_eq!(before, []);
    let not_asked = not_asked(&Profile::reference(), Some(&story.seen));
    let queue = "settled (in part): its queue cannot be seen: the target does not show it";
    let not_asked: Vec<String> = not_asked.iter().map(ToString::to_string).collect();
    assert!(not_asked.iter().any(|it| it == queue), "{not_asked:?}");
    let whole = "pushed: its workspace cannot be seen: the target does not show it";
    assert!(not_asked.iter().any(|it| it == whole), "{not_asked:?}");
}

#[test]
fn a_snapshot_keeps_in_json_what_was_not_seen() {
    let mut seen = Snapshot::empty();
    seen.records = Seen::NotSeen;
    let text = serde_json::to_string(&seen).unwrap();
    assert!(text.contains(r#""records":null,"queued":[]"#), "{text}");
    assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), seen);
}

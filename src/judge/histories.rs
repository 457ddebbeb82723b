//! Hand-written histories, right and wrong, for each rule: what the judge says of them.
//! One file for each concern.

mod breaker;
mod commits;
mod fresh;
mod lost;
mod not_seen;
mod pace;
mod put_off;
mod refusals;
mod retries;
mod sites;
mod troubles;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::history::{
    Branch, BuildEnd, Commit, Death, Event, GitOutcome, Level, OutcomeChannel, Record,
    ReportedOutcome, Snapshot, What, Workspace,
};
use crate::invariant::not_asked;
use crate::judge::{Judge, judge};
use crate::plan::{ClientId, Fault, Mark, Place, Plan, SessionId, Step};
use crate::profile::{Profile, Seen};
use crate::site::{SiteKind, read_content, render_parts};
use crate::verdict::{Demand, Heeded, Rule, Verdict};

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

fn died(cause: Death) -> What {
    What::Died {
        client: acme(),
        cause,
    }
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
        self.and(What::delivered(&session, mark, 1))
    }

    /// It is delivered and carried out as it should be; its branch has these marks then.
    fn carried_out(self, mark: Mark, branch: &[Mark]) -> Self {
        self.delivered(mark)
            .committed(branch)
            .pushed(branch)
            .deployed(branch)
            .recorded(home(), None, &[])
            .acknowledged(mark)
    }

    fn acknowledged(self, mark: Mark) -> Self {
        let session = home();
        self.and(What::acknowledged(&session, mark))
    }

    fn reported(self, outcome: ReportedOutcome) -> Self {
        self.and(What::OutcomeReported {
            session: home(),
            mark: edit(1),
            outcome,
            by: OutcomeChannel::Http,
        })
    }

    fn committed(mut self, marks: &[Mark]) -> Self {
        let branch = Branch::of(marks);
        self.seen.workspaces.or_default().insert(
            home(),
            Workspace {
                branch: branch.clone(),
                debris: Vec::new(),
            },
        );
        self.and(What::committed(&home(), branch))
    }

    fn pushed(self, marks: &[Mark]) -> Self {
        self.pushed_branch(Branch::of(marks))
    }

    fn pushed_branch(mut self, branch: Branch) -> Self {
        self.seen.remote.or_default().insert(home(), branch.clone());
        self.and(What::PushBegan { client: acme() })
            .and(What::pushed(&home(), branch))
    }

    fn outsider(mut self, mark: Mark, marks: &[Mark]) -> Self {
        self.seen
            .remote
            .or_default()
            .insert(home(), Branch::of(marks));
        self.and(What::OutsiderPushed {
            session: home(),
            mark,
            branch: Arc::new(Branch::of(marks)),
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
    fn deployed(self, marks: &[Mark]) -> Self {
        self.deployed_with(marks, true)
    }

    /// The same of a build whose banner may be left out.
    fn deployed_with(mut self, marks: &[Mark], has_banner: bool) -> Self {
        let files = render_parts(marks, has_banner, true).files;
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
        self.judged_with(Profile::reference(), expected);
    }

    /// The same of a system with another profile.
    fn judged_with(self, profile: Arc<Profile>, expected: &str) {
        let verdict = judge(&self.plan, SiteKind::Shell, profile, &self.events, None);
        assert_eq!(short(&verdict), expected, "{verdict:#?}");
    }

    /// Judged after recovery too.
    fn ends_as(self, expected: &str) {
        self.ends_with(Profile::reference(), expected);
    }

    /// The same of a system with another profile.
    fn ends_with(self, profile: Arc<Profile>, expected: &str) {
        let story = self.healed();
        let seen = story.seen.clone().as_seen_by(&profile);
        let verdict = judge(
            &story.plan,
            SiteKind::Shell,
            profile,
            &story.events,
            Some(&seen),
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

const FAILED: &str = "S3 sync failed after retries: Access Denied";

/// One instruction, carried out as it should be.
fn plain(steps: &str) -> Story {
    Story::of(steps).steps().carried_out(edit(1), &[edit(1)])
}

#[test]
fn a_plain_instruction_holds() {
    plain("instruct acme/home change\n").ends_as("held");
}

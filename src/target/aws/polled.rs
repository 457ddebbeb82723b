//! Histories of the simulated system as somebody sees them who only looks now and then: a system that keeps the
//! contract is accused of nothing by what is left of them, and some mistakes still show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::campaign;
use crate::chance::Chance;
use crate::defect::{Defect, trial};
use crate::generate::{Shape, plans};
use crate::history::{Death, Event, GitOutcome, Objects, ProfileRef, Record, Snapshot, What};
use crate::judge::judge;
use crate::plan::{ClientId, Mark, Plan, SessionId, Step};
use crate::profile::{Evidence, Profile, REFERENCE, Seen};
use crate::runner;
use crate::site::SiteKind;
use crate::target::sim::Sim;
use crate::target::{Profiled, Target, aws::Aws};
use crate::verdict::Verdict;

/// What was seen up to now, and what happened since.
#[derive(Default)]
struct Looks {
    events: Vec<Event>,
    lines: Vec<What>,
    pushes: Vec<What>,
    /// The sites as they are, and as they were seen.
    sites: [BTreeMap<ClientId, Objects>; 2],
    records: BTreeMap<SessionId, Arc<Record>>,
    /// The messages that were sent and are not known to be gone.
    pending: BTreeMap<ClientId, Vec<(SessionId, Mark)>>,
    /// How many of each are left.
    left: BTreeMap<Mark, usize>,
    dead: BTreeSet<Mark>,
}

impl Looks {
    fn emit(&mut self, at: Duration, what: What) {
        let at = self.events.last().map_or(at, |last| at.max(last.at));
        self.events.push(Event { at, what });
    }

    fn look(&mut self, at: Duration) {
        for mut line in std::mem::take(&mut self.lines) {
            if let What::Logged { stamp, .. } = &mut line {
                *stamp = at;
            }
            self.emit(at, line);
        }
        for push in std::mem::take(&mut self.pushes) {
            self.emit(at, push);
        }
        let [now, seen] = self.sites.clone();
        for (client, objects) in &now {
            let nothing = Objects::new();
            let known = seen.get(client).unwrap_or(&nothing);
            let changed = objects
                .iter()
                .filter(|(key, it)| known.get(*key) != Some(it));
            let (pages, others): (Vec<_>, Vec<_>) =
                changed.partition(|(key, _)| key.ends_with(".html"));
            for (key, content) in others.into_iter().chain(pages) {
                self.emit(at, What::put(client, key, content));
            }
            for key in known.keys().filter(|key| !objects.contains_key(*key)) {
                self.emit(at, What::deleted(client, key));
            }
        }
        self.sites[1] = now;
        for (session, record) in std::mem::take(&mut self.records) {
            self.emit(at, What::RecordWritten { session, record });
        }
        for (client, pending) in std::mem::take(&mut self.pending) {
            if pending.iter().any(|(_, mark)| self.left[mark] > 0) {
                self.pending.insert(client, pending);
                continue;
            }
            for (session, mark) in pending {
                self.emit(
                    at,
                    match self.dead.contains(&mark) {
                        true => What::dead_lettered(&session, mark),
                        false => What::acknowledged(&session, mark),
                    },
                );
            }
        }
    }

    fn sent(&mut self, at: Duration, session: &SessionId, mark: Mark) {
        let client = session.client.clone();
        let pending = self.pending.entry(client).or_default();
        pending.push((session.clone(), mark));
        *self.left.entry(mark).or_default() += 1;
        self.emit(at, What::sent(session, mark));
    }

    fn gone(&mut self, mark: Mark) {
        if let Some(left) = self.left.get_mut(&mark) {
            *left = left.saturating_sub(1);
        }
    }

    fn take(&mut self, event: &Event, keeps_workspace: bool) {
        let at = event.at;
        match &event.what {
            What::StepBegan { step, .. } => {
                self.emit(at, event.what.clone());
                if !matches!(
                    step,
                    Step::Wait(_) | Step::Until { .. } | Step::Instruct(..)
                ) {
                    self.look(at);
                }
            }
            What::Sent { session, mark } => self.sent(at, session, *mark),
            What::Acknowledged { mark, .. } => self.gone(*mark),
            What::DeadLettered { mark, .. } => {
                self.gone(*mark);
                self.dead.insert(*mark);
            }
            What::Pushed {
                outcome: GitOutcome::Done,
                session: Some(_),
                branch: Some(_),
                ..
            } => self.pushes.push(event.what.clone()),
            What::ObjectPut {
                client,
                key,
                content,
                ..
            } => {
                let site = self.sites[0].entry(client.clone()).or_default();
                site.insert(key.clone(), content.clone());
            }
            What::ObjectDeleted { client, key } => {
                self.sites[0].entry(client.clone()).or_default().remove(key);
            }
            What::RecordWritten { session, record } => {
                self.records.insert(session.clone(), record.clone());
            }
            What::Logged { .. } => self.lines.push(event.what.clone()),
            What::Died { client, cause } => {
                self.look(at);
                let cause = match cause {
                    Death::Crash if !keeps_workspace => Death::WorkspaceLost,
                    other => *other,
                };
                let client = client.clone();
                self.emit(at, What::Died { client, cause });
            }
            What::Healed
            | What::SiteBuilt { .. }
            | What::OutsiderPushed { .. }
            | What::RetrySent { .. }
            | What::Started { .. } => self.emit(at, event.what.clone()),
            // What nobody sees who only looks.
            _ => {}
        }
    }
}

/// What is seen of a history, by looks so long apart at most.
fn seen(events: &[Event], keeps_workspace: bool, apart: u64, chance: &mut Chance) -> Vec<Event> {
    let mut looks = Looks::default();
    let pause = |chance: &mut Chance| Duration::from_millis(chance.between(1, apart * 1000));
    let mut next = pause(chance);
    for event in events {
        while event.at > next {
            looks.look(next);
            // Where nothing happens, nothing is seen.
            next = (next + pause(chance)).max(event.at.saturating_sub(pause(chance)));
        }
        looks.take(event, keeps_workspace);
    }
    let end = events.last().map_or(Duration::ZERO, |event| event.at);
    looks.look(end);
    looks.events
}

fn account(keeps_workspace: bool) -> Aws {
    let text = format!(
        "{REFERENCE}\n[aws]\naccounts = [\"123456789012\"]\nforbid = [\"999999999999\"]\nregions = [\"us-west-2\"]\n\
         role = \"arn:aws:iam::123456789012:role/worker\"\nalarm = \"a\"\nbuckets = []\ntables = []\n\
         sessions = [\"acme/home\", \"acme/blog\", \"globex/home\"]\nqueues = [\"retries-acme\", \"retries-globex\"]\n\
         cluster = \"edit\"\nservices = [\"edit-acme\", \"edit-globex\"]\ngit = \"https://host/{{client}}.git\"\n\
         keeps-workspace = {keeps_workspace}\nfis-role = \"arn:aws:iam::123456789012:role/fis\"\n"
    );
    let profile = Profile::parse(&text).unwrap();
    let deployed = profile.deployed.clone().unwrap();
    Aws::new(
        profile.into(),
        deployed,
        "123456789012",
        1.0,
        &Arc::default(),
    )
}

/// What is said of a run of the simulated system by who only looks now and then.
fn said(aws: &Aws, keeps: bool, sim: &Sim, plan: &Plan, seed: u64) -> Verdict {
    // What ends a run is no more than what is asked.
    let sim = Profiled::new(Box::new(sim.clone()), aws.profile());
    let outcome = runner::run(&sim, plan, seed);
    let mut chance = Chance::new(seed);
    let apart = chance.between(1, 20);
    let events = seen(&outcome.history.events, keeps, apart, &mut chance);
    let settled = outcome.settled.as_deref().cloned();
    let settled = settled.map(|seen| Snapshot {
        workspaces: Seen::NotSeen,
        ..seen
    });
    judge(
        plan,
        SiteKind::Shell,
        aws.profile(),
        &events,
        settled.as_ref(),
    )
}

#[test]
fn who_only_looks_now_and_then_accuses_no_system_that_keeps_the_contract() {
    let cases = std::env::var("PROPTEST_CASES").ok();
    let cases = cases.and_then(|it| it.parse().ok()).unwrap_or(60);
    for keeps in [true, false] {
        let aws = account(keeps);
        let shape = Shape {
            max_steps: 20,
            ..Shape::default().possible(|step| aws.cannot(step))
        };
        let strategy = plans(&shape);
        for case in 0..cases {
            let (mut plan, seed) = campaign::case(&strategy, 0xa5, case).unwrap();
            plan.steps.retain(|step| aws.cannot(step).is_none());
            let verdict = said(&aws, keeps, &Sim::default(), &plan, seed);
            assert_eq!(verdict, Verdict::Held, "{keeps} {case}\n{plan}");
        }
    }
}

#[test]
fn a_history_keeps_that_its_system_was_only_looked_at() {
    let aws = account(false);
    let kept = serde_json::to_string(&ProfileRef::from(&*aws.profile())).unwrap();
    let read: ProfileRef = serde_json::from_str(&kept).unwrap();
    let read = read.read().unwrap();
    assert!(read == aws.profile() && read.unseen == aws.profile().unseen);
    assert!(read.unseen(Evidence::Requests).is_some());
}

#[test]
fn what_a_target_cannot_make_in_an_account_is_not_drawn() {
    let step = |text: &str| {
        let text = format!("# shakedown plan v1\nsession acme/home\nsession globex/home\n{text}\n");
        text.parse::<Plan>().unwrap().steps.remove(0)
    };
    for (keeps, text, part) in [
        (false, "crash acme", "`workspace-lost`"),
        (true, "workspace-lost acme", "`crash`"),
        (true, "until acme started", "cannot be counted"),
        (true, "until acme/home done +2", "cannot be counted"),
        (true, "inject git-down", "no proxy"),
        (true, "instruct acme/home memory-hungry", "never changed"),
    ] {
        let why = account(keeps).cannot(&step(text)).unwrap_or_default();
        assert!(why.contains(part), "{text}: {why}");
    }
    for (keeps, text) in [
        (true, "crash acme"),
        (false, "workspace-lost globex"),
        (true, "inject s3-denied"),
        (true, "inject build-error acme/home"),
        (true, "inject partition globex"),
        (true, "until acme/home done"),
        (true, "retry-push acme/home"),
        (true, "push-from-outside acme/home clean"),
    ] {
        assert_eq!(account(keeps).cannot(&step(text)), None, "{text}");
    }
}

#[test]
fn who_only_looks_now_and_then_still_finds_mistakes() {
    let aws = account(true);
    let session = "# shakedown plan v1\nsession acme/home\nsession acme/blog\n";
    for (defect, steps, rule) in [
        (
            "force-push",
            "instruct acme/home change\nuntil acme/home thinking\npush-from-outside acme/home clean\n",
            "commits-preserved",
        ),
        (
            "deploys-failed-build",
            "instruct acme/home break-build\n",
            "no-broken-deploy",
        ),
        (
            "applies-redelivered",
            "instruct acme/home change\nuntil acme/home done\nwait 30s\nredeliver acme/home\n",
            "exactly-once",
        ),
        (
            "never-deletes",
            "instruct acme/home change\nwait 30s\ninstruct acme/home change\n",
            "fresh",
        ),
        (
            "tells-no-error",
            "instruct acme/home break-build\n",
            "settled",
        ),
        (
            "refuses-after-failed-build",
            "instruct acme/home break-build\n",
            "usable",
        ),
    ] {
        let plan: Plan = format!("{session}{steps}").parse().unwrap();
        let sim = trial::planted_sim(Defect::by_name(defect).unwrap());
        match said(&aws, true, &sim, &plan, 7) {
            Verdict::Violated(violation) => assert_eq!(violation.rule.id(), rule, "{defect}"),
            other => panic!("{defect}: {other:?}"),
        }
    }
}

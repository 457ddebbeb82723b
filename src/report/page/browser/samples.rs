//! Runs and campaigns of the simulated system, whose pages are looked at.

use std::path::Path;

use crate::campaign::{self, Config, Sample as Moment, Samples, Shard, Summary};
use crate::defect::{Defect, planted_sim};
use crate::explain::{Explanation, Without, WithoutOutcome, explain};
use crate::finding::{Finding, Origin};
use crate::generate::{Shape, plans};
use crate::plan::{Plan, SessionId};
use crate::repeat::Setup;
use crate::report::page;
use crate::report::page::campaign::{Campaign, ViolationRow};
use crate::report::page::run::Run;
use crate::runner::{self, Outcome};
use crate::scenario::{self, Scenario};
use crate::site::SiteKind;
use crate::soak::{self, Identity, SoakOutcome};
use crate::target::sim::Sim;
use crate::target::{Interrupt, Target};
use crate::verdict::{Rule, Verdict, Violation};

/// A run, with what its page needs.
pub struct Sample {
    pub plan: Plan,
    pub outcome: Outcome,
    pub seed: u64,
    pub explanation: Option<Explanation>,
}

impl Sample {
    pub fn page(&self) -> String {
        let finding = match &self.outcome.verdict {
            Verdict::Violated(violation) => Some(Finding {
                explanation: self.explanation.clone(),
                ..Finding::new(
                    "sim",
                    Origin::Given,
                    self.plan.clone(),
                    self.seed,
                    violation.clone(),
                    self.outcome.history.clone(),
                )
            }),
            Verdict::Held | Verdict::Unknown { .. } => None,
        };
        page::run(&Run {
            target: "sim",
            site: SiteKind::Shell,
            plan: &self.plan,
            seed: self.seed,
            verdict: &self.outcome.verdict,
            history: &self.outcome.history,
            settled: self.outcome.settled.as_deref(),
            left_out: &self.outcome.left_out,
            origin: "drawn for its page",
            replay: "shakedown replay proptest-regressions/sample.plan --target sim --seed 0x1f3c",
            finding: finding.as_ref(),
        })
    }
}

fn run(target: &dyn Target, plan: Plan, seed: u64) -> Sample {
    let outcome = runner::run(target, &plan, seed);
    Sample {
        plan,
        outcome,
        seed,
        explanation: None,
    }
}

fn defect(name: &str) -> &'static Defect {
    Defect::by_name(name).expect("the defect is planted by this name")
}

/// A plan of 60 steps and 5 sessions of 3 clients that violates a rule after recovery.
pub fn large() -> Sample {
    let sessions = [
        "acme/home",
        "acme/blog",
        "globex/home",
        "globex/shop",
        "initech/home",
    ];
    let shape = Shape {
        sessions: sessions.map(|id| SessionId::parse(id).unwrap()).into(),
        max_steps: 90,
        ..Shape::default()
    };
    let strategy = plans(&shape);
    let target = planted_sim(defect("never-tries-again"));
    let found = (0..400).find_map(|index| {
        let (mut plan, seed) = campaign::case(&strategy, 7, index).unwrap();
        if plan.steps.len() < 60 || plan.sessions.len() < 5 {
            return None;
        }
        plan.steps.truncate(60);
        let sample = run(&target, plan, seed);
        let is_late = matches!(&sample.outcome.verdict, Verdict::Violated(v) if v.step.is_none());
        is_late.then_some(sample)
    });
    found.expect("one of the plans shows the defect after recovery")
}

/// A short plan whose last event violates a rule.
pub fn small() -> Sample {
    let target = planted_sim(defect("breaker-of-each-container"));
    let text = "# shakedown plan v1\nsession acme/home\nsession globex/home\n\
        inject s3-denied\ninstruct globex/home change\ninstruct acme/home change\nwait 600s\n";
    let plan: Plan = text.parse().unwrap();
    let shown = (0..64).map(|seed| run(&target, plan.clone(), seed));
    let is_violated = |sample: &Sample| matches!(sample.outcome.verdict, Verdict::Violated(_));
    let mut shown = shown.filter(is_violated);
    shown
        .next()
        .expect("the plan shows the defect with some seed")
}

pub fn held() -> Sample {
    let text = "# shakedown plan v1\nsession acme/home\nsession globex/home\n\
        instruct acme/home change\nuntil acme/home pushing\n\
        push-from-outside acme/home conflicting\ncrash acme\ninject s3-down slow-down\n\
        instruct globex/home change\nwait 2m\nheal s3-down slow-down\n";
    run(&Sim::default(), text.parse().unwrap(), 7)
}

/// A campaign on a system with a planted defect, and its page.
pub fn campaign(folder: &Path) -> (Summary, String) {
    let config = Config {
        cases: Some(150),
        seed: 3,
        shape: Shape::default(),
        jobs: 2,
        kept_for: None,
        keep_going: true,
        quiet: true,
        out: folder.join("out"),
        regressions: folder.join("regressions"),
        first: Vec::new(),
        replays: true,
        command: "shakedown run --target sim --cases 150 --seed 0x3 --keep-going".into(),
    };
    let target = planted_sim(defect("drops-conflict"));
    let summary = campaign::run(&target, &config, &Interrupt::default()).unwrap();
    let mut of = Campaign::of(&summary, &config.command);
    of.violations = summary
        .found
        .iter()
        .map(|found| {
            let link = found.file.with_extension("html");
            let link = link.file_name().unwrap().to_string_lossy().into_owned();
            let replay = format!("shakedown replay {}", found.file.display());
            ViolationRow::of(found, &replay, Some(link))
        })
        .collect();
    let page = page::campaign(&of);
    (summary, page)
}

/// Four shards of a soak, two of which have run; each with figures of an hour.
pub fn shards(folder: &Path) -> Vec<SoakOutcome> {
    let shard = |index| {
        let config = soak::Config {
            identity: Identity {
                version: "0.0.0".into(),
                setup: Setup {
                    target: "sim".into(),
                    ..Setup::default()
                },
                seed: "0x7".into(),
                max_steps: 30,
                profile: String::new(),
                plans: String::new(),
            },
            shard: Shard { index, count: 4 },
            time: None,
            resume: false,
            campaign: Config {
                cases: Some(40),
                seed: 7,
                shape: Shape::default(),
                jobs: 2,
                kept_for: None,
                keep_going: true,
                quiet: true,
                out: folder.join(format!("shard-{index}")),
                regressions: folder.join("regressions"),
                first: Vec::new(),
                replays: true,
                command: "shakedown soak --seed 7".into(),
            },
        };
        let target = Sim::default();
        let ended = soak::run(&target, &config, &Interrupt::default(), &mut |_| {});
        let mut ended = ended.unwrap();
        ended.state.samples = hour(40 + 20 * u64::from(index));
        ended.state.worked_ms = 3_600_900;
        ended.state.cpu_ms = 7_200_000;
        ended
    };
    [0, 1].map(shard).into()
}

/// Samples of an hour whose memory grows from the given megabytes by a half.
pub fn hour(megabytes: u64) -> Samples {
    let sample = |second: u64| Moment {
        at_ms: second * 1000,
        plans: second * 9 / 3600,
        steps: second,
        violated: 0,
        unknown: 0,
        reached: 9,
        memory: (megabytes << 20) + (megabytes << 19) * second / 3600,
        cpu_ms: second * 2000,
    };
    Samples {
        every_ms: 16_000,
        taken: (0..=225).map(|n| sample(n * 16)).collect(),
    }
}

/// A scenario on a system that forces its pushes.
pub fn scenario(of: &'static Scenario) -> scenario::ScenarioRun {
    of.run(&planted_sim(defect("force-push")), 1, &Interrupt::default())
}

/// What is really to be said of a violation, and outcomes of every kind, whatever the plan needs.
pub fn explanation(of: &Sample) -> Explanation {
    let Verdict::Violated(violation) = &of.outcome.verdict else {
        panic!("{:?} needs no explanation", of.outcome.verdict)
    };
    let mut explanation = explain(&of.plan, SiteKind::Shell, &of.outcome.history, violation);
    let other = Violation {
        rule: Rule::Fresh,
        kind: "stale".into(),
        step: None,
        after_recovery: true,
        about: None,
        at: std::time::Duration::ZERO,
        expected: "the newest build".into(),
        observed: "it shows edit-1".into(),
    };
    let outcomes = [
        WithoutOutcome::Holds,
        WithoutOutcome::Same,
        WithoutOutcome::Other {
            violation: Box::new(other),
        },
        WithoutOutcome::Unknown {
            why: "no ports".into(),
        },
    ];
    let without = |outcome| {
        Some(Without {
            also: Vec::new(),
            outcome,
        })
    };
    let mut outcomes: Vec<_> = outcomes.map(without).into();
    if let Some(Some(last)) = outcomes.last_mut() {
        last.also = vec![0, 1];
    }
    explanation.take_outcomes(outcomes, "sim", violation);
    explanation
}

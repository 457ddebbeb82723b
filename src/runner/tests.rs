use super::*;
use crate::defect::{Defect, trial};
use crate::history::{Event, OwnBuild, OwnFile, ReadHistory};
use crate::judge::judge;
use crate::plan::{Mark, SessionId};
use crate::profile::Profile;
use crate::site::{SiteKind, cksum, render_parts};
use crate::target::sim::Sim;

/// A target whose machine cannot be trusted with time, or that builds commits itself.
struct Slow(Sim, Vec<OwnBuild>);

struct SlowRun(Box<dyn Run>, Vec<OwnBuild>);

impl Target for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn is_deterministic(&self) -> bool {
        false
    }
    fn cannot(&self, step: &Step) -> Option<String> {
        self.0.cannot(step)
    }
    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        let run = self.0.start(sessions, seed)?;
        Ok(Box::new(SlowRun(run, self.1.clone())))
    }
}

impl Run for SlowRun {
    fn apply(
        &mut self,
        step: &Step,
        mark: Option<Mark>,
        events: &mut Vec<Event>,
    ) -> Result<(), TargetError> {
        self.0.apply(step, mark, events)
    }
    fn rest(
        &mut self,
        quiet: Duration,
        bound: Duration,
        events: &mut Vec<Event>,
    ) -> Result<bool, TargetError> {
        self.0.rest(quiet, bound, events)
    }
    fn now(&self) -> Duration {
        self.0.now()
    }
    fn doubt(&self) -> Option<Doubt> {
        let is_busy = self.1.is_empty();
        is_busy.then(|| Doubt::Stalled("the machine was busy".into()))
    }
    fn build_commits(&mut self, _: &ClientId, marks: &[Mark]) -> Vec<OwnBuild> {
        let of_marks = self.1.iter().filter(|build| build.marks == marks);
        of_marks.cloned().collect()
    }
    fn snapshot(&mut self) -> Result<Snapshot, TargetError> {
        self.0.snapshot()
    }
}

#[track_caller]
fn check(defect: Option<&str>, steps: &str, expected: &str) {
    let sim = match defect {
        Some(name) => trial::planted_sim(Defect::by_name(name).expect("a known defect")),
        None => Sim::default(),
    };
    let plan = format!("# shakedown plan v1\nsession acme/home\n{steps}\n");
    let outcome = run(&Slow(sim, Vec::new()), &plan.parse().unwrap(), 1);
    let verdict = match outcome.verdict {
        Verdict::Held => "held".into(),
        Verdict::Violated(violation) => violation.rule.to_string(),
        Verdict::Unknown { why } => why,
    };
    assert!(verdict.contains(expected), "{verdict}");
}

#[test]
fn a_long_wait_in_real_time_ends_with_what_is_wrong() {
    let plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\nwait 1h\n";
    let defect = Defect::by_name("deploys-failed-build").expect("a known defect");
    let slow = Slow(trial::planted_sim(defect), Vec::new());
    let mut system = slow.start(&[SessionId::new("acme", "home")], 1).unwrap();
    let plan: Plan = plan.parse().unwrap();
    let mut recorded = Vec::new();
    let mut record = |event: &Event| recorded.push(event.clone());
    let mut live = Live::new(&slow, &plan, &mut record);
    let ended = disturb(&slow, &mut *system, &plan, &mut live, &mut Vec::new());
    let events = live.events;
    assert_eq!(recorded, events);
    let Err(Stop::Violated(violation)) = ended else {
        panic!("the failed build was not seen");
    };
    assert_eq!(violation.step, Some(1));
    let late = system.now().saturating_sub(violation.at);
    assert!(late <= LOOK_EVERY, "it went on for {late:?}");
    // A wait is not made longer or shorter by it.
    let quick = Slow(Sim::default(), Vec::new());
    let mut system = quick.start(&plan.sessions, 1).unwrap();
    let before = system.now();
    let mut record = |_: &Event| {};
    let mut live = Live::new(&quick, &plan, &mut record);
    let ended = live.wait(&mut *system, Duration::from_secs(25));
    assert!(ended.is_ok());
    assert_eq!(system.now() - before, Duration::from_secs(25));
}

#[test]
fn on_a_slow_machine_only_what_does_not_hang_on_time_is_a_violation() {
    let breaks = "instruct acme/home break-build";
    check(None, breaks, "held");
    check(Some("deploys-failed-build"), breaks, "no-broken-deploy");
    let busy = "was violated, but the machine was busy. Observed was: ";
    check(Some("tells-no-error"), breaks, busy);
    // Of one rule, one kind depends on time and the other does not.
    let denied = "instruct acme/home change\ninject s3-denied\nuntil acme/home done";
    check(Some("panics-on-denied"), denied, "stays-up");
    let both = "session acme/blog\ninstruct acme/home change\ninstruct acme/blog change";
    check(Some("one-workspace"), both, "no-cascade");
    let broken = "session acme/blog\ninstruct acme/home break-build\ninstruct acme/blog change";
    check(Some("keeps-error"), broken, busy);
}

/// A build of the tester's own of the first edit: right, but for what `change` does to it.
fn own_build(change: impl Fn(&mut OwnBuild)) -> OwnBuild {
    own_build_of(vec![Mark::Edit(1)], change)
}

fn own_build_of(marks: Vec<Mark>, change: impl Fn(&mut OwnBuild)) -> OwnBuild {
    let files = render_parts(&marks, true, true).files.into_iter();
    let mut build = OwnBuild {
        tree: "tree".into(),
        error: None,
        files: files
            .map(|(key, bytes)| (key, OwnFile::Same(cksum(&bytes))))
            .collect(),
        keys_vary: false,
        marks,
    };
    change(&mut build);
    build
}

#[test]
fn what_the_tester_built_is_judged_alike_live_and_from_the_history() {
    let check = |build: OwnBuild, edit: &str, defect: &str, expected: &str| {
        let sim = Defect::by_name(defect).map_or_else(Sim::default, trial::planted_sim);
        let plan = format!("# shakedown plan v1\nsession acme/home\ninstruct acme/home {edit}\n");
        let plan: Plan = plan.parse().unwrap();
        // What is sent after recovery is built too.
        let later = own_build_of(vec![Mark::Edit(1), Mark::Edit(2)], |later| {
            later.error.clone_from(&build.error);
            let is_made = |key: &str| key != "history.html" || build.files.contains_key(key);
            later.files.retain(|key, _| is_made(key));
        });
        let outcome = run(&Slow(sim, vec![build.clone(), later]), &plan, 1);
        let mut bytes = Vec::new();
        outcome.history.write_json_lines(&mut bytes).unwrap();
        let read = ReadHistory::parse(&bytes).unwrap();
        assert_eq!(read.incomplete, None);
        let is_it = |event: &Event| matches!(&event.what, What::SiteBuilt { build: it, .. } if **it == build);
        assert!(read.history.events.iter().any(is_it), "{expected}");
        let judged = judge(
            &plan,
            SiteKind::Shell,
            Profile::reference(),
            &read.history.events,
            outcome.settled.as_deref(),
        );
        assert_eq!(judged, outcome.verdict);
        let found = match judged {
            Verdict::Violated(violation) => format!("{} {}", violation.rule, violation.observed),
            other => format!("{other:?}"),
        };
        assert!(found.starts_with(expected), "{found}, and not {expected}");
    };
    check(own_build(|_| {}), "change", "", "Held");
    let more = |build: &mut OwnBuild| {
        build.files.insert("feed.xml".into(), OwnFile::Same(7));
    };
    check(own_build(more), "change", "", "fresh feed.xml is missing");
    let fewer = |build: &mut OwnBuild| {
        build.files.remove("history.html");
    };
    let left = "fresh history.html of an older build is left over";
    check(own_build(fewer), "change", "", left);
    // One that fails accuses no system, and excuses none.
    let fails = |build: &mut OwnBuild| {
        build.error = Some("no node here".into());
        build.files.clear();
    };
    check(own_build(fails), "change", "", "Held");
    let (broken, defect) = ("break-build", "deploys-failed-build");
    check(own_build(fails), broken, defect, "no-broken-deploy");
    // What the tester can build did not fail, whatever the edit was to do.
    check(own_build(fewer), broken, defect, "Held");
}

/// A target on which a plan goes wrong in some of its runs.
struct Flaky {
    sims: [Sim; 2],
    /// In which runs the second one is used, by number.
    wrong: &'static [u32],
    /// In which runs the machine stalls.
    stalled: &'static [u32],
    /// How much slower each run was asked to be.
    runs: std::cell::RefCell<Vec<u32>>,
}

impl Target for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }
    fn is_deterministic(&self) -> bool {
        false
    }
    fn start(&self, sessions: &[SessionId], seed: u64) -> Result<Box<dyn Run>, TargetError> {
        self.start_slowed(sessions, seed, 1)
    }
    fn start_slowed(
        &self,
        sessions: &[SessionId],
        seed: u64,
        times: u32,
    ) -> Result<Box<dyn Run>, TargetError> {
        let number = self.runs.borrow().len() as u32;
        self.runs.borrow_mut().push(times);
        let is_wrong = self.wrong.contains(&number);
        let run = self.sims[usize::from(is_wrong)].start(sessions, seed)?;
        Ok(match self.stalled.contains(&number) {
            true => Box::new(SlowRun(run, Vec::new())),
            false => run,
        })
    }
}

#[test]
fn after_a_run_that_a_stall_left_unknown_the_next_is_slower() {
    let plan: Plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n"
        .parse()
        .unwrap();
    let planted = Defect::by_name("tells-no-error").expect("a known defect");
    let target = Flaky {
        sims: [Sim::default(), trial::planted_sim(planted)],
        wrong: &[0],
        stalled: &[0],
        runs: std::cell::RefCell::default(),
    };
    let slowdown = Slowdown::default();
    let unknown = slowdown.run(&target, &plan, 1);
    assert!(unknown.is_left_by_stall(), "{:?}", unknown.verdict);
    for _ in 0..2 {
        assert_eq!(slowdown.run(&target, &plan, 1).verdict, Verdict::Held);
    }
    assert_eq!(*target.runs.borrow(), [1, 1, 2, 2, 1]);
}

#[test]
fn in_real_time_a_violation_is_believed_when_it_shows_again_and_not_only_in_stalls() {
    let plan: Plan = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n"
        .parse()
        .unwrap();
    let check = |defect: &str, wrong, stalled, slowness: &[u32], expected: &str| {
        let planted = Defect::by_name(defect).expect("a known defect");
        let target = Flaky {
            sims: [Sim::default(), trial::planted_sim(planted)],
            wrong,
            stalled,
            runs: std::cell::RefCell::default(),
        };
        let outcome = run_confirmed(&target, &plan, 1);
        assert_eq!(outcome.history.end.unwrap().verdict, outcome.verdict);
        let verdict = match outcome.verdict {
            Verdict::Held => "held".into(),
            Verdict::Violated(violation) => violation.rule.to_string(),
            Verdict::Unknown { why } => why,
        };
        let case = format!("{defect}, wrong in {wrong:?}, stalled in {stalled:?}");
        assert!(verdict.contains(expected), "{case}: {verdict}");
        assert_eq!(*target.runs.borrow(), slowness, "{case}");
    };
    let (by_time, rule) = ("tells-no-error", "errors-told");
    check(by_time, &[], &[0], &[1], "held");
    check(by_time, &[0], &[], &[1, 1, 2], "violated in 1 of 3 runs");
    check(by_time, &[0, 1], &[], &[1, 1], rule);
    check(by_time, &[0, 2], &[], &[1, 1, 2], rule);
    check(by_time, &[0, 1], &[0], &[1, 1], rule);
    let stalls = "only where the machine stalled: the machine was busy";
    check(by_time, &[0, 1, 2, 3], &[0, 1, 2, 3], &[1, 1, 2, 4], stalls);
    check(by_time, &[0, 1, 2, 3], &[0, 1, 2], &[1, 1, 2, 4], rule);
    // What no slowness can make is believed at once, or when it shows again.
    let (sure, rule) = ("deploys-failed-build", "no-broken-deploy");
    check(sure, &[0], &[], &[1], rule);
    check(sure, &[0], &[0], &[1, 1, 2], "violated in 1 of 3 runs");
    check(sure, &[0, 1], &[0, 1], &[1, 1], rule);
}

#[test]
fn a_long_queue_is_worked_off_before_the_bound_of_recovery_counts() {
    let verdict = |sim: &Sim, steps: &str| {
        let work = "instruct acme/home change\n".repeat(150);
        let plan = format!("# shakedown plan v1\nsession acme/home\n{steps}{work}");
        run(sim, &plan.parse().unwrap(), 1).verdict
    };
    assert_eq!(verdict(&Sim::default(), ""), Verdict::Held);
    // A queue on which nothing moves any more is still a violation.
    let stops = trial::planted_sim(Defect::by_name("stops-polling").expect("a known defect"));
    let cut_off =
        "instruct acme/home change\nuntil acme/home done\ninject partition acme\nwait 60s\n";
    let violated = verdict(&stops, cut_off);
    assert!(
        matches!(&violated, Verdict::Violated(it) if it.kind == "pending"),
        "{violated:?}"
    );
}

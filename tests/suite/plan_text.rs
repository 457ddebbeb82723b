//! The text form of plans: what is printed is read back, and no text makes the parser panic.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use shakedown::plan::{
    ClientId, Edit, Fault, FaultKind, Outsider, Phase, Plan, Scope, SessionId, Step, StepKind,
    VERSION_LINE, Variety,
};

fn sessions() -> impl Strategy<Value = Vec<SessionId>> {
    let all: Vec<SessionId> = ["acme/home", "acme/blog", "globex/home", "a-1/0", "x/y-z-9"]
        .iter()
        .filter_map(|text| SessionId::parse(text))
        .collect();
    subsequence(all.clone(), 1..=all.len()).prop_shuffle()
}

fn fault(session: SessionId, client: ClientId) -> impl Strategy<Value = Fault> {
    let sessions = [session];
    let each = |kind: FaultKind| kind.each(Variety::All, Scope::Anywhere(&sessions));
    let all: Vec<Fault> = FaultKind::ALL.into_iter().flat_map(each).collect();
    let partial = (0u32..=1000).prop_map(move |taken| Fault::S3Partial {
        client: client.clone(),
        taken,
    });
    prop_oneof![14 => select(all), 1 => partial]
}

fn step(sessions: Vec<SessionId>) -> impl Strategy<Value = Step> {
    select(sessions).prop_flat_map(|session| {
        let client = session.client.clone();
        let of = session.clone();
        let requests = prop_oneof![Just(0u32), 1u32..=1000];
        let until = (select(&Phase::ALL[..]), requests.clone());
        let container = client.clone();
        let waits = prop_oneof![(1u64..=86_400).prop_map(|s| s * 1000), 1u64..=86_400_000];
        let outsiders = select(vec![Outsider::Clean, Outsider::Conflicting]);
        prop_oneof![
            select(&Edit::ALL[..]).prop_map({
                let session = session.clone();
                move |edit| Step::Instruct(session.clone(), edit)
            }),
            until.prop_map({
                let session = session.clone();
                move |(phase, requests)| Step::Until {
                    session: session.clone(),
                    phase,
                    requests,
                }
            }),
            requests.prop_map(move |requests| Step::UntilStarted {
                client: container.clone(),
                requests,
            }),
            waits.prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
            outsiders.prop_map(move |kind| Step::PushFromOutside(of.clone(), kind)),
            fault(session.clone(), client.clone()).prop_map(Step::Inject),
            fault(session.clone(), client.clone()).prop_map(Step::Heal),
            Just(Step::Crash(client.clone())),
            Just(Step::LoseWorkspace(client)),
            Just(Step::RetryPush(session.clone())),
            Just(Step::Redeliver(session)),
        ]
    })
}

#[test]
fn every_kind_of_step_and_fault_is_read_as_it_was_written() {
    let sessions: Vec<SessionId> = ["acme/home", "acme/blog", "globex/home"]
        .iter()
        .filter_map(|text| SessionId::parse(text))
        .collect();
    let each = |kind: StepKind| kind.each(Variety::All, Scope::Anywhere(&sessions));
    let plan = Plan {
        steps: StepKind::ALL.into_iter().flat_map(each).collect(),
        sessions: sessions.clone(),
        comments: Vec::new(),
    };
    assert_eq!(plan.to_string().parse::<Plan>().unwrap(), plan);
    for kind in FaultKind::ALL {
        let is_injected = |step: &Step| matches!(step, Step::Inject(of) if of.kind() == kind);
        assert!(plan.steps.iter().any(is_injected), "{kind:?}");
    }
}

fn plan() -> impl Strategy<Value = Plan> {
    let comment = "\\PC{0,30}".prop_map(|text| text.trim_end().to_owned());
    sessions()
        .prop_flat_map(|sessions| (Just(sessions.clone()), vec(step(sessions), 0..40)))
        .prop_flat_map(move |(sessions, steps)| {
            let places = vec((0..=steps.len(), comment.clone()), 0..6);
            (Just(sessions), Just(steps), places)
        })
        .prop_map(|(sessions, steps, mut comments)| {
            comments.sort_by_key(|(before, _)| *before);
            Plan {
                sessions,
                steps,
                comments,
            }
        })
}

/// Text that is nearly a plan: its words in any order, with odd ones among them.
fn almost_a_plan() -> impl Strategy<Value = String> {
    let words = select(vec![
        "session",
        "instruct",
        "until",
        "wait",
        "inject",
        "heal",
        "crash",
        "redeliver",
        "started",
        "acme",
        "acme/home",
        "change",
        "pushing",
        "+3",
        "+",
        "30s",
        "99999999999999999999h",
        "-1",
        "s3-partial",
        "agent-error",
        "429",
        "s3-down",
        "#",
        "\t",
        "é",
        "\u{2028}",
        "ms",
        "/",
    ]);
    let line = vec(
        prop_oneof![9 => words.prop_map(str::to_owned), 1 => "\\PC{0,8}"],
        0..6,
    )
    .prop_map(|words| words.join(" "));
    vec(line, 0..12)
        .prop_map(|lines| format!("{VERSION_LINE}\nsession acme/home\n{}", lines.join("\n")))
}

fn check_place(text: &str) -> Result<(), TestCaseError> {
    match text.parse::<Plan>() {
        Ok(plan) => {
            // What was read is printed in a form that means the same.
            let printed = plan.to_string();
            prop_assert_eq!(printed.parse::<Plan>(), Ok(plan));
        }
        Err(error) => {
            let lines: Vec<&str> = text.lines().collect();
            prop_assert!(
                error.line >= 1 && error.line <= lines.len().max(1),
                "{}",
                error
            );
            let width = lines
                .get(error.line - 1)
                .map_or(0, |line| line.chars().count());
            prop_assert!(error.column >= 1 && error.column <= width + 1, "{}", error);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(
            proptest::test_runner::FileFailurePersistence::Direct(
                "proptest-regressions/plan_text.txt",
            ),
        )),
        ..ProptestConfig::default()
    })]

    #[test]
    fn proptest_parse_after_print_is_the_identity(plan in plan()) {
        prop_assert_eq!(plan.to_string().parse::<Plan>(), Ok(plan));
    }

    #[test]
    fn proptest_arbitrary_text_gives_a_plan_or_a_place(text in "(?s).{0,200}") {
        check_place(&text)?;
        check_place(&format!("{VERSION_LINE}\n{text}"))?;
    }

    #[test]
    fn proptest_text_that_is_nearly_a_plan_gives_a_plan_or_a_place(text in almost_a_plan()) {
        check_place(&text)?;
    }
}

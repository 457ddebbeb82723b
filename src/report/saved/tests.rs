use super::*;
use crate::defect::{Defect, known, trial};
use crate::history::What;
use crate::plan::Plan;
use crate::runner::{self, Outcome};
use crate::target::sim::Sim;

const PLAN: &str = "# shakedown plan v1\n# a comment\nsession acme/home\nsession globex/home\n\
    inject store-throttled\ninstruct acme/home change\ncrash acme\nwait 30s\ninject git-down\n\
    instruct globex/home warn\npush-from-outside globex/home conflicting\n";

fn run_on(target: &Sim, plan: &str, seed: u64) -> (Outcome, Vec<u8>) {
    let plan: Plan = plan.parse().unwrap();
    let outcome = runner::run(target, &plan, seed);
    let mut bytes = Vec::new();
    outcome.history.write_json_lines(&mut bytes).unwrap();
    (outcome, bytes)
}

fn planted(defect: &str) -> Sim {
    trial::planted_sim(Defect::by_name(defect).unwrap())
}

fn verdict_of(bytes: &[u8]) -> Result<Verdict, Incomplete> {
    parse(bytes).map(|saved| saved.judge(saved.site))
}

#[track_caller]
fn not_held(bytes: &[u8], is_told: &str) {
    let why = match verdict_of(bytes) {
        Ok(Verdict::Unknown { why }) => why,
        Err(refused) => refused.to_string(),
        Ok(other) => panic!("{other:?} of what is not all of a run"),
    };
    assert!(why.contains(is_told), "{why}");
}

#[test]
fn a_history_says_all_of_its_run_and_gets_the_verdict_of_the_run() {
    let (outcome, bytes) = run_on(&Sim::default(), PLAN, 7);
    assert_eq!(outcome.verdict, Verdict::Held);
    let saved = parse(&bytes).unwrap();
    assert_eq!(
        saved.header,
        runner::header(&Sim::default(), &PLAN.parse().unwrap(), 7)
    );
    assert_eq!(saved.history.events, outcome.history.events);
    assert_eq!(saved.history.end, outcome.history.end);
    assert_eq!(saved.incomplete, None);
    assert_eq!(saved.judge(saved.site), Verdict::Held);

    // At an event, in recovery and after it.
    let mut violated = 0;
    for known in known::all() {
        let target = planted(&known.defect);
        let (outcome, bytes) = run_on(&target, &known.plan.to_string(), known.seed);
        let saved = parse(&bytes).unwrap();
        violated += usize::from(matches!(outcome.verdict, Verdict::Violated(_)));
        assert_eq!(saved.judge(saved.site), outcome.verdict);
        assert_eq!(saved.header.defect.as_ref(), Some(&known.defect));
    }
    assert!(violated > known::all().len() / 2, "{violated}");
}

#[test]
fn a_history_that_is_cut_off_anywhere_is_never_held() {
    let (_, bytes) = run_on(&Sim::default(), PLAN, 7);
    for (at, byte) in bytes.iter().enumerate() {
        // At each line, and in the middle of each: first byte, somewhere, last byte.
        let near = |other: usize| bytes.get(other).is_none_or(|byte| *byte == b'\n');
        if *byte == b'\n' || at % 151 == 0 || near(at + 1) || at.checked_sub(1).is_none_or(near) {
            // The newline after the last line is no part of it.
            if at + 1 < bytes.len() {
                not_held(&bytes[..at], "");
            }
        }
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for gone in 0..lines.len() {
        let rest = [&lines[..gone], &lines[gone + 1..]].concat().concat();
        let verdict = verdict_of(&rest);
        assert!(
            !matches!(verdict, Ok(Verdict::Held)),
            "without line {}",
            gone + 1
        );
    }
    let twice = [&bytes[..], &bytes[..]].concat();
    not_held(&twice, "it comes after the last line of a run");
}

#[test]
fn a_violation_in_what_is_left_of_a_history_is_reported() {
    let steps = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n";
    let (outcome, bytes) = run_on(&planted("deploys-failed-build"), steps, 7);
    let last = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    assert_eq!(verdict_of(&bytes[..last]), Ok(outcome.verdict));
    let before = bytes[..last]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    not_held(&bytes[..before], "incomplete: not judged to the end; line ");
}

#[test]
fn what_is_no_history_is_refused_with_its_place() {
    let (_, bytes) = run_on(&Sim::default(), PLAN, 7);
    let text = String::from_utf8(bytes).unwrap();
    let (header, events) = text.split_once('\n').unwrap();
    not_held(b"", "line 1: the file is empty");
    not_held(b"\n\n", "line 1: the file is empty");
    not_held(b"not json\n", "line 1: this is no history");
    not_held(b"[]\n", "line 1: this is no history");
    not_held(
        events.as_bytes(),
        "line 1: the history begins with an event, so an older program",
    );
    let newer = text.replacen("\"history\":1", "\"history\":2", 1);
    not_held(
        newer.as_bytes(),
        "line 1: the history has format 2, and this program knows 1",
    );
    let worse = text.replacen("crash acme", "crash nobody", 1);
    not_held(
        worse.as_bytes(),
        "line 1: the header cannot be read: the plan, line 7, column 7",
    );
    let other = text.replacen("crash acme", "crash globex", 1);
    not_held(other.as_bytes(), "which is not the plan's `crash globex`");
    let moonrise = format!("{header}\n{{\"event\":\"moonrise\"}}\n{events}");
    not_held(moonrise.as_bytes(), "line 2: this is no event");
    // The file ends as it should, but was judged otherwise.
    let said = |verdict: &str| {
        let end = text.rfind("\"verdict\":\"held\"").unwrap();
        format!(
            "{}{verdict}{}",
            &text[..end],
            &text[end + "\"verdict\":\"held\"".len()..]
        )
    };
    let unknown = said("\"verdict\":\"unknown\",\"why\":\"the disk was full\"");
    not_held(unknown.as_bytes(), "the disk was full");
    let violated = said(
        "\"verdict\":\"violated\",\"rule\":\"fresh\",\"kind\":\"old\",\"step\":0,\
         \"at\":{\"secs\":1,\"nanos\":0},\"expected\":\"\",\"observed\":\"\"",
    );
    not_held(
        violated.as_bytes(),
        "violated fresh (old); judged again, no rule is broken",
    );
}

/// Histories that end as they should, and whose events are missing.
#[test]
fn what_has_lost_its_events_is_not_held() {
    let (outcome, _) = run_on(
        &Sim::default(),
        "# shakedown plan v1\nsession acme/home\nwait 5s\n",
        7,
    );
    assert_eq!(outcome.verdict, Verdict::Held);
    let without = |is_lost: fn(&What) -> bool| {
        let mut history = outcome.history.clone();
        history.events.retain(|event| !is_lost(&event.what));
        history.end.as_mut().unwrap().events = history.events.len();
        let mut bytes = Vec::new();
        history.write_json_lines(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(verdict_of(&without(|_| false)), Ok(Verdict::Held));
    not_held(&without(|_| true), "some of its steps are not here");
    let steps = |what: &What| matches!(what, What::StepBegan { .. });
    not_held(&without(steps), "some of its steps are not here");
    not_held(
        &without(|what| *what == What::Healed),
        "some of its steps are not here",
    );
}

/// A run that is unknown is not violated for what came before that was seen.
#[test]
fn what_the_machine_may_have_done_stays_unknown() {
    let steps = "# shakedown plan v1\nsession acme/home\ninstruct acme/home break-build\n";
    let (outcome, bytes) = run_on(&planted("deploys-failed-build"), steps, 7);
    assert!(matches!(outcome.verdict, Verdict::Violated(_)));
    let mut history = outcome.history;
    let why = "only where the machine stalled".to_owned();
    history.end.as_mut().unwrap().verdict = Verdict::Unknown { why };
    let mut unknown = Vec::new();
    history.write_json_lines(&mut unknown).unwrap();
    assert_ne!(unknown, bytes);
    not_held(&unknown, "only where the machine stalled");
}

/// Every number in a history, made as large or as small as its text can be.
#[test]
fn no_number_in_a_history_makes_the_judge_panic() {
    let (_, bytes) = run_on(&Sim::default(), PLAN, 7);
    let text = String::from_utf8(bytes).unwrap();
    let is_digit = |c: char| c.is_ascii_digit();
    let mut seen = std::collections::BTreeSet::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let event = line.split("\"event\":").nth(1).unwrap_or("end");
        let kind = event.split([',', '}']).next().unwrap_or_default();
        let mut at = 0;
        while let Some(begin) = line[at..].find(is_digit).map(|begin| at + begin) {
            let end = line[begin..]
                .find(|c| !is_digit(c))
                .map_or(line.len(), |end| begin + end);
            at = end;
            let key = line[..begin]
                .rsplit('"')
                .find(|word| word.len() > 2)
                .unwrap_or_default();
            // Each kind of number in the first few events of each kind.
            let nth = (0..3).find(|nth| seen.insert((kind.to_owned(), key.to_owned(), *nth)));
            if nth.is_none() {
                continue;
            }
            for huge in ["0", "4294967295", "18446744073709551615", "9999999"] {
                let mut lines: Vec<&str> = text.lines().collect();
                let changed = format!("{}{huge}{}", &line[..begin], &line[end..]);
                lines[number] = &changed;
                if let Ok(saved) = parse(lines.join("\n").as_bytes()) {
                    let verdict = saved.judge(saved.site);
                    draw(&saved, &verdict);
                }
            }
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
    let endless = text.replacen("\"secs\":", "\"secs\":18446744073709551615", 1);
    not_held(endless.as_bytes(), "line 2: ");
}

/// Makes all that a report makes of a history.
fn draw(saved: &Saved, verdict: &Verdict) {
    use crate::finding::{Finding, Origin};
    let (plan, history) = (&saved.header.plan, &saved.history);
    let finding = match verdict {
        Verdict::Violated(violation) => {
            let (plan, history) = (plan.clone(), history.clone());
            let mut found = Finding::new("sim", Origin::Given, plan, 7, violation.clone(), history);
            found.explain(saved.site);
            Some(found)
        }
        Verdict::Held | Verdict::Unknown { .. } => None,
    };
    let end = history.end.as_ref();
    let page = crate::report::page::run(&crate::report::page::run::Run {
        target: &saved.header.target,
        site: saved.site,
        plan,
        seed: saved.header.seed,
        verdict,
        history,
        settled: end.and_then(|end| end.settled.as_deref()),
        left_out: end.map_or(&[], |end| &end.left_out),
        origin: "",
        replay: "",
        finding: finding.as_ref(),
    });
    assert!(page.contains("acme"));
}

#[test]
fn what_is_missing_among_the_events_breaks_its_rule_again() {
    let (_, bytes) = run_on(&Sim::default(), PLAN, 7);
    let mut saved = parse(&bytes).unwrap();
    let events = &mut saved.history.events;
    events.retain(|event| !matches!(event.what, What::Acknowledged { .. }));
    let Verdict::Violated(violation) = saved.judge(saved.site) else {
        panic!("the missing acknowledgements broke no rule")
    };
    assert_eq!(violation.rule, crate::verdict::Rule::Usable);
}

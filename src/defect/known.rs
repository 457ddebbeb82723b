//! The shortest plans known to show the planted defects, kept as text with the program.
//!
//! A plan is the shortest of an alphabet: of the kinds of edits, faults, crashes and sessions that
//! its steps name. A plan that was found with other kinds of steps shows the same defect in another
//! way, and is not to be measured by it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::Defect;
use crate::explore::plans::minima;
use crate::plan::{Edit, Fault, Outsider, ParseError, Plan, Step, VERSION_LINE};
use crate::regression::{Seed, parse_seed};
use crate::verdict::Violation;

const TEXT: &str = include_str!("known.plans");

/// A short plan, and what it shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    pub defect: String,
    /// The rule's id.
    pub rule: String,
    pub kind: String,
    /// The run's seed.
    pub seed: u64,
    pub plan: Plan,
}

/// Why the kept text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    #[error("plan {plan} of the known ones: {error}")]
    Plan { plan: usize, error: ParseError },
    #[error(
        "plan {plan} of the known ones has no line `# shows DEFECT: RULE (KIND); seed SEED` at its \
         head"
    )]
    Head { plan: usize },
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let mut known = parse(TEXT).unwrap_or_default();
    for minimum in parse(minima::TEXT).unwrap_or_default() {
        add(&mut known, minimum);
    }
    known
});

/// Every plan that is kept.
pub fn all() -> &'static [Known] {
    &KNOWN
}

/// Reads plans one after the other, each from its version line on.
///
/// # Errors
/// Where one of them is no plan, or does not say what it shows.
pub fn parse(text: &str) -> Result<Vec<Known>, KnownError> {
    let blocks = text.split(VERSION_LINE).skip(1).enumerate();
    blocks
        .map(|(index, block)| {
            let number = index + 1;
            let text = format!("{VERSION_LINE}{block}");
            let mut plan: Plan = text.parse().map_err(|error| KnownError::Plan {
                plan: number,
                error,
            })?;
            let comments = std::mem::take(&mut plan.comments);
            comments
                .iter()
                .find_map(|(_, comment)| head(comment))
                .map(|(defect, rule, kind, seed)| Known {
                    defect: defect.into(),
                    rule: rule.into(),
                    kind: kind.into(),
                    seed,
                    plan,
                })
                .ok_or(KnownError::Head { plan: number })
        })
        .collect()
}

/// Reads ` shows DEFECT: RULE (KIND); seed SEED`.
fn head(comment: &str) -> Option<(&str, &str, &str, u64)> {
    let (defect, rest) = comment.trim().strip_prefix("shows ")?.split_once(": ")?;
    let (rule, rest) = rest.split_once(" (")?;
    let (kind, rest) = rest.split_once("); seed ")?;
    Some((defect, rule, kind, parse_seed(rest)?))
}

/// The plans as the text that [`parse`] reads.
pub fn text(known: &[Known]) -> String {
    let mut text = String::new();
    for of in known {
        let plan = Plan {
            comments: vec![(
                0,
                format!(
                    " shows {}: {} ({}); seed {}",
                    of.defect,
                    of.rule,
                    of.kind,
                    Seed(of.seed)
                ),
            )],
            ..of.plan.clone()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{plan}");
    }
    text
}

/// Adds a plan, if none of those known is as short and needs no more kinds of steps. Returns
/// whether it was added; those that it makes needless go.
pub fn add(known: &mut Vec<Known>, new: Known) -> bool {
    let is_rival =
        |of: &Known| (&of.defect, &of.rule, &of.kind) == (&new.defect, &new.rule, &new.kind);
    let covers = |a: &Known, b: &Known| {
        a.plan.steps.len() <= b.plan.steps.len() && alphabet(&a.plan).is_subset(&alphabet(&b.plan))
    };
    if known.iter().any(|of| is_rival(of) && covers(of, &new)) {
        return false;
    }
    known.retain(|of| !(is_rival(of) && covers(&new, of)));
    known.push(new);
    let order = |of: &Known| {
        let number = super::DEFECTS.iter().position(|d| d.name == of.defect);
        (
            number,
            of.plan.steps.len(),
            of.rule.clone(),
            of.kind.clone(),
        )
    };
    known.sort_by_key(order);
    true
}

/// The fewest steps known to show this violation of this defect with the kinds of steps that a
/// plan has.
pub fn fewest(
    known: &[Known],
    defect: &Defect,
    violation: &Violation,
    plan: &Plan,
) -> Option<usize> {
    let letters = alphabet(plan);
    known
        .iter()
        .filter(|of| {
            of.defect == defect.name
                && of.rule == violation.rule.id()
                && of.kind == violation.kind
                && alphabet(&of.plan).is_subset(&letters)
        })
        .map(|of| of.plan.steps.len())
        .min()
}

/// The kinds of steps of a plan, with those that are simpler. To let time pass, to change
/// something and to heal are in every alphabet.
pub fn alphabet(plan: &Plan) -> BTreeSet<String> {
    let mut letters = BTreeSet::new();
    let mut add = |letter: &str| {
        letters.insert(letter.to_owned());
    };
    for step in &plan.steps {
        match step {
            Step::Instruct(_, Edit::Change) | Step::Heal(_) => {}
            Step::Instruct(_, edit) => add(&edit.to_string()),
            Step::PushFromOutside(_, kind) => {
                add("clean");
                if *kind == Outsider::Conflicting {
                    add("conflicting");
                }
            }
            Step::Inject(fault) => letters_of(fault).for_each(|letter| add(&letter)),
            Step::Crash(_) => add("crash"),
            Step::LoseWorkspace(_) => {
                add("crash");
                add("workspace-lost");
            }
            Step::RetryPush(_) | Step::Redeliver(_) => add(step.name()),
            Step::Until { .. } | Step::UntilStarted { .. } | Step::Wait(_) => {}
        }
    }
    let instructed: BTreeSet<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Instruct(session, _) => Some(session),
            _ => None,
        })
        .collect();
    let clients: BTreeSet<_> = instructed.iter().map(|session| &session.client).collect();
    if instructed.len() > clients.len() {
        letters.insert("two sessions of a client".into());
    }
    if clients.len() > 1 {
        letters.insert("two clients".into());
    }
    letters
}

/// The fault's own letter, and those of what is simpler.
fn letters_of(fault: &Fault) -> impl Iterator<Item = String> {
    let row = fault.kind().row();
    let simpler = row.simpler.map(|kind| kind.name().to_owned());
    let edit = row.met_by.map(|edit| edit.to_string());
    simpler
        .into_iter()
        .chain(edit)
        .chain([fault.name().to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(steps: &str) -> Plan {
        let head = "# shakedown plan v1\nsession acme/home\nsession globex/home\n";
        format!("{head}{steps}").parse().unwrap()
    }

    fn known(steps: &str) -> Known {
        Known {
            defect: "force-push".into(),
            rule: "fresh".into(),
            kind: "empty".into(),
            seed: 7,
            plan: plan(steps),
        }
    }

    #[test]
    fn the_kept_text_is_read_as_it_is_written() {
        let all = [
            known("crash acme\n"),
            known("inject git-down\ncrash acme\nwait 5s\n"),
        ];
        assert_eq!(parse(&text(&all)).unwrap(), all);
        let error = parse("# shakedown plan v1\nsession acme/home\ncrash acme\n").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("plan 1 of the known ones has no line")
        );
        let error = parse(&text(&all).replace("wait 5s", "wait 5")).unwrap_err();
        assert!(
            error.to_string().starts_with("plan 2 of the known ones: "),
            "{error}"
        );
    }

    #[test]
    fn a_plan_is_measured_by_those_of_its_own_kinds_of_steps() {
        let all = [
            known("crash acme\n"),
            known("inject git-auth\ninstruct acme/home change\nwait 5s\n"),
        ];
        let violation = Violation {
            rule: crate::verdict::Rule::Fresh,
            kind: "empty".into(),
            step: None,
            after_recovery: true,
            about: None,
            at: std::time::Duration::ZERO,
            expected: String::new(),
            observed: String::new(),
        };
        let defect = Defect::by_name("force-push").unwrap();
        let fewest = |steps| super::fewest(&all, defect, &violation, &plan(steps));
        assert_eq!(fewest("crash globex\nwait 5s\n"), Some(1));
        assert_eq!(fewest("workspace-lost acme\n"), Some(1));
        assert_eq!(fewest("inject git-down\nwait 5s\n"), Some(3));
        assert_eq!(fewest("inject s3-denied\nwait 5s\n"), None);
    }

    #[test]
    fn a_shorter_plan_of_no_more_kinds_takes_the_place_of_others() {
        let mut all = vec![known(
            "inject git-auth\ninstruct acme/home change\nwait 5s\n",
        )];
        assert!(!add(
            &mut all,
            known("inject git-down\ncrash acme\nwait 5s\nwait 6s\n")
        ));
        assert!(add(&mut all, known("redeliver acme/home\ncrash acme\n")));
        assert_eq!(all.len(), 2);
        assert!(add(&mut all, known("instruct acme/home change\n")));
        assert_eq!(all, [known("instruct acme/home change\n")]);
    }
}

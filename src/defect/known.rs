//! The shortest plans known to show the planted defects, kept as text with the program.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::plan::{ParseError, Plan, VERSION_LINE};
use crate::regression::{Seed, parse_seed};

const TEXT: &str = include_str!("known.plans");

/// A short plan, and what it shows.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    /// The name of the defect.
    pub defect: String,
    /// The rule's id.
    pub rule: String,
    /// How the rule is broken.
    pub kind: String,
    /// The run's seed.
    pub seed: u64,
    /// The plan.
    pub plan: Plan,
}

/// Why the kept text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// One of them is no plan.
    #[error("plan {plan} of the known ones: {error}")]
    Plan {
        /// Its number, from 1.
        plan: usize,
        /// What is wrong with it.
        error: ParseError,
    },
    /// One of them does not say what it shows.
    #[error(
        "plan {plan} of the known ones has no line `# shows DEFECT: RULE (KIND); seed SEED` at its \
         head"
    )]
    Head {
        /// Its number, from 1.
        plan: usize,
    },
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| parse(TEXT).unwrap_or_default());

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
}

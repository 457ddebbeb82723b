//! The rules of the contract: when each is checked, its text, its evidence, and its kinds of breach.

use super::Style;
use crate::invariant::{Check, INVARIANTS, evidence_of, kinds_of};
use crate::verdict::Rule;

/// Describes each of these rules.
pub fn rules(chosen: &[Rule], style: Style) -> String {
    let described: Vec<String> = chosen.iter().map(|rule| one(*rule, style)).collect();
    described.join("\n")
}

fn one(rule: Rule, style: Style) -> String {
    let rows = || INVARIANTS.iter().filter(|row| row.rule == rule);
    let at_events = rows().any(|row| matches!(row.check, Check::Always(_)));
    let at_rest = rows().any(|row| matches!(row.check, Check::AfterRecovery(_)));
    let when = match (at_events, at_rest) {
        (true, true) => "always, and once more after recovery",
        (true, false) => "always",
        _ => "after recovery",
    };
    let mut out = format!("{}  checked {when}\n", style.strong(rule.id()));
    style.paragraph(&mut out, "  ", rule.words());
    let evidence: Vec<&str> = evidence_of(rule).iter().map(|it| it.word()).collect();
    let needs = match evidence.len() {
        0 => "needs no evidence of one kind: it is asked of all that is seen".into(),
        _ => format!("evidence: {}", evidence.join(", ")),
    };
    style.paragraph(&mut out, "  ", &needs);
    let kinds = kinds_of(rule).iter().map(|kind| (kind.id, kind.words));
    style.list(&mut out, "    ", kinds);
    out
}

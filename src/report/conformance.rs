//! The table of plans that ran on two targets, and what differs.

use std::fmt::Write;

use super::Style;
use crate::conformance::Compared;

/// One line for each plan; under those that differ, what differs, and how on each side.
pub fn conformance(compared: &[Compared], targets: [&str; 2], style: Style) -> String {
    let both = targets.join(" and ");
    let mut text = format!("{:<28} {:>5}  {both}\n", "plan", "steps");
    for plan in compared {
        let verdict = match (&plan.unknown, plan.differences.len()) {
            (Some(why), _) => style.odd(&format!("unknown: {why}")),
            (None, 0) => style.good("the same"),
            (None, n) => style.bad(&format!("{n} differ")),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<28} {:>5}  {verdict}", plan.name, plan.steps);
        for difference in &plan.differences {
            let _ = writeln!(text, "    {}", difference.what);
            for (target, side) in targets.iter().zip(&difference.sides) {
                let _ = writeln!(text, "        {target}: {side}");
            }
        }
    }
    let same = compared.iter().filter(|plan| plan.agrees()).count();
    let _ = writeln!(
        text,
        "{same} of {} plans end the same on {both}",
        compared.len()
    );
    text
}

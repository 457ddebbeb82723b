//! A campaign, a soak or a merge of shards: all but the charts over time.

use super::super::campaign::{Campaign, Count, Disturbance, RuleRow, ViolationRow};
use super::super::escaped;
use super::{command, counted, facts, headline, list, not_asked, plan, seconds};
use crate::campaign::CampaignEnd;
use crate::plan::Phase;
use crate::report::summary::grouped;

pub fn parts(of: &Campaign) -> [(&'static str, String); 7] {
    [
        ("head", head(of)),
        ("tiles", tiles(of)),
        ("violations", of.violations.iter().map(violation).collect()),
        ("heat", heat(of)),
        ("rules", rules(of)),
        ("sometimes", sometimes(of)),
        ("rest", rest(of)),
    ]
}

fn head(of: &Campaign) -> String {
    let ended = match of.ended {
        CampaignEnd::Completed => None,
        CampaignEnd::AtViolation => Some("ended at the first violation"),
        CampaignEnd::Interrupted => Some("interrupted"),
        CampaignEnd::GaveUp => Some("gave up: the harness failed again and again"),
    };
    let is_cut_off = matches!(of.ended, CampaignEnd::Interrupted | CampaignEnd::GaveUp);
    let (tone, verdict) = match () {
        () if of.violated > 0 => ("bad", "VIOLATED"),
        () if of.unknown > 0 || is_cut_off => ("odd", "UNKNOWN"),
        () => ("good", "HELD"),
    };
    let mut short: Vec<String> = ended.map(str::to_owned).into_iter().collect();
    short.push(format!("seed {}", of.seed));
    short.push(seconds(of.seconds));
    short.extend(
        of.asked
            .map(|asked| format!("{} asked for", counted(asked, "plan"))),
    );
    if of.replayed > 0 {
        short.push(format!("{} of them kept", counted(of.replayed, "plan")));
    }
    let made = &of.made;
    let version = match made.version.as_str() {
        "" => String::new(),
        version => format!("shakedown {version}"),
    };
    let about = facts([
        ("Ended", made.when.clone()),
        ("Machine", made.machine.clone()),
        ("Version", version),
        ("Target", of.target.clone()),
    ]);
    format!(
        "{}{}{about}",
        headline(tone, verdict, &of.title, &short),
        command(&of.command)
    )
}

fn tiles(of: &Campaign) -> String {
    let reached = of.sometimes.iter().filter(|entry| entry.count > 0).count();
    let rate = |n: u64| match of.seconds > 0.0 {
        true => n as f64 / of.seconds,
        false => 0.0,
    };
    let steps = of.counts.iter().find(|count| count.name == "steps");
    let tile = |value: String, name: &str, tone: &str| {
        format!("<div class=\"panel tile {tone}\"><b>{value}</b><span>{name}</span></div>")
    };
    let tone = |n: u64, tone: &'static str| if n > 0 { tone } else { "" };
    let plans = match rate(of.plans) {
        few if few < 10.0 => format!("{few:.2}"),
        many => grouped(many as u64),
    };
    let all = of.sometimes.len();
    let tiles = [
        tile(grouped(of.plans), "plans run", ""),
        tile(grouped(of.held), "held", "good"),
        tile(grouped(of.violated), "violated", tone(of.violated, "bad")),
        tile(grouped(of.unknown), "unknown", tone(of.unknown, "odd")),
        tile(plans, "plans a second", ""),
        tile(
            grouped(rate(steps.map_or(0, |steps| steps.count)) as u64),
            "steps a second",
            "",
        ),
        tile(
            format!("{reached} of {all}"),
            "sometimes reached",
            if reached < all { "odd" } else { "good" },
        ),
    ];
    let counts: Vec<String> = of
        .counts
        .iter()
        .map(|count| match count.count {
            1 => format!("1 {}", singular(&count.name)),
            many => format!("{} {}", grouped(many), count.name),
        })
        .map(|count| escaped(&count.replace(' ', "\u{a0}")))
        .collect();
    format!(
        "{}<p class=\"counts\">{}</p>",
        tiles.concat(),
        counts.join(" · ")
    )
}

/// `git push` of `git pushes`.
fn singular(name: &str) -> String {
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None if name.ends_with("shes") || name.ends_with("ches") => name[..name.len() - 2].into(),
        None => name.strip_suffix('s').unwrap_or(name).into(),
    }
}

fn violation(of: &ViolationRow) -> String {
    let mut first = format!(
        "<b>{}</b><span>{}</span>",
        escaped(&format!("{} ({})", of.rule, of.kind)),
        counted(of.steps, "step")
    );
    if !of.place.is_empty() {
        first.push_str(&format!("<span>seen {}</span>", escaped(&of.place)));
    }
    if let Some(page) = &of.page {
        let page = escaped(page).replace('"', "&quot;");
        first.push_str(&format!("<a href=\"{page}\">timeline</a>"));
    }
    if of.is_known {
        first.push_str("<span class=\"badge odd\">kept plan</span>");
    }
    if of.more > 0 {
        let more = counted(of.more, "more plan");
        first.push_str(&format!(
            "<span class=\"muted\">{more} failed in the same way</span>"
        ));
    }
    format!(
        "<article class=\"panel violation\"><div class=\"first\">{first}\
         <span class=\"muted\">{}</span></div><div class=\"sides\">\
         <div><span>expected: </span>{}</div><div><span>observed: </span>{}</div></div>{}\
         <details><summary>{}</summary>{}</details></article>",
        escaped(&of.words),
        escaped(&of.expected),
        escaped(&of.observed),
        command(&of.replay),
        escaped(&of.origin),
        plan(&of.plan),
    )
}

/// A count that is short enough for a cell.
fn brief(n: u64) -> String {
    match n {
        0..100_000 => grouped(n),
        100_000..1_000_000 => format!("{}\u{202f}k", (n + 500) / 1000),
        1_000_000..10_000_000 => format!("{:.1}\u{202f}M", n as f64 / 1e6),
        _ => format!("{:.0}\u{202f}M", n as f64 / 1e6),
    }
}

fn heat(of: &Campaign) -> String {
    let all = of.disturbances.iter();
    let most = all.flat_map(|row| row.phases.iter().chain([&row.idle]));
    let most = most.copied().max().unwrap_or_default().max(1);
    let names = ["made", "hit"].map(str::to_owned).into_iter();
    let names = names
        .chain(of.phases.iter().cloned())
        .chain(["idle".into()]);
    let names: String = names
        .map(|name| format!("<th scope=\"col\">{}</th>", escaped(&name)))
        .collect();
    let hidden = Phase::ALL.map(|phase| of.hidden_phases.get(&phase));
    let rows = of
        .disturbances
        .iter()
        .map(|row| heat_row(row, &hidden, &of.phases, most));
    format!(
        "<h2>Faults by phase<span class=\"muted\">where containers were when each came</span></h2>\
         <table><thead><tr><th scope=\"col\">fault</th>{names}</tr></thead><tbody>{}</tbody></table>",
        rows.collect::<String>()
    )
}

/// Every rule: how often something could have broken it, or why it was not asked.
fn rules(of: &Campaign) -> String {
    let row = |of: &RuleRow| {
        let said = match &of.not_asked {
            Some(why) => format!("not asked: {why}"),
            None if of.times == 0 => format!("no {}", of.counted),
            None => of.counted.clone(),
        };
        let tone = match (of.broken, of.times) {
            (0, 0) => " class=\"never\"",
            _ => "",
        };
        format!(
            "<tr{tone}><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            escaped(&of.rule),
            grouped(of.broken),
            grouped(of.plans),
            grouped(of.times),
            escaped(&said),
        )
    };
    let rows: String = of.rules.iter().map(row).collect();
    format!(
        "<h2>Rules<span class=\"muted\">how often each could have been broken</span></h2><table><thead><tr>\
         <th scope=\"col\">rule</th><th scope=\"col\">broken</th><th scope=\"col\">plans</th>\
         <th scope=\"col\">times</th><th scope=\"col\">what is counted</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

fn heat_row(of: &Disturbance, hidden: &[Option<&String>], phases: &[String], most: u64) -> String {
    let name = escaped(&of.name);
    let cell = |n: u64, phase: &str, hidden: Option<&String>| match n {
        0 if let Some(why) = of.ruled_out.as_ref().or(hidden) => {
            let why = escaped(why).replace('"', "&quot;");
            format!("<td class=\"cell none\" title=\"ruled out: {why}\">×</td>")
        }
        0 => format!("<td class=\"cell none\" title=\"{name} never came while {phase}\">·</td>"),
        _ => {
            let strength = 0.1 + 0.45 * (n as f64).ln_1p() / (most as f64).ln_1p();
            format!(
                "<td class=\"cell\" style=\"background:rgba(var(--heat),{strength:.3})\" \
                 title=\"{name} came while {phase}: {}\">{}</td>",
                grouped(n),
                brief(n)
            )
        }
    };
    let number = |n: Option<u64>| match n {
        None => "<td></td>".to_owned(),
        Some(n) => format!("<td title=\"{}\">{}</td>", grouped(n), brief(n)),
    };
    let is_never = of.idle == 0 && of.phases.iter().all(|n| *n == 0);
    let cells = of.phases.iter().zip(phases).zip(hidden);
    let cells = cells.map(|((n, phase), hidden)| cell(*n, &escaped(phase), *hidden));
    format!(
        "<tr{}><th scope=\"row\">{name}</th>{}{}{}{}</tr>",
        if is_never { " class=\"never\"" } else { "" },
        number(of.made),
        number(of.hit),
        cells.collect::<String>(),
        cell(of.idle, "at no instruction", None),
    )
}

fn sometimes(of: &Campaign) -> String {
    let unreached = of.sometimes.iter().filter(|entry| entry.count == 0);
    let reached = of.sometimes.iter().filter(|entry| entry.count > 0);
    let item = |entry: &Count| {
        let name = escaped(&entry.name);
        if entry.count == 0 {
            return format!(
                "<li class=\"unreached\"><span>{name}</span><span class=\"n\">not reached</span></li>"
            );
        }
        let share = (100.0 * entry.count as f64 / of.plans.max(1) as f64).min(100.0);
        format!(
            "<li><span>{name}</span><span class=\"share\" title=\"in {share:.1} % of the plans\">\
             <i style=\"width:{:.1}%\"></i></span><span class=\"n\">{}</span></li>",
            share.max(1.5),
            counted(entry.count, "plan")
        )
    };
    format!(
        "<h2>Sometimes<span class=\"muted\">{} of {} reached</span></h2><ul>{}{}</ul>",
        reached.clone().count(),
        of.sometimes.len(),
        unreached.map(item).collect::<String>(),
        reached.map(item).collect::<String>(),
    )
}

fn rest(of: &Campaign) -> String {
    let left_out = of.left_out.iter();
    let left_out = left_out.map(|of| format!("{}: {}", counted(of.count, "step"), of.name));
    let unjudged = of.unjudged.iter();
    let unjudged = unjudged.map(|of| format!("{} ({})", of.why, of.file));
    [
        list("Steps left out, which this target cannot make", left_out),
        not_asked(&of.not_asked),
        list("Plans that the harness could not judge", unjudged),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_as_short_as_their_cells_and_of_one_thing_in_the_singular() {
        let shown = [99_999, 123_456, 4_123_456, 620_000_000].map(brief);
        let expected = ["99,999", "123\u{202f}k", "4.1\u{202f}M", "620\u{202f}M"];
        assert_eq!(shown, expected);
        let names = ["git pushes", "git fetches", "message deliveries", "steps"];
        let expected = ["git push", "git fetch", "message delivery", "step"];
        assert_eq!(names.map(singular), expected);
    }
}

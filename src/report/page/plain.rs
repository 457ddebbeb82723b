//! The part of a page that needs no script: verdicts, figures, plans, commands, and a word for each
//! term. What a script adds, such as the timeline, comes beside it or in its place.

pub(super) mod campaign;
pub(super) mod checks;
pub(super) mod run;

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::escaped;
use crate::regression::date;
use crate::verdict::NotAsked;

/// When, where and by which version something was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Made {
    /// As `2026-11-24 17:05 UTC`.
    pub when: String,
    /// The system, its kind of processor and how many there are.
    pub machine: String,
    /// Of this program.
    pub version: String,
}

impl Made {
    /// Now and here.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            when: format!("{} {hour:02}:{minute:02} UTC", date(seconds / 86_400)),
            machine: format!(
                "{} on {}, {cores} {}",
                std::env::consts::OS,
                std::env::consts::ARCH,
                if cores == 1 { "core" } else { "cores" },
            ),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Names and values, a line each; those without a value are left out.
fn facts<'a>(all: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let lines = all.into_iter().filter(|(_, value)| !value.is_empty());
    let lines = lines.map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escaped(&value)));
    format!("<dl class=\"facts\">{}</dl>", lines.collect::<String>())
}

/// The verdict, what it is of, and facts in a row.
fn headline(tone: &str, verdict: &str, title: &str, facts: &[String]) -> String {
    format!(
        "<div class=\"headline\"><span class=\"badge {tone}\">{verdict}</span><h1>{}</h1>\
         <span class=\"muted\">{}</span></div>",
        escaped(title),
        escaped(&facts.join(" · ")),
    )
}

/// A command to be copied; a script adds the button for it.
fn command(text: &str) -> String {
    format!(
        "<div class=\"command\"><code>{}</code></div>",
        escaped(text)
    )
}

/// A list under a title; nothing where it is empty.
fn list(title: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items
        .into_iter()
        .map(|item| format!("<li>{}</li>", escaped(&item)))
        .collect();
    match items.is_empty() {
        true => String::new(),
        false => format!("<div class=\"panel list\"><h2>{title}</h2><ul>{items}</ul></div>"),
    }
}

fn not_asked<'a>(of: impl IntoIterator<Item = &'a NotAsked>) -> String {
    list(
        "Rules that were not asked",
        of.into_iter().map(NotAsked::to_string),
    )
}

/// A plan that can be scrolled with the keyboard.
fn plan(text: &str) -> String {
    format!(
        "<pre tabindex=\"0\" role=\"region\" aria-label=\"The plan as text\">{}</pre>",
        escaped(text)
    )
}

fn counted(n: u64, word: &str) -> String {
    crate::report::summary::counted(n, word)
}

/// Seconds as the terminal shows them.
fn seconds(of: f64) -> String {
    format!("{of:.1} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_and_the_machine_are_named() {
        let made = Made::now();
        assert!(
            made.when.ends_with(" UTC") && made.when.len() == 20,
            "{made:?}"
        );
        assert!(made.machine.contains(" core"), "{made:?}");
        assert_eq!(made.version, env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn text_stays_text() {
        let hostile = "</dd><script>x</script>&";
        let pages = [
            facts([("a", hostile.into())]),
            headline("bad", "VIOLATED", hostile, &[hostile.into()]),
            command(hostile),
            list("a", [hostile.into()]),
            plan(hostile),
        ];
        for page in pages {
            assert!(!page.contains("<script>"), "{page}");
            assert!(
                page.contains("&lt;script&gt;x&lt;/script&gt;&amp;"),
                "{page}"
            );
        }
        assert_eq!(list("a", []), "");
        assert_eq!(facts([("a", String::new())]), "<dl class=\"facts\"></dl>");
    }
}

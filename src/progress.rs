//! How far a campaign has come: a bar on a terminal that can redraw it, plain lines elsewhere, or
//! nothing.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::Style;

/// The least time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Prints on standard error how far a campaign has come.
pub enum Progress {
    Quiet,
    Bar(ProgressBar),
    Lines { title: String, last: Instant },
}

impl Progress {
    /// Nothing when `quiet`, a bar where standard error can redraw it, else plain lines.
    pub fn begin(quiet: bool, title: &str, total: u64) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if Style::can_redraw() {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg}");
            // The template is fixed; were it wrong, the default style would do.
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(match Style::of_stderr().ascii {
                true => style.progress_chars("=> "),
                false => style,
            });
            bar.set_prefix(title.to_owned());
            return Self::Bar(bar);
        }
        Self::Lines {
            title: title.to_owned(),
            last: Instant::now(),
        }
    }

    /// So many are done, and `what` is under way.
    pub fn at(&mut self, done: u64, total: u64, what: &str) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => {
                bar.set_message(what.to_owned());
                bar.set_position(done);
            }
            Self::Lines { title, last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{title}: {done} of {total}, {what}");
                }
            }
        }
    }

    /// So many are done, of an unknown number.
    pub fn counted(&mut self, done: u64, what: &str) {
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => {
                bar.set_length(done);
                bar.set_message(what.to_owned());
                bar.set_position(done);
            }
            Self::Lines { title, last } => {
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    eprintln!("{title}: {done}, {what}");
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

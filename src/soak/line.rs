//! The one line that shows how far a soak is.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::state::SoakState;
use crate::campaign::Sample;
use crate::coverage::Sometimes;
use crate::terminal::Style;

/// The time between two lines where standard error is no terminal, at first and later on.
const FIRST_LINES: Duration = Duration::from_secs(10);
const LATER_LINES: Duration = Duration::from_secs(60);
/// The line shows the rate over this time.
const RATE_OVER: Duration = Duration::from_secs(5);

/// Shows it on standard error: in place on a terminal, else as a line now and then.
pub(super) struct Line {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    last: Instant,
    every: Duration,
    rate: Rate,
}

/// Plans a second, over the last seconds.
struct Rate {
    since: Instant,
    plans: Option<u64>,
    shown: f64,
}

impl Line {
    pub(super) fn begin(is_quiet: bool) -> Self {
        let is_shown = !is_quiet && Style::can_redraw();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(4));
            let style = ProgressStyle::with_template("{wide_msg}");
            // The template is fixed; were it wrong, the default style would do.
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        Self {
            bar,
            is_quiet,
            last: Instant::now(),
            every: FIRST_LINES,
            rate: Rate {
                since: Instant::now(),
                plans: None,
                shown: 0.0,
            },
        }
    }

    pub(super) fn show(&mut self, state: &SoakState, now: &Sample, bugs: u64) {
        self.rate.see(now.plans);
        if self.is_quiet {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(text(state, now, bugs, self.rate.shown));
        } else if self.last.elapsed() >= self.every {
            self.last = Instant::now();
            self.every = (self.every * 2).min(LATER_LINES);
            eprintln!("{}", text(state, now, bugs, self.rate.shown));
        }
    }

    /// Does something that prints, without the line in its way.
    pub(super) fn aside(&self, what: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(what),
            None => what(),
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Rate {
    fn see(&mut self, plans: u64) {
        let took = self.since.elapsed();
        if let Some(before) = self.plans {
            let rate = (plans - before) as f64 / took.as_secs_f64().max(1e-3);
            if took < RATE_OVER && self.shown > 0.0 {
                return;
            }
            if took >= Duration::from_secs(1) {
                self.shown = rate;
            }
        }
        if self.plans.is_none() || took >= RATE_OVER {
            self.plans = Some(plans);
            self.since = Instant::now();
        }
    }
}

fn text(state: &SoakState, now: &Sample, bugs: u64, rate: f64) -> String {
    let shard = match state.shard.count {
        1 => String::new(),
        _ => format!(" shard {}", state.shard),
    };
    let time = match state.most_ms {
        Some(most) => format!("{} of {}", clock(now.at_ms), clock(most)),
        None => clock(now.at_ms),
    };
    let cases = match state.most_cases {
        Some(most) => format!("{} of {} plans", now.plans, state.shard.share_of(most)),
        None => format!("{} plans", now.plans),
    };
    format!(
        "{}{shard} {time}  {cases}  {rate:.0}/s  sometimes {}/{}  violations {} ({} bugs)  {} MB",
        state.identity.setup.target,
        now.reached,
        Sometimes::all().count(),
        now.violated,
        bugs,
        now.memory >> 20,
    )
}

/// A time of so many milliseconds, as `2:03:07`.
fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}

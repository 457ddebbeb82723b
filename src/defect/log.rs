//! Mistakes around the log.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use async_trait::async_trait;

use super::wrap;
use crate::history::Level;
use crate::plan::SessionId;
use crate::worker::ports::{Line, Log, Ports};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    /// Errors are lines like all others.
    NoErrorLevel,
    /// Each attempt of a sync is its first.
    CountsAttemptsAnew,
    /// Says nothing of the syncs that the breaker stops.
    SilentBreaker,
    /// Says it of the first sync that is stopped.
    SilentBreakerOnceSaid,
    /// Says it of the session whose sync was stopped first.
    SilentBreakerOfOthers,
    /// An error that was logged before is an ordinary line.
    ErrorOnce,
    /// What has to do with git is a warning.
    GitWarns,
    /// What has to do with a deploy is a warning.
    SyncWarns,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.log, |inner| {
        Rc::new(DefectiveLog {
            inner,
            mistake,
            said: RefCell::default(),
            stopped: RefCell::default(),
        })
    });
}

struct DefectiveLog {
    inner: Rc<dyn Log>,
    mistake: Mistake,
    said: RefCell<BTreeSet<String>>,
    /// The session of the first sync that was stopped.
    stopped: RefCell<Option<SessionId>>,
}

impl DefectiveLog {
    fn was_said(&self, line: &Line) -> bool {
        !self.said.borrow_mut().insert(line.text.clone())
    }

    /// Whether it is of the session whose sync was stopped first.
    fn is_first(&self, line: &Line) -> bool {
        let mut first = self.stopped.borrow_mut();
        if first.is_none() {
            first.clone_from(&line.session);
        }
        *first == line.session
    }
}

#[async_trait(?Send)]
impl Log for DefectiveLog {
    async fn write(&self, mut line: Line) {
        match self.mistake {
            Mistake::NoErrorLevel if line.level == Level::Error => line.level = Level::Info,
            Mistake::CountsAttemptsAnew if line.text.starts_with("S3 sync attempt") => {
                line.text = "S3 sync attempt 1/3".into();
            }
            Mistake::SilentBreaker if is_stopped(&line) => return,
            Mistake::SilentBreakerOnceSaid if is_stopped(&line) && self.was_said(&line) => return,
            Mistake::SilentBreakerOfOthers if is_stopped(&line) && !self.is_first(&line) => return,
            Mistake::ErrorOnce if line.level == Level::Error && self.was_said(&line) => {
                line.level = Level::Info;
            }
            Mistake::GitWarns if has(&line, &["git", "Authentication", "Saved work"]) => {
                line.level = Level::Warn;
            }
            Mistake::SyncWarns if has(&line, &["S3"]) => line.level = Level::Warn,
            _ => {}
        }
        self.inner.write(line).await;
    }
}

fn is_stopped(line: &Line) -> bool {
    line.text.contains("Circuit breaker prevented")
}

fn has(line: &Line, words: &[&str]) -> bool {
    words.iter().any(|word| line.text.contains(word))
}

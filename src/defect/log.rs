//! Mistakes around the log.

use std::rc::Rc;

use async_trait::async_trait;

use super::wrap;
use crate::history::Level;
use crate::worker::ports::{Line, Log, Ports};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    /// Errors are lines like all others.
    NoErrorLevel,
    /// Each attempt of a sync is its first.
    CountsAttemptsAnew,
    /// Says nothing of the syncs that the breaker stops.
    SilentBreaker,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.log, |inner| {
        Rc::new(DefectiveLog { inner, mistake })
    });
}

struct DefectiveLog {
    inner: Rc<dyn Log>,
    mistake: Mistake,
}

#[async_trait(?Send)]
impl Log for DefectiveLog {
    async fn write(&self, mut line: Line) {
        match self.mistake {
            Mistake::NoErrorLevel if line.level == Level::Error => line.level = Level::Info,
            Mistake::CountsAttemptsAnew if line.text.starts_with("S3 sync attempt") => {
                line.text = "S3 sync attempt 1/3".into();
            }
            Mistake::SilentBreaker if line.text.contains("Circuit breaker prevented") => return,
            _ => {}
        }
        self.inner.write(line).await;
    }
}

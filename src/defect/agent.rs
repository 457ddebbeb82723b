//! Mistakes around the agent.

use std::rc::Rc;

use async_trait::async_trait;

use super::{FOR_EVER, wrap};
use crate::worker::ports::{Agent, Instruction, Kind, PortResult, Ports, Turn};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    IgnoresRetryAfter,
    /// Takes an error for an answer to wait for: for ever.
    HangsOnError,
    /// Takes an answer that is cut for a whole one, in which nothing is to be changed.
    TakesCut,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.agent, |inner| {
        Rc::new(DefectiveAgent { inner, mistake })
    });
}

struct DefectiveAgent {
    inner: Rc<dyn Agent>,
    mistake: Mistake,
}

#[async_trait(?Send)]
impl Agent for DefectiveAgent {
    async fn ask(&self, instruction: &Instruction, so_far: &[Turn]) -> PortResult<Turn> {
        let asked = self.inner.ask(instruction, so_far).await;
        asked.or_else(|mut error| {
            match self.mistake {
                Mistake::IgnoresRetryAfter => error.retry_after = None,
                Mistake::HangsOnError => error.retry_after = Some(FOR_EVER),
                // It came with a good status, and could not be read.
                Mistake::TakesCut if error.kind == Kind::Other && error.status.is_none() => {
                    return Ok(Turn::default());
                }
                Mistake::TakesCut => {}
            }
            Err(error)
        })
    }
}

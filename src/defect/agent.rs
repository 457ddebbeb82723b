//! Mistakes around the agent.

use std::rc::Rc;

use async_trait::async_trait;

use super::{FOR_EVER, wrap};
use crate::worker::ports::{Agent, Instruction, PortResult, Ports, Turn};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    IgnoresRetryAfter,
    /// Takes an error for an answer to wait for: for ever.
    HangsOnError,
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
        asked.map_err(|mut error| {
            error.retry_after = match self.mistake {
                Mistake::IgnoresRetryAfter => None,
                Mistake::HangsOnError => Some(FOR_EVER),
            };
            error
        })
    }
}

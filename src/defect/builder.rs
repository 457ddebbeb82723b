//! Mistakes around the builder.

use std::rc::Rc;

use async_trait::async_trait;

use super::wrap;
use crate::plan::SessionId;
use crate::worker::ports::{Build, BuildStatus, Builder, CommitId, PortResult, Ports};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    FailedIsGood,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.builder, |inner| Rc::new(Bad { inner, mistake }));
}

struct Bad {
    inner: Rc<dyn Builder>,
    mistake: Mistake,
}

#[async_trait(?Send)]
impl Builder for Bad {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        let mut build = self.inner.build(session, commit).await?;
        if self.mistake == Mistake::FailedIsGood && matches!(build.status, BuildStatus::Failed(_)) {
            build.status = BuildStatus::Good;
        }
        Ok(build)
    }
}

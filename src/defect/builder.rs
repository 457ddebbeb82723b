//! Mistakes around the builder.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;

use super::wrap;
use crate::plan::SessionId;
use crate::worker::ports::{Build, BuildStatus, Builder, CommitId, PortResult, Ports};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    FailedIsGood,
    /// The first build that a container makes cannot fail.
    FirstIsGood,
    /// Keeps the first build of each session.
    KeepsFirst,
    /// Leaves a file with the token in the output.
    TokenInOutput,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.builder, |inner| {
        Rc::new(DefectiveBuilder {
            inner,
            mistake,
            kept: RefCell::default(),
            has_built: Cell::new(false),
        })
    });
}

struct DefectiveBuilder {
    inner: Rc<dyn Builder>,
    mistake: Mistake,
    kept: RefCell<BTreeMap<SessionId, Build>>,
    has_built: Cell<bool>,
}

#[async_trait(?Send)]
impl Builder for DefectiveBuilder {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        if let Some(kept) = self.kept.borrow().get(session) {
            return Ok(kept.clone());
        }
        let mut build = self.inner.build(session, commit).await?;
        match self.mistake {
            Mistake::KeepsFirst => {
                self.kept
                    .borrow_mut()
                    .insert(session.clone(), build.clone());
            }
            Mistake::TokenInOutput => {
                let log = format!("cloned with {}", crate::target::GIT_TOKEN);
                build
                    .files
                    .insert("build.log".into(), log.as_bytes().into());
            }
            Mistake::FirstIsGood if self.has_built.replace(true) => return Ok(build),
            Mistake::FailedIsGood | Mistake::FirstIsGood => {}
        }
        let trusts = matches!(self.mistake, Mistake::FailedIsGood | Mistake::FirstIsGood);
        if trusts && matches!(build.status, BuildStatus::Failed(_)) {
            build.status = BuildStatus::Good;
        }
        Ok(build)
    }
}

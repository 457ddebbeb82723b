//! Problems that are still there, as far as the world shows them.

use super::instruction::HandlingEnd;
use super::{HandledEnd, Model};
use crate::plan::Mark;
use crate::profile::Evidence;

impl Model {
    /// Whether commits of the session's acknowledged instructions wait in the workspace.
    pub fn push_waits(&self, session: usize) -> bool {
        let own = &self.sessions[session];
        self.instructions
            .iter()
            .filter(|it| it.session == session && it.acknowledged && !it.dead_lettered)
            .any(|it| own.waits_with(it.mark))
    }

    /// Whether the newest good build of the client is one of the session's acknowledged instructions,
    /// and was never in the site. What an instruction under way makes of it is not known.
    pub fn deploy_waits(&self, session: usize) -> bool {
        let at = self.sessions[session].client;
        let client = &self.clients[at];
        if client.lost_workspace {
            return false;
        }
        let may_overtake = self.instructions.iter().any(|it| {
            it.in_flight
                && self.sessions[it.session].client == at
                && (it.session != session || self.sessions[session].has(it.mark))
        });
        if may_overtake {
            return false;
        }
        for handled in client.ends.iter().rev() {
            let Some(instruction) = self.instruction(handled.mark) else {
                return false;
            };
            // Whether it left a commit that waits is not seen.
            if !self.sees(Evidence::Workspace)
                && !self.sessions[handled.session].remote_has(handled.mark)
            {
                return false;
            }
            match (handled.end, self.end_of(instruction)) {
                (HandledEnd::Acknowledged, HandlingEnd::Failed) => {}
                (HandledEnd::Acknowledged, HandlingEnd::Good) => {
                    return handled.session == session && !self.was_shown(at, handled.mark);
                }
                _ => return false,
            }
        }
        false
    }

    /// Whether a build with this edit of the client, or a newer one, was ever whole in its site.
    pub fn was_shown(&self, client: usize, mark: Mark) -> bool {
        let is_newer = |shown: &Mark| matches!(shown, Mark::Edit(_)) && *shown >= mark;
        self.clients[client]
            .shown
            .iter()
            .any(|build| build.iter().any(is_newer))
    }
}

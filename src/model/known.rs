//! What the events alone tell of the system, in the form of what can be seen of it.

use super::Model;
use super::instruction::Instruction;
use crate::history::{Snapshot, Workspace};

impl Model {
    /// The system as the events so far show it. What lies about in workspaces beside their commits
    /// is not in events.
    pub fn known(&self) -> Snapshot {
        let marks = |is: fn(&Instruction) -> bool| {
            let of = self.instructions.iter().filter(move |i| is(i));
            of.map(|instruction| instruction.mark).collect()
        };
        let sessions = || self.sessions.iter();
        let workspace = |branch: &crate::history::Branch| Workspace {
            branch: branch.clone(),
            debris: Vec::new(),
        };
        let clients = || self.clients.iter();
        Snapshot {
            remote: sessions()
                .map(|s| (s.id.clone(), (*s.remote).clone()))
                .collect(),
            workspaces: sessions()
                .map(|s| (s.id.clone(), workspace(&s.local)))
                .collect(),
            sites: clients().map(|c| (c.id.clone(), c.site.clone())).collect(),
            records: sessions()
                .map(|s| (s.id.clone(), s.record.clone()))
                .collect(),
            queued: marks(Instruction::is_pending),
            dead_letters: marks(|instruction| instruction.dead_lettered),
            running: clients()
                .filter(|client| client.is_up)
                .map(|client| client.id.clone())
                .collect(),
        }
    }
}

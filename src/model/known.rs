//! What the events alone show of the system, as a snapshot.

use super::Model;
use super::instruction::Instruction;
use crate::history::{Snapshot, Workspace};
use crate::profile::Seen;

impl Model {
    /// The system as the events so far show it. Stray files of workspaces are not in
    /// events.
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
        let remote = sessions().map(|s| (s.id.clone(), (*s.remote).clone()));
        let workspaces = sessions().map(|s| (s.id.clone(), workspace(&s.local)));
        let sites = clients().map(|c| (c.id.clone(), c.site.clone()));
        let records = sessions().map(|s| (s.id.clone(), s.record.clone()));
        let running = clients().filter(|client| client.is_up);
        Snapshot {
            remote: Seen::Seen(remote.collect()),
            workspaces: Seen::Seen(workspaces.collect()),
            sites: Seen::Seen(sites.collect()),
            records: Seen::Seen(records.collect()),
            queued: Seen::Seen(marks(Instruction::is_pending)),
            dead_letters: Seen::Seen(marks(|instruction| instruction.dead_lettered)),
            running: Seen::Seen(running.map(|client| client.id.clone()).collect()),
        }
        .as_seen_by(&self.profile)
    }
}

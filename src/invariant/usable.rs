//! usable: what each session is sent after recovery ends done.

use super::{Breach, kinds, list};
use crate::history::{Branch, Snapshot};
use crate::model::Model;
use crate::model::instruction::Instruction;
use crate::model::session::Loss;
use crate::oracle::Objects;
use crate::plan::Mark;
use crate::verdict::Subject;

kinds! {
    USABLE:
    NOT_DONE = "not-done", "Work that was sent after recovery did not end in time.";
    DEAD_LETTER = "dead-letter", "Work that was sent after recovery became a dead letter.";
    REFUSED = "refused", "Work that was sent after recovery was acknowledged without a commit.";
    NOT_PUSHED = "not-pushed", "Work that was sent after recovery is not on the remote.";
    NOT_DEPLOYED = "not-deployed", "The site does not show the work that was sent after recovery.";
    ERROR = "error", "A session has a lastError after the work that it was sent after recovery.";
}

/// What was sent after recovery.
fn sent_again(model: &Model) -> impl Iterator<Item = &Instruction> {
    let sent = model.sent_again.map(|_| model.instructions.iter());
    sent.into_iter().flatten().filter(|it| it.sent_again)
}

/// It is acknowledged.
pub fn ended(model: &Model, _: &Snapshot) -> Option<Breach> {
    sent_again(model).find_map(|instruction| {
        let id = &model.sessions[instruction.session].id;
        let (kind, observed) = if instruction.dead_lettered {
            (DEAD_LETTER, "it is in the dead-letter queue".into())
        } else if !instruction.acknowledged {
            let receives = instruction.deliveries;
            (
                NOT_DONE,
                format!("it did not end; receives so far: {receives}"),
            )
        } else {
            return None;
        };
        let expected = format!("{}, sent to {id} after recovery, is done", instruction.mark);
        Breach::standing(Subject::Work(id.clone()), kind, expected, observed)
    })
}

/// Its commit is on the remote.
pub fn committed(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let remotes = seen.remote.get()?;
    sent_again(model).find_map(|instruction| {
        let session = &model.sessions[instruction.session];
        let id = &session.id;
        let has = |branch: &Branch| {
            let mut commits = branch.commits.iter();
            commits.any(|commit| commit.adds.contains(&instruction.mark))
        };
        if remotes.get(id).is_some_and(has) {
            return None;
        }
        let (kind, observed) = match &session.record.last_error {
            _ if has(&session.local) => (NOT_PUSHED, "only the workspace has it".into()),
            Some(error) => (
                REFUSED,
                format!("there is none; its lastError is `{error}`"),
            ),
            None => (REFUSED, "there is none".into()),
        };
        let expected = format!(
            "a commit of {}, sent to {id} after recovery, on the remote",
            instruction.mark
        );
        Breach::standing(Subject::Branch(id.clone()), kind, expected, observed)
    })
}

/// The site shows what was handled last.
pub fn deployed(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let (nothing, sites) = (Objects::new(), seen.sites.get()?);
    model.clients.iter().find_map(|client| {
        let of_last = client.ends.iter().rev().map(|handled| handled.mark);
        let newest = of_last
            .into_iter()
            .find(|mark| model.instruction(*mark).is_some_and(|it| it.sent_again))?;
        let site = sites.get(&client.id).unwrap_or(&nothing);
        let shown: &[Mark] = model.oracle.marks(site).unwrap_or_default();
        if shown.contains(&newest) {
            return None;
        }
        Breach::standing(
            Subject::Site(client.id.clone()),
            NOT_DEPLOYED,
            format!(
                "the site of {} shows {newest}, sent after recovery",
                client.id
            ),
            format!("it shows {}", list(shown)),
        )
    })
}

/// Its session has no lastError.
pub fn without_error(model: &Model, seen: &Snapshot) -> Option<Breach> {
    let records = seen.records.get()?;
    sent_again(model).find_map(|instruction| {
        let session = &model.sessions[instruction.session];
        // What a workspace was lost with may be reported only while the next instruction is handled.
        if session.loss != Loss::None {
            return None;
        }
        let id = &session.id;
        let error = records.get(id)?.last_error.as_ref()?;
        Breach::standing(
            Subject::Record(id.clone()),
            ERROR,
            format!(
                "{id} has no lastError: {}, sent after recovery, is done",
                instruction.mark
            ),
            format!("it has `{error}`"),
        )
    })
}

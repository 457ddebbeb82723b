//! What cannot be reached, whatever plans are drawn: faults that a target refuses, phases of which nothing shows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::Phase;
use crate::profile::{Evidence, Profile};

/// What a target and its profile rule out, each with the reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RuledOut {
    /// Faults, and steps that disturb at once, by name.
    pub disturbances: BTreeMap<String, String>,
    /// Phases that nothing shows.
    pub phases: BTreeMap<Phase, String>,
}

impl RuledOut {
    /// What is ruled out of a system with this profile, of which a target refuses these disturbances.
    pub fn of(profile: &Profile, refused: BTreeMap<String, String>) -> Self {
        let hidden = Phase::ALL
            .into_iter()
            .filter_map(|phase| Some((phase, hidden(profile, phase)?)));
        Self {
            disturbances: refused,
            phases: hidden.collect(),
        }
    }

    /// Adds what other runs of the same campaign rule out.
    pub fn add(&mut self, other: &Self) {
        let others = other.disturbances.iter();
        self.disturbances
            .extend(others.map(|(name, why)| (name.clone(), why.clone())));
        let others = other.phases.iter();
        self.phases
            .extend(others.map(|(phase, why)| (*phase, why.clone())));
    }
}

/// Why nothing shows that a phase begins; `None` where something does.
fn hidden(profile: &Profile, phase: Phase) -> Option<String> {
    if profile.unseen(Evidence::Log).is_none() && profile.words.shows(phase) {
        return None;
    }
    let evidence = match phase {
        Phase::Received | Phase::Done => return None,
        Phase::Editing => return Some("no words of the log show it".into()),
        Phase::Building => {
            let start = profile.start.as_ref();
            let has_shim = start.is_some_and(|start| !start.builds.commands.is_empty());
            return (!has_shim).then(|| "neither a shim nor words of the log show it".into());
        }
        Phase::Thinking => Evidence::Agent,
        Phase::Committing => Evidence::Workspace,
        Phase::Pushing => Evidence::Remote,
        Phase::Deploying => Evidence::Site,
    };
    let why = profile.unseen(evidence)?;
    Some(format!("its {evidence} cannot be seen: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_ruled_out_where_neither_words_nor_the_world_show_it() {
        let reference = RuledOut::of(&Profile::reference(), BTreeMap::new());
        assert_eq!(reference, RuledOut::default());
        let text = "version = 1\nname = \"x\"\n[names]\nsession = \"{session}\"\nbranch = \"{thread}\"\n\
                    bucket = \"site-{client}\"\n[outcome]\nreported-by = [\"log\"]\n\
                    [sees]\nagent = { not = \"it asks none\" }\n";
        let profile = Profile::parse(text).unwrap();
        let phases = RuledOut::of(&profile, BTreeMap::new()).phases;
        let hidden: Vec<Phase> = phases.keys().copied().collect();
        assert_eq!(hidden, [Phase::Thinking, Phase::Editing, Phase::Building]);
        assert!(phases[&Phase::Thinking].contains("it asks none"));
    }
}

//! The scope of an exploration, as arguments.

use clap::{Args, ValueEnum};

use crate::explore::scope::Scope;
use crate::explore::system::{Habits, ModelFault, Order};
use crate::plan::{Edit, FaultKind};

/// What has a scope of its own, or none.
const OTHERS: [&str; 3] = ["target", "mutants", "mutant"];

#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// How many clients
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    pub clients: u8,
    /// How many sessions each client has
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub sessions: u8,
    /// How many instructions are sent in all
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub instructions: u8,
    /// How many faults may be active at once
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub faults: u8,
    /// How many faults are injected in all
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
    pub injections: u8,
    /// How many crashes there may be in all
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    pub crashes: u8,
    /// How many commits are pushed from outside in all
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub outsiders: u8,
    /// How many messages come again, or ask to push again, in all
    #[arg(long, value_name = "N", conflicts_with_all = OTHERS, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub repeats: u8,
    /// What the instructions ask for, such as change,break-build
    #[arg(
        long,
        value_name = "EDITS",
        value_delimiter = ',',
        conflicts_with_all = OTHERS,
        default_value = "change"
    )]
    pub edits: Vec<String>,
    /// Which faults there are, by the names that plans have for them
    #[arg(
        long,
        value_name = "FAULTS",
        value_delimiter = ',',
        conflicts_with_all = OTHERS,
        default_value = "s3-denied"
    )]
    pub of: Vec<String>,
    /// How the system goes about its work
    #[arg(long, value_enum, conflicts_with_all = OTHERS, default_value_t = System::PushFirst)]
    pub system: System,
}

/// Systems that keep the contract, each in its own way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum System {
    /// Commits, pushes, builds, deploys
    PushFirst,
    /// Commits, builds, deploys, pushes
    DeployFirst,
    /// Pushes first, and carries out again what comes again
    Forgetful,
}

impl ScopeArgs {
    /// The scope that is meant.
    ///
    /// # Errors
    /// A name that is unknown, and the known ones.
    pub fn read(&self) -> Result<Scope, String> {
        let edits = self.edits.iter().map(|name| {
            let known = Edit::ALL.into_iter().find(|edit| edit.to_string() == *name);
            known.ok_or_else(|| unknown("edit", name, Edit::ALL.map(|edit| edit.to_string())))
        });
        let fault_kinds = self.of.iter().filter(|name| *name != "none").map(|name| {
            let known = FaultKind::ALL.into_iter().find(|kind| kind.name() == name);
            let known = known.map(ModelFault::of);
            known.ok_or_else(|| unknown("fault", name, FaultKind::ALL.map(|of| of.name().into())))
        });
        Ok(Scope {
            clients: self.clients,
            sessions: self.sessions,
            instructions: self.instructions,
            faults: self.faults,
            injections: self.injections,
            crashes: self.crashes,
            outsiders: self.outsiders,
            repeats: self.repeats,
            edits: edits.collect::<Result<_, _>>()?,
            fault_kinds: fault_kinds.collect::<Result<_, _>>()?,
            habits: Habits {
                order: match self.system {
                    System::DeployFirst => Order::DeployFirst,
                    System::PushFirst | System::Forgetful => Order::PushFirst,
                },
                is_forgetful: self.system == System::Forgetful,
                mutant: None,
            },
            ..Scope::default()
        })
    }
}

fn unknown<const N: usize>(what: &str, name: &str, known: [String; N]) -> String {
    format!("unknown {what} `{name}`; known: {}", known.join(", "))
}

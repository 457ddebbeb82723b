//! Shakedown: a property-based, model-checked recovery tester.
//!
//! The systems that it tests take instructions, let an AI agent edit a git branch, build a static
//! site and deploy it to S3. It disturbs them with faults in the middle of their work, heals
//! everything, gives them ten minutes to recover without help, and judges by a written contract
//! what the world saw of it: no broken build deployed, no commit dropped, nothing lost.
//!
//! A system that forces a rejected push loses another author's commit. Three steps show it:
//!
//! ```
//! use shakedown::defect::{Defect, planted_sim};
//! use shakedown::plan::Plan;
//! use shakedown::runner;
//! use shakedown::verdict::{Rule, Verdict};
//!
//! let plan: Plan = "# shakedown plan v1
//! session acme/home
//! instruct acme/home change
//! until acme/home committing
//! push-from-outside acme/home clean
//! ".parse()?;
//! let forces_pushes = planted_sim(Defect::by_name("force-push").expect("it is one of them"));
//! let Verdict::Violated(violation) = runner::run(&forces_pushes, &plan, 7).verdict else {
//!     panic!("the mistake is found");
//! };
//! assert_eq!(violation.rule, Rule::CommitsPreserved);
//! assert_eq!(violation.expected, "every commit of acme/home stays on its branch on the remote");
//! assert_eq!(violation.observed, "gone: `Outside change outside-1`");
//! # Ok::<(), shakedown::plan::ParseError>(())
//! ```
//!
//! A [`Plan`](plan::Plan) says what is done, step by step. A [`Target`](target::Target) is a kind
//! of system to do it to: [`Sim`](target::sim::Sim) runs the reference worker in virtual time,
//! [`Local`](target::local::Local) as real processes on a loopback cloud, and a crate with a system
//! of its own implements the trait and writes one line in its tests, [`check`](check()). The
//! [`runner`] carries a plan out and asks the rules about every event, by what a reference model
//! knows from the events before.
//!
//! A [`campaign`] does that with many plans, which [`generate`] draws from the model, and a plan
//! that breaks a rule is made as short as it can be by [`shrink`], explained by [`explain`] and kept
//! by [`regression`]. That the rules can catch something is shown by planting mistakes: [`defect`].

#![deny(missing_docs)]

/// As that of the standard library, in the whole crate; what cannot be written is no panic, and control characters are
/// shown and not obeyed.
macro_rules! eprintln {
    ($($part:tt)*) => {
        $crate::terminal::say(format_args!($($part)*))
    };
}

mod terminal;

// What is done, and who says what makes sense.
pub(crate) mod files;
mod http;

mod reading;

pub(crate) mod error;

pub mod plan;

pub(crate) mod model;

pub mod generate;

// Where it is done, and what is seen of it.
pub mod target;

pub(crate) mod cloud;

mod scratch;

pub(crate) mod judge;

pub mod runner;

pub mod history;

pub mod profile;

mod queue;

mod chance;

mod process;

// What is said of it.
pub mod invariant;

pub mod oracle;

pub mod verdict;

pub mod coverage;

pub mod conformance;

pub(crate) mod explore;

// Many plans, and what is left of them.
pub mod finding;

pub(crate) mod repeat;

pub mod campaign;

pub mod check;

pub use check::{Check, check};

pub(crate) mod soak;

pub(crate) mod durable;

pub(crate) mod progress;

pub mod shrink;

pub mod explain;

pub mod scenario;

pub mod regression;

pub mod report;

// What is tested by default, and what is planted in it.
pub mod site;

pub(crate) mod worker;

pub mod defect;

// The program.
pub(crate) mod agent_stub;
pub(crate) mod build_shim;
mod cli;

pub use cli::main;

//! Everything at small scope: every state of the reference model, every short plan.

pub mod plans;

pub mod mutant;

pub mod checker;
pub mod part;
pub mod recovery;
pub mod run;
pub mod scope;
pub mod shared;
pub mod space;
pub mod story;
pub mod system;
mod table;

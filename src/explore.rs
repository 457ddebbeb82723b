//! Everything at small scope: every state of the reference model, every short plan.

pub mod plans;

pub mod mutant;

pub mod checker;
pub mod client;
mod moves;
pub mod nearby;
pub mod recovery;
pub mod run;
pub mod scope;
pub mod search;
mod seen;
pub mod shared;
pub mod space;
pub mod story;
pub mod system;
mod table;
pub mod verify;

#[cfg(test)]
mod tests;

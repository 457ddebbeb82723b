//! Everything at small scope: every state of the reference model, every short plan.

pub mod plans;

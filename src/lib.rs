//! Shakedown: a property-based, model-checked recovery tester.

pub mod plan;
pub mod generate;
pub mod target;
pub mod runner;
pub mod history;
pub mod words;
pub mod verdict;
pub mod site;
pub mod worker;

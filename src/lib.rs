//! Shakedown: a property-based, model-checked recovery tester.

pub mod plan;
pub mod history;
pub mod verdict;
pub mod words;
pub mod target;
pub mod site;
pub mod worker;

//! Shakedown: a property-based, model-checked recovery tester.

pub mod campaign;
pub mod cloud;
pub mod coverage;
pub mod defect;
pub mod generate;
pub mod history;
pub mod invariant;
pub mod model;
pub mod plan;
pub mod progress;
pub mod regression;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod shrink;
pub mod site;
pub mod target;
pub mod verdict;
pub mod words;
pub mod worker;

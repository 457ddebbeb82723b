//! All integration tests in one binary: each further one would link the SDK crates again.

mod program;

mod astro;
mod aws;
mod bad_input;
mod build_shim;
mod campaign;
mod check;
mod cli;
mod clients;
mod cloud;
mod conformance;
mod docs;
mod environment;
mod exploration;
mod first_use;
mod foreign;
mod history;
mod hosts;
mod killed;
mod known;
mod layers;
mod local;
mod local_defects;
mod plan_text;
mod random_plans;
mod regressions;
mod release;
mod reports;
mod scenarios;
mod shrinker;
mod shrinking;
mod soak;

//! The reference edit system.

pub mod ports;

//! Soaks from outside: killed at random moments, shared out, and asked for in wrong ways.

mod commands;
mod killed;

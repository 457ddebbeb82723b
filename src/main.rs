//! The binary; all of it is [`shakedown::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    shakedown::main()
}

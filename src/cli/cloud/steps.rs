//! Steps for a cloud that runs alone: those of a plan, then those that somebody writes on the standard input.

use std::io::{self, BufRead, IsTerminal};
use std::os::unix::fs::FileTypeExt;

use nix::sys::signal::{SigHandler, Signal, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cloud::{Cloud, CloudConfig, Trap};
use crate::plan::{Fault, Plan, SessionId, Step, UNTIL_BOUND, VERSION_LINE};
use crate::target::TargetError;
use crate::target::local::ByHand;

/// Carries steps out, one after the other.
pub(super) struct Steps<'a> {
    cloud: &'a Cloud,
    by_hand: ByHand,
    /// Those that were carried out, by which the marks of the next are known.
    done: Plan,
    quiet: bool,
    /// Whether one was none, or could not be carried out.
    has_refused: bool,
}

impl<'a> Steps<'a> {
    pub(super) fn new(
        cloud: &'a Cloud,
        config: &CloudConfig,
        quiet: bool,
    ) -> Result<Self, TargetError> {
        Ok(Self {
            cloud,
            by_hand: ByHand::new(cloud, config)?,
            done: Plan {
                sessions: config.sessions.clone(),
                ..Plan::default()
            },
            quiet,
            has_refused: false,
        })
    }

    /// Carries out the steps of a plan, then those that come, until none can come any more. Returns whether all were
    /// steps that could be carried out.
    pub(super) async fn run(mut self, plan: &[Step], mut lines: UnboundedReceiver<String>) -> bool {
        for step in plan {
            self.next(step.clone()).await;
        }
        while let Some(line) = lines.recv().await {
            match read(&self.done.sessions, &line) {
                Ok(steps) => {
                    for step in steps {
                        self.next(step).await;
                    }
                }
                Err(why) => self.refuse(&line, &why),
            }
        }
        !self.has_refused
    }

    fn refuse(&mut self, step: &str, why: &dyn std::fmt::Display) {
        eprintln!("`{}` is left out: {why}", step.trim());
        self.has_refused = true;
    }

    async fn next(&mut self, step: Step) {
        self.done.steps.push(step.clone());
        if !self.quiet {
            let at = self.cloud.recorder().now().as_secs_f64();
            eprintln!("{at:>9.3} s  {step}");
        }
        if let Err(why) = self.carry_out(&step).await {
            self.refuse(&step.to_string(), &why);
        }
    }

    async fn carry_out(&self, step: &Step) -> Result<(), TargetError> {
        let mark = self.done.marks().pop().flatten();
        let recorder = self.cloud.recorder();
        match (step, mark) {
            (
                Step::Until {
                    session,
                    phase,
                    requests,
                },
                _,
            ) => {
                recorder.set_trap(Trap::Phase {
                    session: session.clone(),
                    phase: *phase,
                    requests: *requests,
                });
                let sprung = async {
                    loop {
                        let changed = recorder.changed();
                        if recorder.sprung() {
                            return;
                        }
                        changed.await;
                    }
                };
                let limit = recorder.real(UNTIL_BOUND);
                return tokio::time::timeout(limit, sprung).await.map_err(|_| {
                    cannot(
                        step,
                        "the phase did not come within 150 s of the system's time",
                    )
                });
            }
            (Step::Wait(time), _) => {
                recorder.release();
                tokio::time::sleep(recorder.real(*time)).await;
                return Ok(());
            }
            (Step::Inject(fault) | Step::Heal(fault), _) => {
                if let Fault::OutOfMemory(_) = fault {
                    return Err(cannot(step, "the memory of the worker is not the cloud's"));
                }
                let is_on = matches!(step, Step::Inject(_));
                self.cloud.set_fault(fault, is_on)?;
                if let Fault::Partition(client) = fault {
                    self.cloud.settled(client).await?;
                }
            }
            (Step::Instruct(session, edit), Some(mark)) => {
                self.by_hand.instruct(self.cloud, session, *edit, mark)?;
            }
            (Step::PushFromOutside(session, outsider), Some(mark)) => {
                self.cloud.push_from_outside(session, *outsider, mark)?;
            }
            (Step::RetryPush(session), _) => self.cloud.send_retry(session)?,
            (Step::Redeliver(session), _) => {
                if !self.cloud.redeliver(session) {
                    return Err(cannot(
                        step,
                        "no instruction of the session was acknowledged",
                    ));
                }
            }
            (Step::Instruct(..) | Step::PushFromOutside(..), None) => {
                return Err(cannot(step, "it has no mark"));
            }
            (Step::Crash(_) | Step::LoseWorkspace(_) | Step::UntilStarted { .. }, _) => {
                return Err(cannot(
                    step,
                    "the worker is not the cloud's: end and start it by hand",
                ));
            }
        }
        // What the step before held goes on after this one.
        recorder.release();
        Ok(())
    }
}

fn cannot(step: &Step, why: &str) -> TargetError {
    let remedy = "leave it out, or run the plan with `shakedown replay --target local`";
    TargetError::new(
        format!("carrying out `{step}` on a cloud alone"),
        why,
        remedy,
    )
}

/// Reads a line: a step, or nothing but a comment.
fn read(sessions: &[SessionId], line: &str) -> Result<Vec<Step>, String> {
    let declared: String = sessions
        .iter()
        .map(|session| format!("session {session}\n"))
        .collect();
    let text = format!("{VERSION_LINE}\n{declared}{line}\n");
    let plan: Plan = text.parse().map_err(|error: crate::plan::ParseError| {
        format!("column {}: {}", error.column, error.message)
    })?;
    Ok(plan.steps)
}

/// The lines of the standard input, where it is a pipe or the terminal of this program. They end with it; one that was
/// given nothing, as a program in the background, never ends.
pub(super) fn lines() -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    let read = move || {
        // Kept open, so that the lines never end.
        if !is_read_to_its_end(&mut |line| sender.send(line).is_ok()) {
            std::mem::forget(sender);
        }
    };
    // Not a task: a read under way would hold up the end of the runtime. Where there is no thread for it, it counts as
    // having ended.
    let _ = std::thread::Builder::new().spawn(read);
    receiver
}

fn is_read_to_its_end(take: &mut dyn FnMut(String) -> bool) -> bool {
    let is_pipe = std::fs::metadata("/dev/stdin")
        .is_ok_and(|file| file.file_type().is_fifo() || file.file_type().is_socket());
    if !is_pipe && !io::stdin().is_terminal() {
        return false;
    }
    // SAFETY: no handler is installed. In the background a read then fails, and stops nothing.
    if unsafe { signal(Signal::SIGTTIN, SigHandler::SigIgn) }.is_err() {
        return false;
    }
    let mut line = Vec::new();
    loop {
        match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(0) => return true,
            Ok(_) => {
                if !take(String::from_utf8_lossy(&line).trim_end().to_owned()) {
                    return true;
                }
                line.clear();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_step_a_comment_or_what_is_wrong_with_it() {
        let sessions = [SessionId::new("acme", "home")];
        let steps = read(&sessions, "inject git-down").unwrap();
        assert_eq!(steps, [Step::Inject(Fault::GitDown)]);
        assert_eq!(read(&sessions, "# nothing"), Ok(vec![]));
        assert_eq!(read(&sessions, ""), Ok(vec![]));
        for (line, part) in [
            ("inject git-dwn", "column 8: unknown fault"),
            ("instruct acme/blog change", "column 10: "),
            ("session acme/home", "declared twice"),
        ] {
            let error = read(&sessions, line).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}

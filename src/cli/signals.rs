//! Ctrl-C and its like: the first one ends after the step under way, the second at once.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use crate::target::Interrupt;
use nix::sys::signal::{SigHandler, Signal};
use tokio::signal::unix::{Signal as Listened, SignalKind, signal};

use crate::cli::dispatch::Exit;
use crate::{process, scratch};

/// An interrupt that the first SIGINT, SIGTERM, SIGHUP or SIGQUIT sets; the second ends the program at once.
pub fn interrupted_by_signals() -> Interrupt {
    let interrupt = Interrupt::default();
    let to_set = interrupt.clone();
    let (ready, is_ready) = mpsc::channel();
    let thread = std::thread::Builder::new().name("signals".into());
    let listening = thread.spawn(move || {
        let listened = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| runtime.block_on(listen(&to_set, &ready)));
        if let Err(error) = listened {
            // A signal then ends the program as it would any other.
            tracing::warn!("cannot listen for signals: {error}");
        }
    });
    match listening {
        // Comes when the thread listens, or has given up.
        Ok(_) => drop(is_ready.recv()),
        Err(error) => tracing::warn!("cannot listen for signals: {error}"),
    }
    interrupt
}

/// The signals that end the program, listened to from now on; within a runtime.
pub fn listened() -> std::io::Result<Vec<Listened>> {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::quit(),
    ];
    let hangup = (!ignores_hangup()).then_some(SignalKind::hangup());
    kinds.into_iter().chain(hangup).map(signal).collect()
}

async fn listen(interrupt: &Interrupt, ready: &mpsc::Sender<()>) -> std::io::Result<()> {
    let mut listened = listened()?;
    let _ = ready.send(());
    any(&mut listened).await;
    interrupt.store(true, Ordering::Relaxed);
    eprintln!("ending after the step under way; once more ends at once");
    any(&mut listened).await;
    eprintln!("ended at once; what was running is stopped, and its folders are removed");
    process::kill_descendants();
    scratch::remove_all();
    std::process::exit(Exit::Unknown as i32)
}

/// Waits for any of the signals.
pub async fn any(listened: &mut [Listened]) {
    let each = listened.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures::future::select_all(each).await;
}

/// Whether SIGHUP is to be ignored, as `nohup` has it for its program.
fn ignores_hangup() -> bool {
    // SAFETY: no handler of this program is put in its place or taken away: both are the system's own.
    let before = unsafe { nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigIgn) };
    let is_ignored = matches!(before, Ok(SigHandler::SigIgn));
    if !is_ignored {
        // SAFETY: as above.
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGHUP, SigHandler::SigDfl) };
    }
    is_ignored
}

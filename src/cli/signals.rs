//! Ctrl-C: the first one ends after the step under way, the second at once.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use crate::target::Interrupt;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::dispatch::Exit;

/// An interrupt that the first SIGINT or SIGTERM sets; the second ends the program at once.
pub fn interrupted_by_signals() -> Interrupt {
    let interrupt = Interrupt::default();
    let to_set = interrupt.clone();
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let listened = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .and_then(|runtime| runtime.block_on(listen(&to_set, &ready)));
        if let Err(error) = listened {
            // A signal then ends the program as it would any other.
            tracing::warn!("cannot listen for signals: {error}");
        }
    });
    // Comes when the thread listens, or has given up.
    let _ = is_ready.recv();
    interrupt
}

async fn listen(interrupt: &Interrupt, ready: &mpsc::Sender<()>) -> std::io::Result<()> {
    let mut int = signal(SignalKind::interrupt())?;
    let mut term = signal(SignalKind::terminate())?;
    let _ = ready.send(());
    for is_first in [true, false] {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        if is_first {
            eprintln!("ending after the step under way; once more ends at once");
            interrupt.store(true, Ordering::Relaxed);
        }
    }
    std::process::exit(Exit::Unknown as i32)
}

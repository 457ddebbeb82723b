//! What a container prints is its log: its lines are recorded as they come.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cloud::ContainerLog;

/// The most bytes of a line that are kept.
const LONGEST: usize = 16 * 1024;
/// The most bytes of a container's output that are recorded in a run: a system that floods its log
/// fills neither memory nor history.
const MOST: usize = 8 * 1024 * 1024;
/// What a line takes beside its text, in bytes: empty ones count too.
const OF_LINE: usize = 200;

/// Records the lines of one client's containers.
#[derive(Clone)]
pub(super) struct LogSink {
    log: Arc<ContainerLog>,
    recorded: Arc<AtomicUsize>,
    /// Streams that are being read.
    open: Arc<AtomicUsize>,
}

impl LogSink {
    pub(super) fn new(log: ContainerLog) -> Self {
        Self {
            log: Arc::new(log),
            recorded: Arc::default(),
            open: Arc::default(),
        }
    }

    /// Whether all that was printed is recorded, since nobody can print more.
    pub(super) fn has_ended(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Reads a stream to its end, on a thread of its own. The stream ends with the last process that
    /// holds it. The lines also go to a file, whose end says why a container died.
    pub(super) fn take(
        &self,
        stream: Option<impl Read + Send + 'static>,
        copy: &Path,
    ) -> io::Result<()> {
        let Some(stream) = stream else {
            return Ok(());
        };
        let sink = self.clone();
        let mut copy = OpenOptions::new().append(true).open(copy)?;
        let read = move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            // Unreadable output ends the log, not the run.
            while sink.next_line(&mut stream, &mut line).unwrap_or(false) {
                let before = sink
                    .recorded
                    .fetch_add(line.len() + OF_LINE, Ordering::Relaxed);
                if before > MOST {
                    continue;
                }
                if before + line.len() + OF_LINE > MOST {
                    line = b"(the container printed more than is recorded)".to_vec();
                }
                let text = String::from_utf8_lossy(&line);
                // The copy is for last words only.
                let _ = writeln!(copy, "{text}");
                sink.log.line(&text);
            }
            sink.open.fetch_sub(1, Ordering::Release);
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        let thread = std::thread::Builder::new().name("container-log".into());
        let started = thread.spawn(read).map(drop);
        if started.is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        started
    }

    /// Reads the next line, as far as it is kept. Returns whether there was one.
    fn next_line(&self, stream: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let mut read = 0;
        loop {
            let bytes = stream.fill_buf()?;
            if bytes.is_empty() {
                return Ok(read > 0);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let room = LONGEST.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            let used = part.len() + usize::from(end.is_some());
            read += used;
            stream.consume(used);
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(true);
            }
        }
    }
}

//! Work that is handed over without a queue: by HTTP, which is tried until the system takes it, by a
//! file or a command. It ends when its outcome is reported.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};
use std::{io, process, thread};

use super::run::LocalRun;
use crate::history::{Event, What};
use crate::http::{Call, Reply};
use crate::plan::{ClientId, Mark, SessionId};
use crate::target::TargetError;

/// How long after a request that was not taken the next one is made, in real time.
const AGAIN: Duration = Duration::from_millis(300);
/// How long the system may take to answer one, in real time.
const WITHIN: Duration = Duration::from_secs(60);

/// The instructions that are handed over without a queue.
#[derive(Default)]
pub(super) struct Direct {
    /// What the system has not taken yet, in order.
    waiting: Vec<Waiting>,
    at_work: BTreeMap<Mark, SessionId>,
}

struct Waiting {
    session: SessionId,
    mark: Mark,
    call: Call,
    state: State,
}

enum State {
    /// A request can be made from then on.
    From(Instant),
    Asked(Receiver<io::Result<Reply>>),
}

impl Direct {
    /// Hands an instruction over by a request, once the system takes it.
    pub(super) fn send(&mut self, session: &SessionId, mark: Mark, call: Call) {
        self.waiting.push(Waiting {
            session: session.clone(),
            mark,
            call,
            state: State::From(Instant::now()),
        });
    }

    /// Whether the client has no instruction left.
    pub(super) fn is_idle(&self, client: &ClientId) -> bool {
        let waiting = self.waiting.iter().map(|it| &it.session);
        let mut all = waiting.chain(self.at_work.values());
        !all.any(|session| session.client == *client)
    }

    /// The marks of the instructions that are not over.
    pub(super) fn queued(&self) -> Vec<Mark> {
        let waiting = self.waiting.iter().map(|it| it.mark);
        waiting.chain(self.at_work.keys().copied()).collect()
    }

    /// Takes an instruction off those that the system has not taken yet.
    fn take(&mut self, mark: Mark) -> Option<SessionId> {
        let at = self.waiting.iter().position(|it| it.mark == mark)?;
        Some(self.waiting.remove(at).session)
    }

    /// The first instruction of each client that the system answered.
    fn answered(&mut self) -> Vec<(Mark, io::Result<Reply>)> {
        let mut answered = Vec::new();
        let mut seen: Vec<ClientId> = Vec::new();
        for it in &mut self.waiting {
            if seen.contains(&it.session.client) {
                continue;
            }
            seen.push(it.session.client.clone());
            match &it.state {
                State::From(at) if *at <= Instant::now() => it.state = State::Asked(ask(&it.call)),
                State::From(_) => {}
                State::Asked(answer) => match answer.try_recv() {
                    Ok(answer) => {
                        it.state = State::From(Instant::now() + AGAIN);
                        answered.push((it.mark, answer));
                    }
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => it.state = State::From(Instant::now()),
                },
            }
        }
        answered
    }
}

/// Makes a request on a thread of its own, for the system may take its time.
fn ask(call: &Call) -> Receiver<io::Result<Reply>> {
    let (sender, receiver) = channel();
    let call = call.clone();
    let ask = move || {
        // Nobody waits for the answer once the run is over.
        let _ = sender.send(call.make(Some(WITHIN)));
    };
    // Without a thread the request is made later.
    let _ = thread::Builder::new().name("accept".into()).spawn(ask);
    receiver
}

impl LocalRun {
    /// An instruction went to the system.
    pub(super) fn handed_over(&mut self, session: SessionId, mark: Mark) {
        self.direct.at_work.insert(mark, session.clone());
        self.emit(What::Delivered {
            session,
            mark,
            receives: 1,
        });
    }

    /// Makes the requests that hand instructions over, until the system takes them.
    pub(super) fn look_after_requests(&mut self) -> Result<(), TargetError> {
        for (mark, answer) in self.direct.answered() {
            match answer {
                Ok(reply) if reply.status / 100 == 2 => {
                    if let Some(session) = self.direct.take(mark) {
                        self.handed_over(session, mark);
                    }
                }
                // Not now, or not any more: 408, 409, 425, 429, or it is broken.
                Ok(reply) if matches!(reply.status, 408 | 409 | 425 | 429 | 500..) => {}
                Ok(reply) => {
                    let said = String::from_utf8_lossy(&reply.body);
                    let said = said.lines().next().unwrap_or_default();
                    return Err(TargetError::new(
                        format!("handing {mark} to the system by HTTP"),
                        format!("it answered {}: {said}", reply.status),
                        "change [[accept]] in the profile",
                    ));
                }
                // Nobody listens: the container is down.
                Err(error) => tracing::debug!("handing {mark} over: {error}"),
            }
        }
        Ok(())
    }

    /// Notes the outcome of an instruction that was handed over without a queue: that is its end.
    pub(super) fn note_outcome(&mut self, event: Event) {
        let What::OutcomeReported { mark, .. } = event.what else {
            return self.take(event);
        };
        // The answer to the request may be slower than the work.
        if let Some(session) = self.direct.take(mark) {
            self.handed_over(session, mark);
        }
        self.take(event);
        if let Some(session) = self.direct.at_work.remove(&mark) {
            self.emit(What::Acknowledged { session, mark });
        }
    }
}

/// A port of the loopback interface that nobody listens on, below those that systems give to connections.
pub(super) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const MANY: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(process::id() % u32::from(MANY)).unwrap_or_default();
    let ports = (0..MANY).map(|_| {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % MANY;
        FIRST + (next + own.wrapping_mul(37) % MANY) % MANY
    });
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    // Where all are taken, the worker says so.
    ports.into_iter().find(is_free).unwrap_or(FIRST)
}

/// Whether a URL answers that all is well.
pub(super) fn is_answered(url: &str) -> bool {
    let call = Call {
        method: "GET".into(),
        url: url.to_owned(),
        ..Call::default()
    };
    let reply = call.make(Some(Duration::from_secs(1)));
    reply.is_ok_and(|reply| reply.status / 100 == 2)
}

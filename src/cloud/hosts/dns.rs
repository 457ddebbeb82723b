//! The name server of a network of its own (RFC 1035): known hosts are here, others do not exist.

use std::sync::Arc;

use tokio::net::UdpSocket;

use super::{is_own, record_unknown};
use crate::cloud::services::Services;
use crate::plan::ClientId;

/// The types of records that are asked for.
const A: u16 = 1;
const IN: u16 = 1;
/// Responses: that there is no such name, and that a question was not understood.
const NO_SUCH_NAME: u8 = 3;
const NOT_UNDERSTOOD: u8 = 1;
/// How long an answer may be kept, in seconds.
const KEPT: u32 = 60;

/// Answers questions until it is dropped.
pub(in crate::cloud) async fn serve(services: Arc<Services>, client: ClientId, socket: UdpSocket) {
    let mut packet = [0; 512];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else {
            // It has ended before its answer came.
            continue;
        };
        let Some(hosts) = &services.hosts else { return };
        let packet = &packet[..length];
        let question = Question::read(packet);
        let is_known = question.as_ref().map(|question| {
            let name = &question.name;
            let is_known = is_own(name) || hosts.service(name).is_some();
            // Programs ask for both kinds of addresses.
            if !is_known && question.kind == A {
                record_unknown(&services, &client, name);
            }
            is_known
        });
        let answer = answer(packet, question.as_ref(), is_known.unwrap_or_default());
        if let Some(answer) = answer {
            // A program that is gone needs none.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Question {
    name: String,
    kind: u16,
    class: u16,
    /// Where the question ends in its packet.
    end: usize,
}

/// The length of what comes before the question.
const HEAD: usize = 12;

impl Question {
    /// Reads a packet with one question.
    fn read(packet: &[u8]) -> Option<Self> {
        let is_response = packet.get(2)? & 0x80 != 0;
        if is_response || packet.get(4..6)? != [0, 1] {
            return None;
        }
        let (mut at, mut labels) = (HEAD, Vec::new());
        loop {
            let length = usize::from(*packet.get(at)?);
            at += 1;
            match length {
                0 => break,
                1..=63 => labels.push(String::from_utf8_lossy(packet.get(at..at + length)?)),
                // A question refers to nothing before it.
                _ => return None,
            }
            at += length;
        }
        let number = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
        Some(Self {
            name: labels.join(".").to_ascii_lowercase(),
            kind: number(at)?,
            class: number(at + 2)?,
            end: at + 4,
        })
    }
}

/// The answer to a packet; `None` where it is not even one.
fn answer(packet: &[u8], question: Option<&Question>, is_known: bool) -> Option<Vec<u8>> {
    let id = packet.get(..2)?;
    let asks_on = packet.get(2)? & 0x01;
    let result = match question {
        None => NOT_UNDERSTOOD,
        Some(_) if is_known => 0,
        Some(_) => NO_SUCH_NAME,
    };
    let is_here = is_known && question.is_some_and(|it| (it.kind, it.class) == (A, IN));
    // An answer, by one with authority, who asks others where that is wanted.
    let mut out = [id, &[0x84 | asks_on, 0x80 | result]].concat();
    out.extend([
        0,
        u8::from(question.is_some()),
        0,
        u8::from(is_here),
        0,
        0,
        0,
        0,
    ]);
    if let Some(question) = question {
        out.extend(&packet[HEAD..question.end]);
    }
    if is_here {
        // The name is that of the question.
        out.extend([0xc0, HEAD as u8, 0, 1, 0, 1]);
        out.extend(KEPT.to_be_bytes());
        out.extend([0, 4, 127, 0, 0, 1]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut packet = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            packet.push(label.len() as u8);
            packet.extend(label.as_bytes());
        }
        packet.extend([0, 0, kind, 0, 1]);
        packet
    }

    #[test]
    fn a_known_name_is_here_and_an_unknown_one_does_not_exist() {
        let packet = query("S3.us-west-2.amazonaws.com", 1);
        let question = Question::read(&packet).unwrap();
        assert_eq!(question.name, "s3.us-west-2.amazonaws.com");
        let known = answer(&packet, Some(&question), true).unwrap();
        assert_eq!((&known[..2], known[3] & 15, known[7]), (&[7, 9][..], 0, 1));
        assert!(known.ends_with(&[0, 4, 127, 0, 0, 1]));
        let unknown = answer(&packet, Some(&question), false).unwrap();
        assert_eq!((unknown[3] & 15, unknown[7]), (NO_SUCH_NAME, 0));
    }

    #[test]
    fn a_known_name_has_no_other_address() {
        let packet = query("github.com", 28);
        let question = Question::read(&packet).unwrap();
        let known = answer(&packet, Some(&question), true).unwrap();
        assert_eq!((known[3] & 15, known[7], known.len()), (0, 0, packet.len()));
    }

    #[test]
    fn what_is_no_question_is_not_understood() {
        let packet = query("github.com", 1);
        for end in 0..packet.len() {
            assert_eq!(Question::read(&packet[..end]), None, "{end}");
        }
        let refers = [7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1];
        assert_eq!(Question::read(&refers), None);
        assert_eq!(
            answer(&refers, None, false).unwrap()[3] & 15,
            NOT_UNDERSTOOD
        );
        assert_eq!(answer(&[7], None, false), None);
    }
}

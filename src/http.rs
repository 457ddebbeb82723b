//! A client for plain HTTP/1.1, as small as the tester's own calls need it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Call {
    pub method: String,
    /// `http://HOST:PORT/PATH`.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The status of an answer, and its body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Call {
    /// A request with a JSON body.
    pub fn post(url: String, body: String) -> Self {
        Self {
            method: "POST".into(),
            url,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body,
        }
    }

    /// Makes the request, and waits for the answer; for each part of it so long at most, in real time.
    ///
    /// # Errors
    /// Where the URL is of another form, nobody listens, or no whole answer comes.
    pub fn make(&self, within: Option<Duration>) -> io::Result<Reply> {
        let wrong = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let rest = self.url.strip_prefix("http://");
        let rest = rest.ok_or_else(|| wrong("the URL does not begin with http://"))?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let path = if path.is_empty() { "/" } else { path };
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(within)?;
        stream.set_write_timeout(within)?;
        let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", self.method);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.len();
        head.push_str(&format!(
            "Content-Length: {length}\r\nConnection: close\r\n\r\n"
        ));
        stream.write_all(head.as_bytes())?;
        stream.write_all(self.body.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.ok_or_else(|| wrong("no answer"))? + 4;
        let head = String::from_utf8_lossy(&answer[..end]);
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Ok(Reply {
            status: status.ok_or_else(|| wrong("the answer has no status"))?,
            body: answer.split_off(end),
        })
    }
}

/// The most bytes of an answer that are read.
const LONGEST: u64 = 16 * 1024 * 1024;

//! `shakedown cloud`: the loopback cloud alone, as a shell starts it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::program;

/// A running cloud, and the environment that it printed.
pub struct Cloud {
    process: Child,
    /// Its standard input; the cloud ends when it is dropped.
    pub input: Option<ChildStdin>,
    pub environment: BTreeMap<String, String>,
}

impl Cloud {
    /// Starts it in a folder, and reads what it prints.
    pub fn start(args: &[&str]) -> Self {
        let folder = std::env::temp_dir();
        let mut process = program::command(&folder, &["cloud"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let mut environment = BTreeMap::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((name, value)) = line
                .strip_prefix("export ")
                .and_then(|line| line.split_once('='))
            {
                environment.insert(name.to_owned(), value.trim_matches('\'').to_owned());
            }
            if line.starts_with("export TIME_SCALE=") {
                break;
            }
        }
        Self {
            process,
            input,
            environment,
        }
    }

    pub fn url(&self) -> &str {
        &self.environment["AWS_ENDPOINT_URL"]
    }

    fn address(&self) -> &str {
        self.url().trim_start_matches("http://")
    }

    /// How it ended, and what it had printed on standard error.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it goes on");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut text = String::new();
        let mut errors = self.process.stderr.take().unwrap();
        errors.read_to_string(&mut text).unwrap();
        (status, text)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_prints_an_environment_shows_requests_and_ends_with_its_input_or_a_signal() {
    let mut cloud = Cloud::start(&["acme/home", "globex/home"]);
    assert_eq!(cloud.environment["CLIENT_ID"], "acme");
    assert_eq!(cloud.environment["TIME_SCALE"], "1");
    let mut stream = TcpStream::connect(cloud.address()).unwrap();
    stream
        .write_all(b"GET /nothing/here HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    drop(cloud.input.take());
    let address = cloud.address().to_owned();
    let (status, shown) = cloud.ended();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(shown.contains("GET /nothing/here"), "{shown}");
    assert!(TcpStream::connect(address).is_err());

    let cloud = Cloud::start(&["--quiet"]);
    let id = nix::unistd::Pid::from_raw(cloud.process.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (status, shown) = cloud.ended();
    assert_eq!((status.code(), shown.as_str()), (Some(0), ""));
}

#[test]
fn what_is_wrong_with_its_arguments_is_printed() {
    let folder = std::env::temp_dir();
    for (args, part) in [
        (&["cloud", "acme"][..], "as acme/home"),
        (&["cloud", "--time-scale", "0"], "0.001"),
        (&["cloud", "--profile", "none.toml"], "none.toml"),
    ] {
        let out = program::run(&folder, args);
        program::check(&out, 64, &[part]);
    }
}

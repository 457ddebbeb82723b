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
        let last = match args.contains(&"--hosts") {
            true => "export SHAKEDOWN_FRONT=",
            false => "export TIME_SCALE=",
        };
        let mut environment = BTreeMap::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((name, value)) = line
                .strip_prefix("export ")
                .and_then(|line| line.split_once('='))
            {
                environment.insert(name.to_owned(), value.trim_matches('\'').to_owned());
            }
            // What comes after the last variable is of other workers, or never.
            if line.starts_with(last) {
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

    /// The most memory that it had at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.unwrap().trim().trim_end_matches(" kB");
        peak.parse().unwrap()
    }

    /// How it ended, and what it had printed on standard error.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
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

/// Asks the agent once; returns the status of the answer.
fn status_of_agent(cloud: &Cloud) -> u16 {
    let mut stream = TcpStream::connect(cloud.address()).unwrap();
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {}\r\n\
         anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        cloud.environment["ANTHROPIC_API_KEY"],
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Waits until the agent answers so: a line is carried out soon after it was written.
fn await_status(cloud: &Cloud, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while status_of_agent(cloud) != status {
        assert!(Instant::now() < deadline, "no {status}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn faults_come_by_plan_and_by_lines_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("a.plan");
    let text = "# shakedown plan v1\nsession acme/home\ninject agent-error 529\ncrash acme\n";
    std::fs::write(&plan, text).unwrap();
    let mut cloud = Cloud::start(&["--plan", plan.to_str().unwrap()]);
    await_status(&cloud, 529);
    let mut input = cloud.input.take().unwrap();
    writeln!(input, "heal agent-error 529\ninject agent-error 429").unwrap();
    await_status(&cloud, 429);
    writeln!(
        input,
        "heal agent-error 429\ninject agent-eror 429\ninstruct acme/home change"
    )
    .unwrap();
    await_status(&cloud, 200);
    drop(input);
    let (status, shown) = cloud.ended();
    assert_eq!(status.code(), Some(64), "{shown}");
    for part in [
        "inject agent-error 529",
        "`crash acme` is left out",
        "unknown fault `agent-eror`",
        "instruct acme/home change",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}

#[test]
fn with_hosts_its_environment_leads_clients_of_the_real_services_to_it() {
    let cloud = Cloud::start(&["--hosts", "--quiet"]);
    let home = tempfile::tempdir().unwrap();
    let mut client = program::without_callers(crate::clients::python().to_str().unwrap());
    let script = "import boto3; boto3.client('dynamodb').list_tables(); \
                  print(boto3.client('sqs').get_queue_url(QueueName='instructions-acme.fifo')['QueueUrl'])";
    client.args(["-c", script]).env("HOME", home.path());
    let of_endpoints = ["AWS_ENDPOINT_URL", "TMPDIR"];
    for (name, value) in &cloud.environment {
        if !of_endpoints.contains(&name.as_str()) {
            client.env(name, value);
        }
    }
    let out = client
        .env("AWS_DEFAULT_REGION", "us-west-2")
        .output()
        .unwrap();
    program::check(
        &out,
        0,
        &["https://sqs.us-west-2.amazonaws.com/000000000000/instructions-acme.fifo"],
    );
    let mut client = program::without_callers("curl");
    client.args(["-sS", "--max-time", "20", "https://unknown.example/"]);
    let out = client.envs(&cloud.environment).output().unwrap();
    assert!(!out.status.success(), "{out:?}");
    let id = nix::unistd::Pid::from_raw(cloud.process.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
    let (status, shown) = cloud.ended();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(
        shown.contains("not served: unknown host unknown.example"),
        "{shown}"
    );
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

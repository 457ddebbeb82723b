//! The loopback cloud as other people's clients ask it: real ones, from PyPI and npm.

mod agent;
mod git;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::program;

/// Runs a program to its end, which must be good. Returns what it printed.
pub fn run(command: &mut Command) -> String {
    let out = command.output().unwrap_or_else(|error| {
        panic!(
            "{command:?} cannot be started: {error}; these tests need Python 3.10 or newer, and \
             node 20 or newer with npm"
        )
    });
    let text = [&out.stdout[..], &out.stderr[..]].map(String::from_utf8_lossy);
    assert!(out.status.success(), "{command:?}:\n{}", text.concat());
    text.concat()
}

/// Python with the clients, installed once under `target/` from a list of fixed versions.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = root.join("tests/suite/clients/requirements.txt");
        let wanted = std::fs::read_to_string(&list).unwrap();
        let folder = root.join("target/python-clients");
        // Written last: an installation that was cut off is done again.
        let installed = folder.join("installed.txt");
        let python = folder.join("bin/python");
        if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
            let mut make = program::without_callers("python3");
            run(make.args(["-m", "venv", "--clear"]).arg(&folder));
            let mut install = Command::new(&python);
            install.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
            run(install.arg("--requirement").arg(&list));
            std::fs::write(installed, wanted).unwrap();
        }
        python
    })
}

/// A folder with the clients of node in it, installed once under `target/` from a lock file.
fn node_clients() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let from = root.join("tests/suite/clients");
        let wanted = std::fs::read_to_string(from.join("package-lock.json")).unwrap();
        let folder = root.join("target/node-clients");
        let installed = folder.join("installed.json");
        if std::fs::read_to_string(&installed).ok().as_ref() != Some(&wanted) {
            // A folder that was never there need not be removed.
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(from.join(name), folder.join(name)).unwrap();
            }
            let mut npm = program::without_callers("npm");
            let npm = npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            run(npm.current_dir(&folder));
            std::fs::write(installed, wanted).unwrap();
        }
        folder
    })
}

/// A script of node, beside the packages that it names.
fn node(script: &str) -> Command {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/clients");
    let copy = node_clients().join(script);
    std::fs::copy(from.join(script), &copy).unwrap();
    let mut node = program::without_callers("node");
    node.arg(copy);
    node
}

#[test]
fn the_aws_sdk_for_javascript_finds_s3_sqs_and_dynamodb_as_it_knows_them() {
    let cloud = Cloud::start(&["--quiet", "acme/home"]);
    let mut client = node("aws.mjs");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        client.env(name, &cloud.environment[name]);
    }
    run(client.arg(cloud.url()));
}

#[test]
fn boto3_and_the_aws_cli_find_s3_as_they_know_it() {
    let cloud = Cloud::start(&["--quiet", "acme/home", "globex/home"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/clients/s3.py");
    let home = tempfile::tempdir().unwrap();
    let mut client = program::without_callers(python().to_str().unwrap());
    client.args([script, cloud.url()]).env("HOME", home.path());
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
        client.env(name, &cloud.environment[name]);
    }
    let region = &cloud.environment["AWS_REGION"];
    print!("{}", run(client.env("AWS_DEFAULT_REGION", region)));
}

/// moto's server, which ends with the test.
pub struct Moto {
    process: Child,
    /// Where it records requests.
    _folder: tempfile::TempDir,
    pub port: u16,
}

impl Moto {
    pub fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = python().with_file_name("moto_server");
        let mut command = program::without_callers(server.to_str().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let command = command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_RECORDER_FILEPATH", folder.path().join("recording"));
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let moto = Self {
            process: process.unwrap(),
            _folder: folder,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// LocalStack takes minutes to install and half a gigabyte, so it is asked only where somebody has it.
#[test]
fn localstack_and_moto_together_are_not_contradicted_where_somebody_has_localstack() {
    let Some(localstack) = std::env::var_os("SHAKEDOWN_LOCALSTACK") else {
        return;
    };
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/suite/clients/localstack.py"
    );
    let home = tempfile::tempdir().unwrap();
    let mut command = program::without_callers("unshare");
    command.args(["--user", "--map-root-user", "--net", "--", "sh", "-c"]);
    command.args(["ip link set lo up && exec \"$@\"", "sh"]);
    command.arg(python()).arg(script);
    command.arg(env!("CARGO_BIN_EXE_shakedown")).arg(localstack);
    print!("{}", run(command.env("TMPDIR", home.path())));
}

#[test]
fn boto3_finds_the_other_services_as_it_knows_them_and_moto_agrees() {
    let moto = Moto::start();
    let mut cloud = Cloud::start(&["acme/home"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/clients/aws.py");
    let home = tempfile::tempdir().unwrap();
    let mut client = program::without_callers(python().to_str().unwrap());
    let beside = format!("http://127.0.0.1:{}", moto.port);
    client
        .args([script, cloud.url(), &beside])
        .env("HOME", home.path());
    run(&mut client);
    drop(cloud.input.take());
    let (_, shown) = cloud.ended();
    assert!(shown.contains("sqs SendMessageBatch"), "{shown}");
    let not_served = "not served: secretsmanager GetSecretValue, asked 1 time";
    assert!(shown.contains(not_served), "{shown}");
}

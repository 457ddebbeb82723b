//! `shakedown worker`: one container as a process.

use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use futures::future::{Either, select};
use tokio::signal::unix::{SignalKind, signal};

use super::agent::ClaudeAgent;
use super::aws;
use super::builder::ShellBuilder;
use super::clock::WallClock;
use super::config::Config;
use super::git::Git;
use super::log::CloudWatchLog;
use super::queue::SqsQueue;
use super::site::S3Site;
use super::store::DynamoStore;
use super::workspace::Checkouts;
use crate::history::{Dialect, Level};
use crate::worker::Worker;
use crate::worker::ports::{Line, Log, Ports};
use crate::worker::settings::Settings;

/// The exit code for a configuration that cannot work (sysexits.h, EX_USAGE).
const BAD_CONFIGURATION: u8 = 64;

/// Runs a worker, configured by the environment, until SIGTERM.
///
/// `dialect` writes the lines of its log. `alter` may change what the worker is given before it starts: a planted defect does.
/// Exits with 64 where the configuration cannot work, and says why.
pub fn worker_main(
    dialect: Arc<Dialect>,
    alter: impl FnOnce(&mut Ports, &mut Settings),
) -> ExitCode {
    let started = Config::read(|name| std::env::var(name).ok())
        .map_err(|error| error.to_string())
        .and_then(|config| {
            check_host(&config)?;
            Ok(config)
        });
    let config = match started {
        Ok(config) => config,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(&config, dialect, alter)),
        Err(error) => Err(format!("cannot start the worker's runtime: {error}")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{}", config.secrets.hide(&text));
            ExitCode::FAILURE
        }
    }
}

/// What the host must have, checked before the first instruction fails for it.
fn check_host(config: &Config) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|folder| folder.join("git").is_file()) {
        return Err("cannot start the worker: the command `git` is not found; install git".into());
    }
    std::fs::create_dir_all(&config.workspace_root).map_err(|error| {
        let root = config.workspace_root.display();
        format!(
            "cannot start the worker: cannot make the folder {root}: {error}; set WORKSPACE_ROOT \
             to a folder that can be written"
        )
    })
}

async fn run(
    config: &Config,
    dialect: Arc<Dialect>,
    alter: impl FnOnce(&mut Ports, &mut Settings),
) -> Result<(), String> {
    let mut stop = signal(SignalKind::terminate())
        .map_err(|error| format!("cannot listen for SIGTERM: {error}"))?;
    let clock = Rc::new(WallClock::new(config.time_scale));
    let sdk = aws::load(config.aws_endpoint.as_deref(), &config.region).await;
    let log = Rc::new(CloudWatchLog::new(
        aws_sdk_cloudwatchlogs::Client::new(&sdk),
        &config.log_group,
        &config.log_stream,
        clock.clone(),
        config.secrets.clone(),
        dialect,
    ));
    let mut ports = ports(config, &sdk, clock, log.clone());
    let mut settings = Settings::of(config.client.clone());
    alter(&mut ports, &mut settings);
    let worker = Worker::new(ports, settings);
    {
        let work = pin!(worker.run());
        let send_kept = pin!(log.send_kept());
        let stopped = pin!(stop.recv());
        if let Either::Left(_) = select(select(work, send_kept), stopped).await {
            return Err("the worker's loop ended, which it never should".into());
        }
        // Here the work is dropped, and with it every command that it was running.
    }
    let line = Line {
        level: Level::Info,
        session: None,
        phase: None,
        text: "Container stopped".into(),
    };
    log.write(line).await;
    Ok(())
}

/// All ports of a container.
fn ports(
    config: &Config,
    sdk: &aws_config::SdkConfig,
    clock: Rc<WallClock>,
    log: Rc<CloudWatchLog>,
) -> Ports {
    let secrets = || config.secrets.clone();
    let root: &Path = &config.workspace_root;
    let git = Git::new(&config.git_token, secrets());
    let checkouts = Checkouts::new(
        git.clone(),
        root,
        &config.git_base,
        &config.client,
        &config.branch_pattern,
    );
    let sqs = aws_sdk_sqs::Client::new(sdk);
    let queue = |url: &str| {
        Rc::new(SqsQueue {
            client: sqs.clone(),
            url: url.into(),
            time_scale: config.queue_scale,
            secrets: secrets(),
        })
    };
    let s3 = aws_sdk_s3::config::Builder::from(sdk)
        // The bucket's name has dots, which no certificate for virtual hosts covers.
        .force_path_style(true)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .build();
    let agent = ClaudeAgent::new(
        &config.agent_base,
        &config.agent_key,
        &config.agent_model,
        secrets(),
    );
    Ports {
        clock: clock.clone(),
        log,
        instructions: queue(&config.instruction_queue),
        retries: queue(&config.retry_queue),
        agent: Rc::new(agent),
        workspace: Rc::new(checkouts.clone()),
        builder: Rc::new(ShellBuilder {
            git,
            checkouts,
            root: root.into(),
            command: config.build_command.clone(),
            output: config.build_output.clone(),
            clock,
            secrets: secrets(),
        }),
        site: Rc::new(S3Site {
            client: aws_sdk_s3::Client::from_conf(s3),
            bucket: config.bucket.clone(),
            secrets: secrets(),
        }),
        store: Rc::new(DynamoStore {
            client: aws_sdk_dynamodb::Client::new(sdk),
            table: config.table.clone(),
            secrets: secrets(),
        }),
    }
}

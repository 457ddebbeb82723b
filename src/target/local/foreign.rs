//! A system of the user's own: containers that its profile starts, unchanged, on the loopback cloud.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::container::{Program, WorkerCommand};
use super::direct::{Direct, free_port};
use super::jobs::{Job, Jobs};
use super::shims;
use crate::cloud::{
    ACCESS_KEY, ACCOUNT, AGENT_KEY, Cloud, CloudConfig, Front, GIT_TOKEN, OUTCOME_PATH, REGION,
    SECRET_KEY, task_token,
};
use crate::http::Call;
use crate::plan::{ClientId, Edit, Fault, Mark, SessionId, Step};
use crate::process;
use crate::profile::{Accept, BuildCommand, EndedBy, Per, Profile, Start, Text, Values};
use crate::site::instruction_text;
use crate::target::TargetError;

/// What is known of a system that a profile starts, while it runs.
pub(super) struct System {
    pub(super) profile: Arc<Profile>,
    /// What the texts of the profile name of each client's container.
    pub(super) values: BTreeMap<ClientId, Values>,
    /// The file of this program.
    pub(super) tester: PathBuf,
}

impl System {
    /// How it is started.
    pub(super) fn start(&self) -> Option<&Start> {
        self.profile.start.as_ref()
    }

    /// Hands an instruction to the system, as its profile says.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub(super) fn accept(
        &self,
        cloud: &Cloud,
        (jobs, direct): (&mut Jobs, &mut Direct),
        session: &SessionId,
        edit: Edit,
        mark: Mark,
    ) -> Result<Accepted, TargetError> {
        let Some((start, values)) = self.start().zip(self.values.get(&session.client)) else {
            return Ok(Accepted::ByQueue);
        };
        let url = values.get("aws.url").unwrap_or_default();
        let values = of_session(values, &self.profile, session)
            .with("instruction", instruction_text(edit, mark))
            .with("mark", mark.to_string())
            .with("callback.url", format!("{url}{OUTCOME_PATH}{mark}"))
            .with("task.token", task_token(mark));
        cloud.announce(session, mark);
        if start.per == Per::Instruction {
            jobs.add(Job {
                session: session.clone(),
                mark,
                values,
                starts: 0,
            });
            return Ok(Accepted::Waits);
        }
        let mut is_asked = false;
        for accept in &start.accept {
            match accept {
                Accept::Sqs {
                    queue,
                    body,
                    unless,
                } => {
                    if let Some(item) = unless {
                        let key = fill(&item.key, &values, "a key")?;
                        if cloud.has_item(&item.table, &key) {
                            continue;
                        }
                    }
                    let queue = match queue {
                        Some(queue) => fill(queue, &values, "a queue")?,
                        None => self.profile.names.queue(&session.client),
                    };
                    cloud.send_text(session, &queue, &fill(body, &values, "a message")?)?;
                }
                Accept::Http {
                    url,
                    method,
                    headers,
                    body,
                } => {
                    let mut call = Call {
                        method: method.clone(),
                        ..Call::post(
                            fill(url, &values, "a URL")?,
                            fill(body, &values, "a request")?,
                        )
                    };
                    for (name, text) in headers {
                        call.headers
                            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
                        let value = fill(text, &values, "a header")?;
                        call.headers.push((name.clone(), value));
                    }
                    direct.send(session, mark, call);
                    is_asked = true;
                }
                Accept::File { path, text } => {
                    let path = PathBuf::from(fill(path, &values, "a path")?);
                    let text = fill(text, &values, "a file")?;
                    write(&path, &text).map_err(|error| handing_over(session, &error))?;
                }
                Accept::Command { command } => {
                    let words = command.iter().map(|word| fill(word, &values, "a command"));
                    let words: Vec<String> = words.collect::<Result<_, _>>()?;
                    run(&words).map_err(|error| handing_over(session, &error))?;
                }
            }
        }
        Ok(match self.profile.outcome.ended_by {
            EndedBy::Deleted => Accepted::ByQueue,
            EndedBy::Report if is_asked => Accepted::Waits,
            EndedBy::Report => Accepted::AtWork,
        })
    }
}

/// How far an instruction got that was handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Accepted {
    /// The queue records what becomes of it.
    ByQueue,
    /// The tester keeps it until a process, or the system, takes it.
    Waits,
    /// The system has it.
    AtWork,
}

fn handing_over(session: &SessionId, error: &io::Error) -> TargetError {
    TargetError::new(
        format!("handing an instruction for {session} to the system"),
        error,
        "change [[accept]] in the profile",
    )
}

/// Runs a command of the profile to its end.
fn run(words: &[String]) -> io::Result<()> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(());
    };
    let output = process::output(process::command(program).args(arguments))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{}: {}",
        output.status,
        said.trim()
    )))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// Why a step cannot be made of a system that only its profile knows.
pub(super) fn cannot(profile: &Profile, start: &Start, step: &Step) -> Option<String> {
    let has_queue = start.per == Per::Client && profile.outcome.ended_by == EndedBy::Deleted;
    match step {
        Step::Redeliver(_) | Step::Inject(Fault::QueueDown(_)) if !has_queue => {
            Some("its instructions come by no queue".into())
        }
        Step::Inject(Fault::BuildWarning(_)) => {
            Some("the system has no way to be told to build with warnings".into())
        }
        Step::Inject(Fault::BuildError(_)) => {
            let is_shimmed = !start.builds.commands.is_empty() && start.checkout.is_some();
            (!is_shimmed).then(|| {
                "the system has no way to be told to fail a build; with `shim` in [build], and `checkout` in \
                 [workspace], the tester can"
                    .into()
            })
        }
        Step::RetryPush(_) => Some("the profile does not say how a push is asked for again".into()),
        _ => None,
    }
}

/// The checkout of a session, where the profile says.
///
/// # Errors
/// Where it names what is not there.
pub(super) fn checkout(
    profile: &Profile,
    start: &Start,
    values: &Values,
    session: &SessionId,
) -> Result<Option<PathBuf>, TargetError> {
    let values = of_session(values, profile, session);
    let fill = |text| fill(text, &values, "the checkout");
    Ok(start
        .checkout
        .as_ref()
        .map(fill)
        .transpose()?
        .map(PathBuf::from))
}

/// How long a command of `setup` may take, in real time.
const SETUP_LIMIT: Duration = Duration::from_secs(600);

/// A container's folders.
pub(super) struct Folders {
    /// Its HOME, which holds all that is below.
    home: PathBuf,
    /// First on its PATH: the programs that the tester puts in the place of others.
    bin: PathBuf,
}

impl Folders {
    /// Makes the folders of a client's container.
    fn make(home: PathBuf) -> io::Result<Self> {
        let bin = home.join("bin");
        for folder in [&home, &bin, &home.join("tmp")] {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { home, bin })
    }
}

/// What the texts of a profile name of a client's container.
pub(super) fn values(
    profile: &Profile,
    config: &CloudConfig,
    front: &Front,
    workspace: &Path,
    home: &Path,
) -> Values {
    let client = front.client();
    let names = &profile.names;
    let values = match front.ca() {
        Some(ca) => Values::of(client).with("ca", ca.display().to_string()),
        None => Values::of(client),
    };
    values
        .with("aws.account", ACCOUNT)
        .with("aws.key", ACCESS_KEY)
        .with("aws.region", REGION)
        .with("aws.secret", SECRET_KEY)
        .with("aws.url", front.url())
        .with("agent.key", AGENT_KEY)
        .with("agent.url", front.url())
        .with("bucket", names.bucket(client))
        .with("git.token", GIT_TOKEN)
        .with("git.url", front.git_url())
        .with("git.repository", front.repository_url())
        .with("home", home.display().to_string())
        .with("port", free_port().to_string())
        .with("log-group", names.log_group.clone())
        .with("queue", names.queue(client))
        .with("queue.url", front.instruction_queue_url())
        .with("retry-queue.url", front.retry_queue_url())
        .with("table", config.table())
        .with("time-scale", config.time_scale.to_string())
        .with("workspace", workspace.display().to_string())
}

/// The values of one session.
pub(super) fn of_session(values: &Values, profile: &Profile, session: &SessionId) -> Values {
    let branch = profile.names.branch(session);
    values.clone().with_session(session).with("branch", branch)
}

/// The variables that the tester's own builds get of a container's.
///
/// # Errors
/// Where one of them is another for each instruction.
pub(super) fn build_environment(
    build: &BuildCommand,
    start: &Start,
    values: &Values,
) -> Result<Vec<(OsString, OsString)>, TargetError> {
    let passed = start.environment.iter();
    let passed = passed.filter(|(name, _)| build.environment.contains(name));
    let filled = passed.map(|(name, text)| {
        let what = format!("the variable {name}, which [site] names,");
        Ok((name.into(), fill(text, values, &what)?.into()))
    });
    filled.collect()
}

/// Fills a text of the profile in.
///
/// # Errors
/// Where it names what is not there.
pub(super) fn fill(text: &Text, values: &Values, what: &str) -> Result<String, TargetError> {
    text.fill(values, |name| std::env::var(name).ok())
        .map_err(|why| {
            TargetError::new(
                format!("filling in {what} of the profile"),
                why,
                "set the variable, or change the profile",
            )
        })
}

/// What a client's container is started as.
///
/// # Errors
/// Where the profile names what is not there, or its folders cannot be written.
pub(super) fn program(
    profile: &Profile,
    start: &Start,
    values: &Values,
    (front, tester): (&Front, &Path),
) -> Result<Program, TargetError> {
    let path = |name: &str| PathBuf::from(values.get(name).unwrap_or_default());
    let (home, workspace) = (path("home"), path("workspace"));
    let failed = |error: io::Error| {
        TargetError::new(
            format!("preparing the HOME of a container in {}", home.display()),
            error,
            "set TMPDIR to a folder that can be written to",
        )
    };
    let folders = Folders::make(home.clone()).map_err(failed)?;
    fs::create_dir_all(&workspace).map_err(failed)?;
    shims::write(start, &folders.home, &folders.bin, (tester, &front.url())).map_err(failed)?;
    for (path, text) in &start.files {
        let path = match path.strip_prefix("~/") {
            Some(inside) => home.join(inside),
            None => home.join(path),
        };
        let text = fill(text, values, "a file")?;
        write(&path, &text).map_err(failed)?;
    }
    let mut path = OsString::from(&folders.bin);
    for folder in &start.path {
        let folder = fill(folder, values, "`path`")?;
        path.push(":");
        path.push(absolute(&profile.folder.join(folder)));
    }
    if let Some(own) = std::env::var_os("PATH") {
        path.push(":");
        path.push(own);
    }
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("HOME".into(), folders.home.clone().into()),
        ("TMPDIR".into(), folders.home.join("tmp").into()),
        ("LANG".into(), "C.UTF-8".into()),
    ];
    let of_network = front.environment().into_iter();
    environment.extend(of_network.map(|(name, value)| (name.into(), value.into())));
    for (name, text) in &start.environment {
        let value = fill(text, values, &format!("the variable {name}"))?;
        environment.retain(|(known, _)| known != &**name);
        environment.push((name.into(), value.into()));
    }
    let mut words = Vec::new();
    for text in &start.command {
        words.push(fill(text, values, "the command")?);
    }
    let program = words.remove(0);
    Ok(Program {
        command: WorkerCommand {
            program: program.into(),
            arguments: words,
        },
        environment,
        folder: Some(folder(profile, start)?),
        namespace: front.namespace().cloned(),
        home: Some(folders.home),
    })
}

/// A path that means the same in another folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The folder that the worker runs in.
pub(super) fn folder(profile: &Profile, start: &Start) -> Result<PathBuf, TargetError> {
    let text = match &start.folder {
        Some(folder) => fill(folder, &Values::default(), "the folder")?,
        None => String::new(),
    };
    let folder = profile.folder.join(text);
    let doing = || format!("looking for the folder of the worker, {}", folder.display());
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => &folder,
    };
    folder.canonicalize().map_err(|error| {
        TargetError::new(doing(), error, "change `folder` in [start] of the profile")
    })
}

/// Where the containers of a run may write that has this folder.
///
/// # Errors
/// Where the profile names what is not there.
pub(super) fn writable(
    profile: &Profile,
    start: &Start,
    run: &Path,
) -> Result<Vec<PathBuf>, TargetError> {
    let mut all = vec![run.to_owned(), folder(profile, start)?];
    all.extend(["/tmp", "/var/tmp"].map(PathBuf::from));
    for text in &start.writes {
        let text = fill(text, &Values::default(), "`writes`")?;
        all.push(absolute(&profile.folder.join(text)));
    }
    Ok(all)
}

/// Prepares the worker's folder, where that was not done before with the same files.
///
/// # Errors
/// When a command cannot be run or fails; its last words are in it.
pub(super) fn set_up(profile: &Profile, start: &Start) -> Result<(), TargetError> {
    if start.setup.commands.is_empty() {
        return Ok(());
    }
    // Once, however many runs begin at the same time.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = folder(profile, start)?;
    let doing = || format!("preparing the worker in {}", folder.display());
    let failed = |error: io::Error| {
        TargetError::new(doing(), error, "run the commands of `setup` there by hand")
    };
    let mut hasher = DefaultHasher::new();
    (&start.setup.commands, &folder).hash(&mut hasher);
    for file in &start.setup.reads {
        fs::read(folder.join(file))
            .map_err(failed)?
            .hash(&mut hasher);
    }
    let done = cache().map(|cache| cache.join(format!("setup-{:016x}", hasher.finish())));
    let is_made = start.setup.makes.iter().all(|it| folder.join(it).exists());
    if is_made && done.as_ref().is_some_and(|done| done.is_file()) {
        return Ok(());
    }
    for words in &start.setup.commands {
        let Some((program, arguments)) = words.split_first() else {
            continue;
        };
        tracing::info!("{}: {}", doing(), words.join(" "));
        let mut command = process::installer(program);
        command.args(arguments).current_dir(&folder);
        let child = process::spawn_piped(&mut command).map_err(failed)?;
        let output = process::finish(child, SETUP_LIMIT).map_err(failed)?;
        if !output.status.success() {
            let said = [&*output.stdout, &*output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            let last: Vec<&str> = last.into_iter().rev().collect();
            let why = format!(
                "`{}`: {}\n{}",
                words.join(" "),
                output.status,
                last.join("\n")
            );
            return Err(failed(io::Error::other(why)));
        }
    }
    if let Some(done) = done {
        // Without the note it is only done once more.
        let noted = done.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = noted.and_then(|()| fs::write(&done, b""));
    }
    Ok(())
}

/// Where it is noted what was prepared.
fn cache() -> Option<PathBuf> {
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    own.filter(|path| path.is_absolute())
        .or_else(home)
        .map(|path| path.join("shakedown"))
}

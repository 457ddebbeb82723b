//! Child processes that end at the latest with the call that started them.

use std::io;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::process;

/// The most bytes that are kept of each output; the rest is read and dropped.
const KEPT: usize = 4 * 1024 * 1024;

/// A child that has ended.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Runs a command to its end.
///
/// Where the future is dropped before, the child is killed with everything that it started; where
/// this process is killed, the child is too.
///
/// # Errors
/// When the command cannot be started or its pipes fail.
pub async fn run(mut command: Command, input: &[u8]) -> io::Result<Finished> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    process::die_with_parent(command.as_std_mut());
    let mut child = command.spawn()?;
    let mut guard = KillTree(child.id());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that does not read its input may close it; how it ends says more.
            let _ = stdin.write_all(input).await;
        }
        Ok(())
    };
    let (_, stdout, stderr) = tokio::try_join!(feed, read_kept(stdout), read_kept(stderr))?;
    let status = child.wait().await?;
    guard.0 = None;
    Ok(Finished {
        status,
        stdout,
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

async fn read_kept(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(KEPT as u64).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// Kills a child and all its descendants when dropped, unless it has ended.
struct KillTree(Option<u32>);

impl Drop for KillTree {
    fn drop(&mut self) {
        let Some(root) = self.0.and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        process::kill_tree(root);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> Command {
        let mut command = Command::from(process::command("sh"));
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_command_is_fed_and_read() {
        let script = "cat; echo oops >&2; exit 3";
        let finished = run(shell(script), b"fed").await.unwrap();
        assert_eq!(finished.stdout, b"fed");
        assert_eq!(finished.stderr, "oops\n");
        assert_eq!(finished.status.code(), Some(3));
    }

    #[tokio::test]
    async fn a_dropped_command_takes_its_descendants_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("(echo $$; exec sleep 60) >{0}; true", file.display());
        let script = format!("sh -c '{script}'; sh -c 'sleep 60'; true");
        let started = run(shell(&script), b"");
        let limit = Duration::from_millis(300);
        assert!(tokio::time::timeout(limit, started).await.is_err());
        let id: i32 = std::fs::read_to_string(&file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while is_running(id) {
            assert!(Instant::now() < deadline, "process {id} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn is_running(id: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}

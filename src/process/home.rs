//! Processes by their HOME: a container has one of its own, and what it starts has it too, whatever its group, session
//! and parent are.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variables that say so.
const NAMES: [&str; 2] = ["HOME=", "TMPDIR="];

/// The processes whose HOME, or folder for temporary files, is this folder or below it, but this process itself. Without
/// `/proc` there are none.
pub fn living_in(folder: &Path) -> Vec<i32> {
    let own = Pid::this().as_raw();
    let is_there = |path: &[u8]| {
        let rest = path.strip_prefix(folder.as_os_str().as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    let lives = |id: &i32| {
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        variables.any(|variable| {
            let value = |name: &&str| variable.strip_prefix(name.as_bytes());
            NAMES.iter().find_map(value).is_some_and(is_there)
        })
    };
    ids().filter(|id| *id != own).filter(lives).collect()
}

/// Kills all of them, until none is left. Returns whether that was so within the limit.
pub fn kill_living_in(folder: &Path, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let living = living_in(folder);
        if living.is_empty() {
            return true;
        }
        for id in living {
            // One that has ended meanwhile needs no signal.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether the machine has more processes than this.
pub fn are_more_than(count: usize) -> bool {
    ids().nth(count).is_some()
}

fn ids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn processes_in_a_session_of_their_own_are_killed_by_their_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let pid = folder.path().join("pid");
        let script = format!(
            "setsid sh -c 'echo $$ >{}; exec sleep 600' &",
            pid.display()
        );
        let start = |home: &Path| {
            let mut shell = process::command("sh");
            shell.args(["-c", &script]).env("HOME", home);
            assert!(shell.status().unwrap().success());
        };
        start(&home.join("below"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while living_in(&home).is_empty() || std::fs::read(&pid).unwrap_or_default().is_empty() {
            assert!(Instant::now() < deadline);
        }
        // A name that begins like the folder's is another folder.
        assert!(living_in(&folder.path().join("ho")).is_empty());
        assert!(kill_living_in(&home, Duration::from_secs(60)));
        let id = std::fs::read_to_string(&pid).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
        assert!(stat.map_or(true, |stat| stat.contains(") Z ")));
        assert!(kill_living_in(&home, Duration::ZERO));
    }
}

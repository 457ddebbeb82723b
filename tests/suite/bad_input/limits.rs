//! Limits that the system sets: open files, sizes of files, processes.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;

use nix::sys::resource::{Resource, setrlimit};

use super::case::names_in;
use super::files::PLAN;
use crate::program::command;

/// A user that has no processes yet, so that a limit of processes counts those of the case alone.
const NOBODY: u32 = 65_534;

/// Runs the program under a limit.
fn limited(folder: &Path, line: &str, resource: Resource, most: u64, user: Option<u32>) -> Output {
    let args: Vec<&str> = line.split_whitespace().collect();
    let work = folder.join("work");
    let files = folder.join("files");
    for path in [&work, &files] {
        std::fs::create_dir_all(path).unwrap();
        std::os::unix::fs::chown(path, user, user).unwrap();
    }
    std::fs::write(work.join("good.plan"), PLAN).unwrap();
    let mut program = command(&work, &args);
    program.env("TMPDIR", &files);
    if let Some(user) = user {
        program.uid(user).gid(user);
    }
    // SAFETY: between fork and exec the closure makes a system call only.
    unsafe {
        program.pre_exec(move || setrlimit(resource, most, most).map_err(Into::into));
    }
    let out = program.output().unwrap();
    assert_eq!(
        names_in(&files),
        Vec::<String>::new(),
        "{line} leaves files"
    );
    out
}

#[track_caller]
fn check(out: &Output, codes: &[i32], what: &str) {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    assert!(
        out.status.code().is_some_and(|code| codes.contains(&code)),
        "{what}: {:?}\n{said}",
        out.status
    );
    assert!(
        !said.contains("panicked") && !said.contains("mistake of shakedown"),
        "{what}\n{said}"
    );
}

#[test]
fn few_open_files_are_told_and_end_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    for most in [4, 8, 12, 16, 24, 40] {
        for line in [
            "run --cases 2 --seed 7",
            "replay good.plan",
            "soak --cases 2 --seed 7 --quiet --out x",
            "rules",
        ] {
            let out = limited(folder.path(), line, Resource::RLIMIT_NOFILE, most, None);
            check(&out, &[0, 2, 64], &format!("{line} with {most} files"));
            let _ = std::fs::remove_dir_all(folder.path().join("work/x"));
        }
    }
    for most in [16, 24] {
        let line = "replay good.plan --target local";
        let out = limited(folder.path(), line, Resource::RLIMIT_NOFILE, most, None);
        check(&out, &[2], &format!("{line} with {most} files"));
    }
}

#[test]
fn threads_that_cannot_be_started_are_told() {
    // Limits of processes do not bind root, who can be somebody else.
    let own = std::fs::metadata("/proc/self").unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&own) == 0;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_shakedown"));
    let is_open = program.ancestors().skip(1).all(|path| {
        std::fs::metadata(path).is_ok_and(|of| std::os::unix::fs::MetadataExt::mode(&of) & 1 == 1)
    });
    if is_root && !is_open {
        println!("SKIPPED: no other user can run {}", program.display());
        return;
    }
    let user = is_root.then_some(NOBODY);
    for most in [1, 2, 3] {
        for line in [
            "run --cases 2 --seed 7",
            "run --target local --cases 1",
            "replay good.plan",
            "replay good.plan --target local",
            "soak --cases 2 --seed 7 --quiet --out x",
            "explore --max-states 100",
            "explore --target sim --depth 1",
            "defects force-push",
            "scenario push-conflict",
            "conformance good.plan",
        ] {
            // Without root the limit counts all of the user's processes, and is reached at once.
            let out = limited(folder.path(), line, Resource::RLIMIT_NPROC, most, user);
            check(&out, &[0, 1, 2], &format!("{line} with {most} processes"));
            if most == 1 {
                check(&out, &[2], line);
                assert!(
                    String::from_utf8_lossy(&out.stderr).contains("thread"),
                    "{line}: {out:?}"
                );
            }
            let _ = std::fs::remove_dir_all(folder.path().join("work/x"));
        }
    }
}

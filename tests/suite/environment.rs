//! Nothing of what the caller has set reaches what the tester starts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::program;

/// What a shell may have set that breaks git, the AWS clients or HTTP in every child that sees it.
const HOSTILE: [(&str, &str); 14] = [
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9"),
    ("AWS_PROFILE", "nobody"),
    ("AWS_SESSION_TOKEN", "stale"),
    ("HTTP_PROXY", "http://127.0.0.1:9"),
    ("http_proxy", "http://127.0.0.1:9"),
    ("ALL_PROXY", "http://127.0.0.1:9"),
    ("GIT_CONFIG_COUNT", "1"),
    ("GIT_CONFIG_KEY_0", "core.worktree"),
    ("GIT_CONFIG_VALUE_0", "/nonexistent"),
    ("GIT_NAMESPACE", "other"),
    ("GIT_CEILING_DIRECTORIES", "/"),
    ("LC_ALL", "tr_TR.UTF-8"),
    ("BUILD_COMMAND", "false"),
];

/// Runs a plan on local, and lists the repository that it was started in before and after.
const HOOK: &str = r#"
list() { (cd "$TOP" && find . | sort && find . -type f -exec cksum {} + | sort); }
list >"$OUT/before"
cd "$OUT"
"$SHAKEDOWN" replay short.plan --target local >said 2>&1 || echo "exit code $?" >>said
list >after
"#;

const PLAN: &str = "# shakedown plan v1
session acme/home
instruct acme/home change
until acme/home pushing
push-from-outside acme/home clean
";

#[test]
fn a_run_inside_a_git_hook_holds_and_leaves_the_repository_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [top, out, home] = ["top", "out", "home"].map(|name| folder.path().join(name));
    for made in [&top, &out, &home] {
        fs::create_dir(made).unwrap();
    }
    fs::write(out.join("short.plan"), PLAN).unwrap();
    fs::write(top.join("file"), "text").unwrap();
    // Where one of the tester's children reads this, git fails.
    fs::write(home.join(".gitconfig"), "[broken").unwrap();
    git(&top, &["init", "-q"]);
    let mut hook = "#!/bin/sh\nset -e\n".to_owned();
    let mut set = |name: &str, value: &Path| {
        hook.push_str(&format!("export {name}='{}'\n", value.display()));
    };
    for (name, value) in HOSTILE {
        set(name, Path::new(value));
    }
    set("SHAKEDOWN", Path::new(env!("CARGO_BIN_EXE_shakedown")));
    for (name, value) in [("TOP", &top), ("OUT", &out), ("HOME", &home)] {
        set(name, value);
    }
    let git_folder = top.join(".git");
    set("GIT_DIR", &git_folder);
    set("GIT_WORK_TREE", &top);
    set("GIT_INDEX_FILE", &git_folder.join("index"));
    set("GIT_OBJECT_DIRECTORY", &git_folder.join("objects"));
    let file = git_folder.join("hooks/pre-commit");
    fs::create_dir_all(git_folder.join("hooks")).unwrap();
    fs::write(&file, hook + HOOK).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    git(&top, &["add", "file"]);
    git(&top, &["commit", "-qm", "one"]);
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let said = read("said");
    assert!(said.contains("HELD on local"), "{said}");
    assert_eq!(read("before"), read("after"));
}

/// Runs git as a user with a name and no settings.
fn git(folder: &Path, arguments: &[&str]) {
    let mut git = program::without_callers("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@localhost"])
        .args(arguments)
        .current_dir(folder);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

//! Files that are read: plans, histories and profiles.

use std::sync::LazyLock;

use super::case::{ANY, Case, UNKNOWN, USAGE};
use crate::program;

/// A plan without a mistake.
pub const PLAN: &str = "# shakedown plan v1\n# a comment\n# seed 0x2a\nsession acme/home\nsession globex/home\n\
    instruct acme/home change\nuntil acme/home pushing +2\npush-from-outside acme/home clean\n\
    inject s3-partial acme 3\ninject git-auth\ncrash acme\nuntil globex started\nwait 30s\nheal git-auth\n\
    retry-push acme/home\nredeliver acme/home\nworkspace-lost globex\n";

/// The history of its run.
pub static HISTORY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.plan"), PLAN).unwrap();
    let args = ["replay", "a.plan", "--history", "h.jsonl"];
    assert_eq!(program::run(folder.path(), &args).status.code(), Some(0));
    std::fs::read(folder.path().join("h.jsonl")).unwrap()
});

/// The profile of the built-in worker.
pub static PROFILE: LazyLock<String> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let out = program::run(folder.path(), &["profile", "show"]);
    String::from_utf8(out.stdout).unwrap()
});

pub fn plans() -> Vec<Case> {
    let replay = |part: &str| Case::new("replay bad.plan", USAGE, part);
    let text = |lines: &str, part: &str| {
        let text = format!("# shakedown plan v1\nsession acme/home\n{lines}\n");
        replay(part).file("bad.plan", text).named(
            lines
                .chars()
                .take(60)
                .collect::<String>()
                .escape_debug()
                .to_string(),
        )
    };
    let wide = |order: fn(u16) -> [u8; 2]| PLAN.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let mut cases = vec![
        replay("byte order mark")
            .file("bad.plan", format!("\u{feff}{PLAN}"))
            .named("BOM"),
        replay("UTF-16")
            .file(
                "bad.plan",
                [&b"\xff\xfe"[..], &wide(u16::to_le_bytes)].concat(),
            )
            .named("UTF-16"),
        replay("UTF-16")
            .file(
                "bad.plan",
                [&b"\xfe\xff"[..], &wide(u16::to_be_bytes)].concat(),
            )
            .named("UTF-16 big"),
        replay("UTF-16")
            .file("bad.plan", wide(u16::to_le_bytes))
            .named("UTF-16 without mark"),
        replay("bad.plan:2:3: the byte 0xff is not UTF-8")
            .file("bad.plan", b"# shakedown plan v1\n# \xff\n"),
        replay("begins with the line")
            .file("bad.plan", "")
            .named("empty"),
        replay("begins with the line").file("bad.plan", PLAN.replacen('#', "", 1)),
        replay("bad.plan:1:")
            .file("bad.plan", vec![0; 10_000])
            .named("zeros"),
        Case::new("replay /dev/zero", USAGE, "larger than"),
        Case::new("replay .", USAGE, "cannot read"),
        Case::new("replay no-such.plan", USAGE, "check the path"),
        Case::new("shrink no-such.plan", USAGE, "check the path"),
        Case::new("conformance no-such.plan", USAGE, "check the path"),
        Case::new(
            "explore --target sim --alphabet no-such.plan",
            USAGE,
            "check the path",
        ),
        text(
            &format!("crash {}", "x".repeat(1_000_000)),
            "… (1000000 bytes)",
        ),
        text(&"x".repeat(1_000_000), "unknown step"),
    ];
    let lines = [
        ("# seed zzz", "is not a seed"),
        ("# seed 0x", "is not a seed"),
        ("# seed -1", "is not a seed"),
        ("#seed 1.5", "is not a seed"),
        ("# seed 18446744073709551616", "is not a seed"),
        ("# seed \u{1b}[2J", "control character"),
        (
            "# \u{1b}]0;title\u{7}",
            "bad.plan:3:3: the control character",
        ),
        (
            "crash \u{1b}[31macme",
            "bad.plan:3:7: the control character",
        ),
        ("crash\racme", "control character"),
        ("# a\u{202e}b", "control character"),
        ("instruct home change", "write client/thread"),
        (
            "instruct globex/home change",
            "add the line `session globex/home` below the first one",
        ),
        ("instruct Acme/home change", "write client/thread"),
        ("instruct acme/home", "the line ends where"),
        ("instruct acme/home chnge", "known: change"),
        ("instruct acme/home change now", "more than this step takes"),
        ("crash globex", "add a line such as `session globex/home`"),
        ("crash Globex", "is not a client"),
        ("crash", "the line ends where"),
        ("wait", "the line ends where"),
        ("wait 0s", "from 1ms to 24h"),
        ("wait 25h", "from 1ms to 24h"),
        ("wait -1s", "from 1ms to 24h"),
        ("wait 99999999999999999999h", "from 1ms to 24h"),
        ("wait 30", "from 1ms to 24h"),
        ("wait ٣s", "from 1ms to 24h"),
        ("until acme/home", "the line ends where"),
        ("until acme/home flying", "known: received"),
        ("until acme/home pushing +0", "+1 to +1000"),
        ("until acme/home pushing +1001", "+1 to +1000"),
        ("until acme/home pushing +4294967296", "+1 to +1000"),
        ("until acme stopped", "started"),
        ("inject", "the line ends where a fault"),
        ("inject s3-denid", "known: "),
        ("inject agent-error 418", "429, 500, 529"),
        ("inject s3-partial acme 1001", "from 0 to 1000"),
        ("inject s3-partial acme -1", "from 0 to 1000"),
        ("inject s3-partial", "the line ends where"),
        ("heal s3-down sideways", "known: "),
        ("session acme/home", "declared twice"),
        ("session Acme/home", "write client/thread"),
        ("session acme", "write client/thread"),
        ("session /", "write client/thread"),
        ("session -a/b", "write client/thread"),
        ("crash acme\nsession globex/home", "move this line up"),
        ("push-from-outside acme/home sideways", "known: clean"),
        ("crsh acme", "unknown step"),
        ("CRASH acme", "unknown step"),
        (
            "instruct acme/home change # why",
            "more than this step takes",
        ),
    ];
    cases.extend(lines.into_iter().map(|(lines, part)| text(lines, part)));
    cases.push(text(
        &format!("session {}/home", "a".repeat(41)),
        "at most 40",
    ));
    // Each campaign reads all kept plans first.
    for line in ["run --cases 1", "soak --cases 1 --seed 7"] {
        let kept = "# shakedown plan v1\n# seed zzz\n";
        cases.push(
            Case::new(line, USAGE, "old.plan:2:8: `zzz`")
                .file("proptest-regressions/old.plan", kept),
        );
    }
    cases
}

/// The lines of the history.
fn lines() -> Vec<String> {
    let text = String::from_utf8(HISTORY.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

pub fn histories() -> Vec<Case> {
    let report = |codes, part: &str| Case::new("report h.jsonl", codes, part);
    let with = |number: usize, line: &str| {
        let mut lines = lines();
        lines[number] = line.to_owned();
        lines.join("\n") + "\n"
    };
    let all = lines();
    let mut cases = vec![
        report(UNKNOWN, "the file is empty").file("h.jsonl", ""),
        report(UNKNOWN, "byte order mark").file("h.jsonl", format!("\u{feff}{}", all.join("\n"))),
        report(UNKNOWN, "begins with a header").file("h.jsonl", "[".repeat(100_000)),
        report(UNKNOWN, "begins with a header").file("h.jsonl", "{}"),
        report(UNKNOWN, "incomplete").file("h.jsonl", all[0].clone()),
        Case::new("replay h.jsonl", USAGE, "begins with a header").file("h.jsonl", "{\"a\":1}"),
        Case::new("shrink h.jsonl", USAGE, "begins with a header").file("h.jsonl", "{\"a\":1}"),
        Case::new("report no-such.jsonl", USAGE, "check the path"),
        Case::new("report .", USAGE, "cannot read"),
    ];
    // Numbers that no run comes to, in every line that has one.
    let huge = [
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "1e300",
        "3153600001",
        "null",
    ];
    for (number, line) in all.iter().enumerate().skip(1).step_by(5) {
        for value in huge {
            let Some(at) = line.find("\"secs\":") else {
                continue;
            };
            let digits = at + "\"secs\":".len();
            let end = digits + line[digits..].find(|c: char| !c.is_ascii_digit()).unwrap();
            let changed = format!("{}{value}{}", &line[..digits], &line[end..]);
            let name = format!("line {}: secs {value}", number + 1);
            cases.push(
                report(UNKNOWN, "incomplete")
                    .file("h.jsonl", with(number, &changed))
                    .named(name),
            );
        }
    }
    for (from, to, part) in [
        (
            "\"history\":1",
            "\"history\":18446744073709551615",
            "use a newer program",
        ),
        ("\"history\":1", "\"history\":-1", "begins with a header"),
        (
            "\"seed\":\"0x2a\"",
            "\"seed\":\"0xzz\"",
            "header cannot be read",
        ),
        ("\"seed\":\"0x2a\"", "\"seed\":42", "header cannot be read"),
        (
            "\"target\":\"sim\"",
            "\"time-scale\":1e-300,\"target\":\"sim\"",
            "time scale",
        ),
        (
            "\"target\":\"sim\"",
            "\"time-scale\":-1,\"target\":\"sim\"",
            "time scale",
        ),
        ("\"site\":\"shell\"", "\"site\":\"moon\"", "site `moon`"),
        ("crash acme", "crsh acme", "unknown step"),
        ("crash acme", "\\u001b[2J", "control character"),
    ] {
        assert!(all[0].contains(from), "{from} is not in {}", all[0]);
        let header = all[0].replacen(from, to, 1);
        cases.push(
            report(UNKNOWN, part)
                .file("h.jsonl", with(0, &header))
                .named(to),
        );
    }
    // Cut off anywhere it is not held.
    let bytes = HISTORY.len();
    for at in (1..30).map(|part| part * bytes / 30) {
        let name = format!("cut at {at}");
        cases.push(
            report(UNKNOWN, "incomplete")
                .file("h.jsonl", &HISTORY[..at])
                .named(name),
        );
    }
    // A bit that flips may be in a text that decides nothing.
    for at in (1..60).map(|part| part * bytes / 60) {
        let mut flipped = HISTORY.clone();
        flipped[at] ^= 1 << (at % 8);
        cases.push(
            report(ANY, "")
                .file("h.jsonl", flipped)
                .named(format!("flipped at {at}")),
        );
    }
    cases
}

pub fn profiles() -> Vec<Case> {
    let check = |codes, part: &str| Case::new("profile check p.toml", codes, part);
    let mut cases = vec![
        check(USAGE, "missing field").file("p.toml", ""),
        check(USAGE, "byte order mark").file("p.toml", format!("\u{feff}{}", *PROFILE)),
        check(USAGE, "UTF-8").file("p.toml", b"name = \"\xff\""),
        check(USAGE, "p.toml:1:").file("p.toml", "[".repeat(100_000)),
        check(USAGE, "p.toml:1:").file("p.toml", format!("a = {}", "[".repeat(100_000))),
        check(USAGE, "").file("p.toml", "x".repeat(1_000_000)),
        Case::new("run --profile p.toml", USAGE, "p.toml:1:1").file("p.toml", "x = 1"),
        Case::new("replay a.plan --profile p.toml", USAGE, "p.toml:")
            .file("p.toml", "x")
            .file("a.plan", PLAN),
        Case::new("profile show /dev/zero", USAGE, "larger than"),
        Case::new("profile check .", USAGE, "cannot read"),
    ];
    for value in [
        "0s",
        "-1s",
        "1.5s",
        "99999999999999999999h",
        "8761h",
        "30",
        "\"\"",
    ] {
        let limits = format!("{}\n[limits]\nrecovery = \"{value}\"\n", without_limits());
        let codes = if value == "0s" { ANY } else { USAGE };
        cases.push(
            check(codes, "")
                .file("p.toml", limits)
                .named(format!("recovery = {value}")),
        );
    }
    for value in [
        "0",
        "-1",
        "4294967296",
        "1.5",
        "\"x\"",
        "18446744073709551616",
    ] {
        let limits = format!("{}\n[limits]\nreceives = {value}\n", without_limits());
        cases.push(
            check(USAGE, "p.toml:")
                .file("p.toml", limits)
                .named(format!("receives = {value}")),
        );
    }
    let bytes = PROFILE.as_bytes();
    for at in (0..40).map(|part| part * bytes.len() / 40) {
        let name = format!("cut at {at}");
        cases.push(check(ANY, "").file("p.toml", &bytes[..at]).named(name));
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (at % 7);
        cases.push(
            check(ANY, "")
                .file("p.toml", flipped)
                .named(format!("flipped at {at}")),
        );
    }
    cases
}

/// The profile up to its numbers, where it has any.
fn without_limits() -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in PROFILE.lines() {
        if line.starts_with('[') {
            is_kept = line != "[limits]";
        }
        if is_kept {
            kept += &format!("{line}\n");
        }
    }
    kept
}

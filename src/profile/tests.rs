use super::*;
use crate::history::{Claim, Level};
use crate::plan::{Phase, SessionId};

#[test]
fn a_server_that_is_called_is_in_the_machines_network() {
    let of = |mode: &str| {
        let text = format!(
            "version = 1\nname = \"x\"\n[start]\ncommand = [\"x\"]\n[network]\nmode = \"{mode}\"\n\
             [[accept]]\nvia = \"http\"\nurl = \"http://127.0.0.1:{{port}}/\"\nbody = \"{{instruction}}\"\n\
             [names]\nsession = \"{{session}}\"\nbranch = \"{{thread}}\"\nbucket = \"{{client}}\"\n\
             [outcome]\nreported-by = [\"http\"]\nended-by = \"report\"\n"
        );
        Profile::parse(&text).map(|profile| profile.network_mode())
    };
    assert_eq!(of("auto"), Ok(NetworkMode::Proxy));
    let mistakes = of("namespace").unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(
        mistakes[0].message.contains("cannot be called"),
        "{mistakes:?}"
    );
}

#[test]
fn the_reference_promises_the_numbers_of_the_contract_and_all_is_seen() {
    let profile = Profile::parse(REFERENCE).unwrap();
    assert_eq!(profile.limits, Limits::CONTRACT);
    assert!(profile.unseen.is_empty() && profile.unpromised.is_empty());
    assert_eq!(profile.record, Some(RecordShape::default()));
    let session = SessionId::new("acme", "home");
    assert_eq!(profile.names.branch(&session), "thread-home");
    assert_eq!(
        profile.names.bucket(&session.client),
        "edit.acme.webordinary.com"
    );
}

fn reading(profile: Profile, raw: &str) -> Reading {
    let sessions = [
        SessionId::new("acme", "home"),
        SessionId::new("acme", "blog"),
    ];
    LineReader::new(Arc::new(profile), &sessions).read(raw)
}

#[test]
fn the_reference_reads_its_own_lines() {
    let own = |raw| reading(Profile::parse(REFERENCE).unwrap(), raw);
    let line = own("ERROR [acme/blog] [pushing] Git push complete\nwith more");
    assert_eq!(line.level, Level::Error);
    assert_eq!(line.session, Some(SessionId::new("acme", "blog")));
    assert_eq!(line.phase, Some(Phase::Pushing));
    assert_eq!(line.claim, Some(Claim::PushDone));
    assert_eq!(&*line.text, "Git push complete\nwith more");
    let other = own("[acme/blog] Build failed");
    assert_eq!(
        (other.level, other.session, other.claim),
        (Level::Info, None, None)
    );
    let attempt = own("INFO S3 sync attempt 12 of acme");
    assert_eq!(attempt.claim, Some(Claim::SyncAttempt(12)));
    assert_eq!(attempt.phase, None);
}

/// Another system: colours, a prefix, ids that are UUIDs.
const OTHER: &str = r#"
version = 1
name = "other"
[names]
session = "{session.uuid}"
branch = "work/{thread.uuid}"
bucket = "{client}-site"
log-group = "/other"
[words]
colours = true
line = '^\[app\] +(?:(?<session>[0-9a-f-]{36}) )?(?<text>.*)$'
error = '^\[app\] +.*(?:went wrong|given up)'
[words.claims]
sync-attempt = 'upload try #(?<attempt>\d+)'
[words.phases]
deploying = 'upload try #1$'
[outcome]
reported-by = ["log"]
[promises]
breaker = { not = "it has none" }
[faults]
out-of-memory = { not = "it runs without a limit" }
"#;

#[test]
fn another_systems_lines_are_read_by_its_own_words() {
    let profile = Profile::parse(OTHER).unwrap();
    let session = SessionId::new("acme", "home");
    let id = profile.names.session(&session);
    assert_eq!(id.len(), 36);
    assert_ne!(id, profile.names.session(&SessionId::new("acme", "blog")));
    let line = reading(
        profile.clone(),
        &format!("\u{1b}[32m[app]\u{1b}[0m   {id} upload try #1"),
    );
    assert_eq!(line.session, Some(session));
    assert_eq!(line.claim, Some(Claim::SyncAttempt(1)));
    assert_eq!(line.phase, Some(Phase::Deploying));
    let error = reading(profile.clone(), "[app] a push was given up");
    assert_eq!(error.level, Level::Error);
    assert_eq!(
        profile.not_asked(Rule::Breaker, &[]).unwrap(),
        "the system does not promise it: it has none"
    );
    assert_eq!(
        profile
            .not_asked(Rule::Settled, &[Evidence::Record])
            .unwrap(),
        "its record cannot be seen: the profile has no section [record]"
    );
    assert_eq!(profile.not_asked(Rule::Fresh, &[Evidence::Site]), None);
}

/// A mistake: what of the reference is replaced by what, and where and how that is reported.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "version = 1",
        "version = 2",
        "this program reads profiles of version 1 only",
    ),
    (
        "version = 1",
        "version = \"1\"",
        "invalid type: string \"1\", expected i64",
    ),
    ("version = 1\n", "", "missing field `version`"),
    (
        "name = \"reference\"",
        "name = \"\"",
        "a profile has a name of one line",
    ),
    ("[record]", "[recrod]", "unknown field `recrod`"),
    (
        "key = \"sessionId\"",
        "ky = \"sessionId\"",
        "unknown field `ky`",
    ),
    (
        "\"{session}\"",
        "\"{sesion}\"",
        "`{sesion}` is no placeholder",
    ),
    (
        "\"{session}\"",
        "\"{session\"",
        "a brace of `{session` has no other half",
    ),
    (
        "thread-{thread}",
        "work",
        "`branch` is the same for all sessions of a client",
    ),
    (
        "edit.{client}",
        "edit",
        "`bucket` is the same for all clients",
    ),
    (
        "\"/lastError\"",
        "\"lastError\"",
        "`lastError` is not a place in a record",
    ),
    (
        "pages = [\".html\"",
        "pages = [\"\"",
        "`pages` lists the endings of pages",
    ),
    (
        "front = [\"index.html\"]",
        "front = [\"index.php\"]",
        "`index.php` is no page",
    ),
    (
        "front = [\"index.html\"]\nignore = []",
        "front = [\"index.html\"]\nignore = [\"index.html\"]",
        "`index.html` is no page",
    ),
    (
        "front = [\"index.html\"]",
        "front = []",
        "`front` lists the keys",
    ),
    (
        "build = [\"sh\", \"build.sh\"]",
        "build = []",
        "`build` is a program and its arguments",
    ),
    (
        "build = [\"sh\", \"build.sh\"]",
        "build = \"sh build.sh\"",
        "invalid type: string \"sh build.sh\", expected a sequence",
    ),
    (
        "output = \"dist\"",
        "output = \"../dist\"",
        "`output` is a folder in the checkout",
    ),
    (
        "[\"SITE_MODULES\"",
        "[\"GIT_TOKEN\"",
        "a build gets no variable that begins with GIT_ or AWS_",
    ),
    (
        "'^Build failed'",
        "'^Build (failed'",
        "`^Build (failed` is not a regular expression: unclosed group",
    ),
    (
        "(?<attempt>[0-9]+)",
        "[0-9]+",
        "`sync-attempt` has no group `attempt`",
    ),
    ("(?<text>", "(?<txt>", "`line` has a group `txt`"),
    (
        "push-done",
        "push-finished",
        "unknown variant `push-finished`",
    ),
    ("[\"record\"]", "[\"mail\"]", "unknown variant `mail`"),
    ("receives = 3", "receives = 0", "invalid value: integer `0`"),
    (
        "cool-down = \"30s\"",
        "cool-down = \"30\"",
        "`30` is not a time",
    ),
    (
        "cool-down = \"30s\"",
        "cool-down = 30",
        "invalid type: integer `30`",
    ),
    (
        "[sees]",
        "[sees]\nrecord = false",
        "write `true`, or the reason: { not = \"…\" }",
    ),
    ("[sees]", "[sees]\nsmell = true", "unknown variant `smell`"),
    (
        "[promises]",
        "[promises]\nfast = true",
        "unknown variant `fast`",
    ),
    (
        "[faults]",
        "[faults]\nflood = { not = \"no\" }",
        "`flood` is not a fault",
    ),
    (
        "[faults]",
        "[faults]\ngit-down = { not = \"\" }",
        "write `true`, or the reason",
    ),
    ("[faults]", "[faults", "unclosed table"),
];

#[test]
fn every_mistake_is_reported_with_its_place() {
    for (from, to, expected) in MISTAKES {
        let (before, _) = REFERENCE.split_once(from).expect(from);
        let text = REFERENCE.replacen(from, to, 1);
        let mistakes = Profile::parse(&text).expect_err(to);
        assert_eq!(mistakes.len(), 1, "{to}: {mistakes:?}");
        let mistake = &mistakes[0];
        assert!(mistake.message.contains(expected), "{to}: {mistake}");
        // What is missing has no place but the file.
        let lines = before.matches('\n').count() + 1
            ..=before.matches('\n').count() + 1 + to.matches('\n').count();
        assert!(
            to.is_empty() || lines.contains(&mistake.line),
            "{to}: {mistake}"
        );
    }
}

/// A system that is started, without mistakes.
const STARTED: &str = r#"
version = 1
name = "started"
[names]
session = "{session}"
branch = "{thread}"
bucket = "{client}"
[start]
command = ["node", "worker.js"]
per = "client"
setup = { commands = [["npm", "ci"]], reads = ["package.json"] }
[start.env]
QUEUE = "{queue.url}"
[ready]
log = "polling"
[[accept]]
via = "sqs"
body = "{instruction.json}"
[outcome]
reported-by = ["http"]
failed = [{ at = "/error" }]
"#;

/// Mistakes in how a system is started.
const STARTED_MISTAKES: &[(&str, &str, &str)] = &[
    (
        "[\"node\", \"worker.js\"]",
        "[]",
        "`command` is a program and its arguments",
    ),
    (
        "[\"node\", \"worker.js\"]",
        "[\" \"]",
        "`command` is a program and its arguments",
    ),
    ("command = ", "comand = ", "unknown field `comand`"),
    ("\"client\"", "\"session\"", "unknown variant `session`"),
    (
        "commands = [[\"npm\", \"ci\"]]",
        "commands = [\"npm ci\"]",
        "invalid type: string",
    ),
    (
        "{queue.url}",
        "{queue.uri}",
        "`{queue.uri}` is no placeholder",
    ),
    ("\"polling\"", "\"(polling\"", "is not a regular expression"),
    (
        "[ready]",
        "[ready]\nwithin = \"soon\"",
        "`soon` is not a time",
    ),
    ("\"sqs\"", "\"kafka\"", "unknown variant `kafka`"),
    ("body = ", "text = ", "unknown field `text`"),
    (
        "{instruction.json}",
        "do it",
        "nothing hands over the instruction's text",
    ),
    (
        "via = \"sqs\"",
        "via = \"http\"\nurl = \"http://127.0.0.1:{port}\"",
        "has no message that could be deleted",
    ),
    (
        "reported-by = [\"http\"]",
        "reported-by = [\"log\"]\nended-by = \"report\"",
        "needs \"http\" or \"callback\"",
    ),
    (
        "\"/error\"",
        "\"error\"",
        "`error` is not a place in a record",
    ),
    ("[\"http\"]", "[\"mail\"]", "unknown variant `mail`"),
    (
        "[ready]",
        "[build]\nshim = [\"./build\"]\n[ready]",
        "`shim` lists commands that are found by the PATH",
    ),
    (
        "[ready]",
        "[build]\nshim = [\" \"]\n[ready]",
        "`shim` lists commands that are found by the PATH",
    ),
    (
        "[ready]",
        "[agent]\nstub = [\"npm\"]\n[build]\nshim = [\"npm run build\"]\n[ready]",
        "`npm` cannot be the agent of [agent] and a build",
    ),
];

#[test]
fn every_mistake_in_how_a_system_is_started_is_reported_with_its_place() {
    Profile::parse(STARTED).unwrap();
    for (from, to, expected) in STARTED_MISTAKES {
        assert!(STARTED.contains(from), "{from}");
        let text = STARTED.replacen(from, to, 1);
        let mistakes = Profile::parse(&text).expect_err(to);
        let mistake = &mistakes[0];
        assert!(mistake.message.contains(expected), "{to}: {mistake}");
        assert!(mistake.line >= 7 && mistake.column >= 1, "{to}: {mistake}");
    }
}

#[test]
fn several_mistakes_are_reported_together() {
    let text = REFERENCE
        .replace("cool-down = \"30s\"", "cool-down = \"x\"")
        .replace("'^Build failed'", "'('")
        .replace("restart =", "restrat =");
    let mistakes = Profile::parse(&text).unwrap_err();
    assert_eq!(mistakes.len(), 3, "{mistakes:?}");
}

#[test]
fn the_schema_knows_every_section() {
    let schema = schema();
    let sections = schema["properties"].as_object().unwrap();
    let written: toml::Table = REFERENCE.parse().unwrap();
    for section in written.keys() {
        assert!(sections.contains_key(section), "{section}");
    }
}

#[test]
fn the_profile_of_the_documentation_has_no_mistakes() {
    let page = include_str!("../../docs/other-systems.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let profile = Profile::parse(text).unwrap();
    assert!(profile.not_asked(Rule::Fresh, &[Evidence::Site]).is_none());
    let own = reading(
        profile,
        "ERROR @ 2026-11-29 10:00:00 : main : There was a problem running Hugo",
    );
    assert_eq!(own.level, Level::Error);
    assert_eq!(own.claim, Some(Claim::BuildFailed));
}

#[test]
fn the_container_of_the_seeds_system_has_queues_and_tables_of_its_own() {
    let profile = Profile::parse(include_str!("../../profiles/webordinary.toml")).unwrap();
    let queues: Vec<String> = profile
        .resources
        .queues(&"acme".into())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        queues,
        [
            "webordinary-unclaimed-acme",
            "webordinary-interrupts-acme-u"
        ]
    );
    let key = profile.resources.key_of("webordinary-active-jobs");
    assert_eq!(key, Some("projectUserId"));
    let line = "\u{1b}[31m[Nest] 123  - \u{1b}[39m11/29/2026, 6:40:13 PM \u{1b}[31m  ERROR\u{1b}[39m \
                \u{1b}[38;5;3m[MessageProcessor] \u{1b}[39m\u{1b}[31mBuild failed with code 1: x\u{1b}[39m";
    let read = reading(profile, line);
    assert_eq!(read.level, Level::Error);
    assert_eq!(read.claim, Some(Claim::BuildFailed));
    assert_eq!(&*read.text, "Build failed with code 1: x");
}

#[test]
fn a_resource_is_a_queue_a_table_or_a_setting() {
    let of = |resource: &str, unless: &str| {
        let text = format!(
            "version = 1\nname = \"x\"\n[start]\ncommand = [\"x\"]\n[[resource]]\n{resource}\n\
             [[accept]]\nvia = \"sqs\"\nbody = \"{{instruction}}\"\n{unless}\n\
             [names]\nsession = \"{{session}}\"\nbranch = \"{{thread}}\"\nbucket = \"{{client}}\"\n"
        );
        match Profile::parse(&text) {
            Ok(_) => String::new(),
            Err(mistakes) => mistakes[0].to_string(),
        }
    };
    let table = "table = \"owners\"\nkey = \"project\"";
    let unless = "unless = { table = \"owners\", key = \"{client}\" }";
    assert_eq!(of(table, unless), "");
    assert_eq!(
        of("queue = \"claims-{client}\"\nvisibility = \"5s\"", ""),
        ""
    );
    let secret = "secret = \"{client}/git\"\nvalue = \"{git.token}\"";
    let parameter = "parameter = \"/x\"\nvalue = \"{bucket}\"";
    assert_eq!((of(secret, ""), of(parameter, "")), Default::default());
    for (resource, unless, why) in [
        ("", "", "a resource is a `queue`"),
        ("table = \"owners\"", "", "a `table` and its `key`"),
        (
            "queue = \"a\"\ntable = \"b\"\nkey = \"c\"",
            "",
            "a resource is",
        ),
        ("queue = \"{thread}\"", "", "name of its client at most"),
        ("secret = \"x\"", "", "and its `value`"),
        (
            "secret = \"x\"\nparameter = \"y\"\nvalue = \"\"",
            "",
            "a resource is",
        ),
        (
            "secret = \"x\"\nvalue = \"{thread}\"",
            "",
            "in a secret or a parameter",
        ),
        (
            "queue = \"a\"",
            unless,
            "no [[resource]] with the table `owners`",
        ),
    ] {
        let said = of(resource, unless);
        assert!(said.contains(why), "{resource}: {said}");
    }
}

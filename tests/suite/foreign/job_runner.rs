//! The job of `examples/job-runner-python`, unchanged.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::examples;

/// What it breaks: the rule, or a kind of its breaches, and the steps that show it.
const FINDINGS: &[(&str, &str)] = &[
    (
        "no-secret-told",
        "inject git-auth\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    ("no-dangling-page", "instruct acme/home change\n"),
    (
        "errors-told/two-outcomes",
        "instruct acme/home break-build\n",
    ),
    (
        "errors-told/not-deployed",
        "inject s3-denied acme\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    (
        "fresh",
        "inject s3-denied acme\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    ("pushed", "instruct acme/home change\n"),
    (
        "commits-preserved",
        "instruct acme/home change\nuntil acme/home done\ninstruct acme/home change\n",
    ),
    (
        "nothing-lost",
        "inject git-down\ninstruct acme/home change\nwait 20s\n",
    ),
];

/// The same disturbances, and some that come of the repairs, in plans that a right job brings to an end.
const MENDED: &[&str] = &[
    "inject git-auth\ninject s3-denied\ninstruct acme/home change\nwait 20s\n",
    "instruct acme/home break-build\nuntil acme/home done\ninstruct acme/home repair\n\
     until acme/home deploying\ncrash acme\n",
    "inject git-down\ninstruct acme/home change\nwait 20s\nheal git-down\nuntil acme/home building\n\
     crash acme\npush-from-outside acme/home conflicting\n",
];

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| examples::copy("job-runner-python", None))
}

#[test]
fn each_of_its_mistakes_shows_in_a_short_plan() {
    examples::each_shows(&folder().join("profile.toml"), FINDINGS);
}

#[test]
fn its_mended_twin_holds() {
    examples::each_holds(&folder().join("mended.toml"), MENDED);
}

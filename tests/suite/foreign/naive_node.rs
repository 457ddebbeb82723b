//! The worker of `examples/naive-node`, unchanged.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::examples;
use crate::clients;

/// What it breaks: the rule, and the steps that show it.
const FINDINGS: &[(&str, &str)] = &[
    ("no-secret-told", "instruct acme/home change\n"),
    (
        "no-dangling-page",
        "instruct acme/home change\nuntil acme/home done\ninstruct acme/home change\n",
    ),
    (
        "exactly-once",
        "instruct acme/home change\nuntil acme/home done\nredeliver acme/home\n",
    ),
    ("stays-up", "inject queue-down refused\nwait 30s\n"),
    (
        "nothing-lost",
        "inject git-auth\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    (
        "pushed",
        "instruct acme/home change\nuntil acme/home building\ninject git-auth\nuntil acme/home done\n",
    ),
    (
        "fresh",
        "inject s3-denied\ninstruct acme/home change\nuntil acme/home done\n",
    ),
    (
        "usable",
        "instruct acme/home change\nuntil acme/home done\npush-from-outside acme/home clean\n",
    ),
];

/// The same disturbances, and some that come of the repairs, in plans that a right worker brings to an end.
const MENDED: &[&str] = &[
    "inject queue-down refused\nwait 15s\nheal queue-down refused\ninstruct acme/home change\n\
     until acme/home done\nredeliver acme/home\n",
    "inject git-auth\ninject s3-denied\ninstruct acme/home change\nwait 20s\n",
    "instruct acme/home change\nuntil acme/home building\ncrash acme\n\
     push-from-outside acme/home conflicting\n",
];

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    // The AWS CLI is the one that other tests use.
    FOLDER.get_or_init(|| examples::copy("naive-node", Some(&clients::python().with_file_name(""))))
}

#[test]
fn each_of_its_mistakes_shows_in_a_short_plan() {
    examples::each_shows(&folder().join("profile.toml"), FINDINGS);
}

#[test]
fn its_mended_twin_holds() {
    examples::each_holds(&folder().join("mended.toml"), MENDED);
}

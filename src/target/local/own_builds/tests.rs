use std::sync::Arc;

use super::*;
use crate::oracle::{BuildOfMarks, ByReferences, Objects, Oracle};
use crate::plan::ClientId;
use crate::profile::{Profile, REFERENCE};

/// A site of another template than ours: other keys, and no asset is named by its content.
const BUILD: &str = "mkdir -p out/blog\n\
     marks=$(cat content/changes.txt | tr '\\n' ' ')\n\
     printf '/* %s */' \"$marks\" >out/look.css\n\
     printf '<link rel=stylesheet href=/look.css><p>%s' \"$marks\" >out/index.html\n\
     printf '<link rel=stylesheet href=/look.css><p>%s' \"$marks\" >out/blog/index.html\n";

/// A repository with a commit for each edit, and how it is built.
struct Bench {
    folder: tempfile::TempDir,
    builds: OwnBuilds,
    profile: Arc<Profile>,
}

impl Bench {
    fn new(build: &str, edits: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut script = String::from(
            "set -e\nexport GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a \
             GIT_COMMITTER_EMAIL=a@a GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n\
             git init -q -b main .\nmkdir content\ncp ../build.sh make.sh\n",
        );
        for edit in 1..=edits {
            script.push_str(&format!(
                "echo edit-{edit} >>content/changes.txt; git add .; git commit -qm {edit}\n"
            ));
        }
        std::fs::write(folder.path().join("build.sh"), build).unwrap();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        let mut shell = process::git("sh");
        shell.args(["-c", &script]);
        let status = shell.current_dir(folder.path().join("site")).status();
        assert!(status.unwrap().success());
        let profile = REFERENCE
            .replace("\"build.sh\"", "\"make.sh\"")
            .replace("output = \"dist\"", "output = \"out\"")
            .replace("ignore = []", "ignore = [\"robots.txt\", \"kept/\"]");
        let profile = Arc::new(Profile::parse(&profile).unwrap());
        let mut bench = Self {
            folder,
            builds: OwnBuilds {
                build: profile.site.build.clone().unwrap(),
                environment: Vec::new(),
            },
            profile,
        };
        bench.pass(&[]);
        bench
    }

    /// Gives a container's environment to the builds.
    fn pass(&mut self, more: &[(&str, &str)]) {
        let more = more.iter().map(|(name, value)| (name.into(), value.into()));
        let environment: Vec<_> = more.collect();
        self.builds = OwnBuilds::new(self.builds.build.clone(), &environment);
    }

    fn of(&self, edits: &[u32]) -> Vec<OwnBuild> {
        let marks: Vec<Mark> = edits.iter().copied().map(Mark::Edit).collect();
        self.builds.of(&[self.folder.path().join("site")], &marks)
    }

    /// What a build of the commit with these edits, by a system, puts into the site.
    fn deployed(&self, edits: &[u32]) -> Objects {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let list: String = edits.iter().map(|edit| format!("edit-{edit}\n")).collect();
        std::fs::create_dir(folder.join("content")).unwrap();
        std::fs::write(folder.join("content/changes.txt"), list).unwrap();
        let mut shell = process::command("sh");
        shell.arg(self.folder.path().join("build.sh"));
        assert!(shell.current_dir(folder).status().unwrap().success());
        let mut files = Files::new();
        read_files(&folder.join("out"), "", &mut files).unwrap();
        let object = |(key, content)| (key, Arc::new(content));
        files.into_iter().map(object).collect()
    }

    /// What is wrong with a site that should show these edits, and whether it lacks anything.
    fn judge(&self, edits: &[u32], site: &Objects) -> (Option<String>, bool) {
        let marks: Vec<Mark> = edits.iter().copied().map(Mark::Edit).collect();
        let own: Vec<Arc<OwnBuild>> = self.of(edits).into_iter().map(Arc::new).collect();
        let build = BuildOfMarks {
            client: &ClientId::from("acme"),
            marks: &marks,
            warns: false,
            own: &own,
        };
        let oracle = ByReferences(self.profile.clone());
        (oracle.difference(build, site), !oracle.whole(build, site))
    }

    /// That the site with one change is found wrong, with these words.
    fn finds(&self, words: &str, lacks: bool, change: impl Fn(&mut Objects)) {
        let mut site = self.deployed(&[1, 2]);
        change(&mut site);
        let (difference, found_lacking) = self.judge(&[1, 2], &site);
        assert_eq!(difference.as_deref(), Some(words));
        assert_eq!(found_lacking, lacks, "{words}");
    }
}

fn put(site: &mut Objects, key: &str, text: &str) {
    site.insert(key.into(), read_content(key, text.as_bytes()).into());
}

#[test]
fn a_right_site_of_any_template_is_right() {
    let bench = Bench::new(BUILD, 3);
    for edits in [&[1][..], &[1, 2], &[1, 2, 3]] {
        let mut site = bench.deployed(edits);
        assert_eq!(site.len(), 3);
        assert_eq!(bench.judge(edits, &site), (None, false));
        put(&mut site, "robots.txt", "no build makes this");
        put(&mut site, "kept/of-an-older.html", "edit-9");
        assert_eq!(bench.judge(edits, &site), (None, false));
    }
}

#[test]
fn what_is_not_of_the_build_is_found() {
    let bench = Bench::new(BUILD, 2);
    bench.finds("old.css of an older build is left over", false, |site| {
        put(site, "old.css", "/* edit-1 edit-2 */");
    });
    bench.finds("blog/index.html is missing", true, |site| {
        site.remove("blog/index.html");
    });
    let older = bench.deployed(&[1]);
    let words = "blog/index.html is not what a build of the commit makes; it has edit-1";
    bench.finds(words, true, |site| {
        let key: Arc<str> = "blog/index.html".into();
        site.insert(key.clone(), older[&key].clone());
    });
    let words = "look.css is not what a build of the commit makes; it has edit-1, edit-2";
    bench.finds(words, true, |site| {
        put(site, "look.css", "/* edit-1 edit-2  */ ");
    });
}

#[test]
fn what_varies_from_build_to_build_is_known_by_its_marks() {
    // A time in a page, as many generators write it.
    let bench = Bench::new(&format!("{BUILD}date +%s%N >>out/index.html\n"), 2);
    let mut site = bench.deployed(&[1, 2]);
    assert_eq!(bench.judge(&[1, 2], &site), (None, false));
    let of_older = "<link rel=stylesheet href=/look.css><p>edit-1";
    put(&mut site, "blog/index.html", of_older);
    let (difference, lacks) = bench.judge(&[1, 2], &site);
    assert!(difference.unwrap().starts_with("blog/index.html is not"));
    assert!(lacks);
}

#[test]
fn where_keys_vary_what_pages_name_is_of_the_build() {
    let named = format!(
        "{BUILD}n=$(date +%s%N); echo x >out/$n.js\n\
         echo \"<script src=/$n.js></script>\" >>out/index.html\n"
    );
    let bench = Bench::new(&named, 2);
    let site = bench.deployed(&[1, 2]);
    assert_eq!(bench.judge(&[1, 2], &site), (None, false));
    bench.finds("other.js of an older build is left over", false, |site| {
        put(site, "other.js", "x");
    });
    let mut site = site;
    let script = site
        .keys()
        .find(|key| key.ends_with(".js"))
        .unwrap()
        .clone();
    site.remove(&script);
    let missing = format!("{script} is missing");
    assert_eq!(bench.judge(&[1, 2], &site), (Some(missing), true));
}

#[test]
fn a_build_that_fails_or_cannot_be_run_accuses_no_system() {
    let bench = Bench::new("echo no such module >&2; exit 3", 1);
    let of_system = Bench::new(BUILD, 0);
    let builds = bench.of(&[1]);
    let error = builds[0].error.as_deref().unwrap();
    assert!(error.contains("no such module"), "{error}");
    let site = of_system.deployed(&[1]);
    assert_eq!(bench.judge(&[1], &site), (None, false));
    let mut missing = Bench::new(BUILD, 1);
    missing.builds.build.command[0] = "/no/such/program".into();
    assert_eq!(missing.of(&[1]), []);
    assert_eq!(missing.judge(&[1], &site), (None, false));
    assert_eq!(bench.of(&[1, 2]), [], "no commit has these marks");
    assert_eq!(bench.of(&[]), []);
}

#[test]
fn a_build_gets_nothing_but_what_the_profile_names() {
    let mut bench = Bench::new("mkdir out; env >out/env; ls -A ~ >>out/env", 1);
    bench.pass(&[
        ("SITE_MODULES", "/modules"),
        ("GIT_TOKEN", "secret"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let repository = bench.folder.path().join("site");
    let tree = bench.of(&[1])[0].tree.to_string();
    let build = bench
        .builds
        .build_in(&repository, &tree, &folder.path().join("one"));
    build.unwrap().unwrap();
    let text = std::fs::read_to_string(folder.path().join("one/site/out/env")).unwrap();
    let mut names: Vec<&str> = text
        .lines()
        .map(|line| line.split('=').next().unwrap())
        .collect();
    names.retain(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name));
    names.sort_unstable();
    let passed = ["HOME", "LANG", "LC_ALL", "PATH", "SITE_MODULES", "TMPDIR"];
    assert_eq!(names, passed);
}

#[test]
fn a_build_that_hangs_ends_with_all_that_it_started() {
    let pids = tempfile::tempdir().unwrap();
    let pid = pids.path().join("pid");
    let script = format!("sleep 60 & echo $! >{}; wait", pid.display());
    let mut bench = Bench::new(&script, 1);
    bench.builds.build.within = Duration::from_millis(500);
    assert_eq!(bench.of(&[1]), []);
    let pid = std::fs::read_to_string(pid).unwrap();
    // What was killed ends when the system next lets it run.
    let is_gone = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        stat.is_err() || stat.unwrap().contains(") Z ")
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_gone() {
        assert!(Instant::now() < deadline, "{pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_tree_is_built_once_in_a_process() {
    let count = tempfile::tempdir().unwrap();
    let count = count.path().join("count");
    let bench = Bench::new(&format!("{BUILD}echo >>{}\n", count.display()), 2);
    for _ in 0..3 {
        assert_eq!(bench.of(&[1, 2]).len(), 1);
    }
    assert_eq!(std::fs::read(&count).unwrap().len(), 2);
}

//! A release's archives have the names and the folders under which `cargo binstall` looks for them.

use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

#[test]
fn binstall_finds_what_the_workflow_builds() {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let workflow = read(".github/workflows/release.yml");
    // The name that the workflow gives, in binstall's words.
    let name = "name=\"shakedown-$version-$TARGET\"";
    assert!(workflow.contains(name) && workflow.contains("\"$name.tar.gz\" \"$name\""));
    let url = binstall["pkg-url"].as_str().unwrap();
    assert!(
        url.ends_with("/v{ version }/{ name }-{ version }-{ target }.tar.gz"),
        "{url}"
    );
    let folder = binstall["bin-dir"].as_str().unwrap();
    assert_eq!(
        folder,
        "{ name }-{ version }-{ target }/{ bin }{ binary-ext }"
    );
    for target in [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
    ] {
        assert!(workflow.contains(&format!("target: {target}")), "{target}");
    }
}

//! Does the agent's changes to the files of a checkout, and to nothing else.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::refs::is_absent;
use crate::worker::ports::{FileChange, Kind, PortError, PortResult};

/// Does one change.
///
/// # Errors
/// When the path leads out of the checkout or into `.git`, or the file system refuses.
pub fn change_file(checkout: &Path, change: &FileChange) -> PortResult<()> {
    let (FileChange::Write { path, .. }
    | FileChange::Append { path, .. }
    | FileChange::Delete { path }) = change;
    let place = place(checkout, path)?;
    let done = match change {
        FileChange::Write { text, .. } => {
            make_parents(&place).and_then(|()| fs::write(&place, text.as_bytes()))
        }
        FileChange::Append { line, .. } => make_parents(&place).and_then(|()| {
            let mut file = fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(&place)?;
            file.write_all(format!("{line}\n").as_bytes())
        }),
        FileChange::Delete { .. } => match fs::remove_file(&place) {
            Err(error) if is_absent(&error) => Ok(()),
            other => other,
        },
    };
    done.map_err(|error| PortError::new(Kind::Other, format!("cannot change {path}: {error}")))
}

fn make_parents(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Where a path of the agent's is in the checkout.
fn place(checkout: &Path, path: &str) -> PortResult<PathBuf> {
    let refuse = |why: &str| {
        let text = format!("refused to change `{path}`: {why}");
        Err(PortError::new(Kind::Other, text))
    };
    let mut place = checkout.to_path_buf();
    for component in Path::new(path).components() {
        let Component::Normal(name) = component else {
            return refuse("it is not a plain path inside the workspace");
        };
        if name.eq_ignore_ascii_case(".git") {
            return refuse("it is git's own");
        }
        place.push(name);
        if place.is_symlink() {
            return refuse("it goes through a symbolic link");
        }
    }
    if place == checkout || path.ends_with('/') || path.contains('\0') {
        return refuse("it names no file");
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &str) -> FileChange {
        FileChange::Write {
            path: path.into(),
            text: "text".into(),
        }
    }

    #[test]
    fn changes_are_done_inside_the_checkout() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path();
        let append = FileChange::Append {
            path: "a/b.txt".into(),
            line: "more".into(),
        };
        let delete = FileChange::Delete {
            path: "a/b.txt".into(),
        };
        change_file(checkout, &write("a/b.txt")).unwrap();
        change_file(checkout, &append).unwrap();
        assert_eq!(fs::read(checkout.join("a/b.txt")).unwrap(), b"textmore\n");
        change_file(checkout, &delete).unwrap();
        change_file(checkout, &delete).unwrap();
        assert!(!checkout.join("a/b.txt").exists());
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path().join("checkout");
        fs::create_dir_all(checkout.join("a")).unwrap();
        std::os::unix::fs::symlink(folder.path(), checkout.join("link")).unwrap();
        for path in [
            "",
            "../out",
            "a/../../out",
            "/out",
            "./",
            "a/",
            ".git/config",
            "a/.GIT/config",
            "link/out",
            "link",
        ] {
            let error = change_file(&checkout, &write(path)).unwrap_err();
            assert!(error.text.starts_with("refused"), "{path}: {error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Reads refs from a repository's files: faster than a command, and most questions need no more.

use std::io;
use std::path::Path;

/// The commit that a ref names, loose or packed; `None` where there is no such ref.
///
/// # Errors
/// When the files are there and cannot be read.
pub fn read_ref(git_folder: &Path, name: &str) -> io::Result<Option<String>> {
    if let Some(text) = read(&git_folder.join(name))? {
        return Ok(Some(text.trim().into()).filter(|id: &String| !id.is_empty()));
    }
    let packed = read(&git_folder.join("packed-refs"))?.unwrap_or_default();
    let found = packed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, packed)| *packed == name);
    Ok(found.map(|(id, _)| id.into()))
}

/// A file's text; `None` where there is no such file.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error only says that nothing is there.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_refs_hide_packed_ones() {
        let folder = tempfile::tempdir().unwrap();
        let heads = folder.path().join("refs/heads");
        std::fs::create_dir_all(&heads).unwrap();
        std::fs::write(heads.join("main"), "aaaa\n").unwrap();
        let packed = "# pack-refs with: peeled\nbbbb refs/heads/main\ncccc refs/heads/old\n^dddd\n";
        std::fs::write(folder.path().join("packed-refs"), packed).unwrap();
        let check = |name: &str, id: Option<&str>| {
            assert_eq!(
                read_ref(folder.path(), name).unwrap().as_deref(),
                id,
                "{name}"
            );
        };
        check("refs/heads/main", Some("aaaa"));
        check("refs/heads/old", Some("cccc"));
        check("refs/heads/gone", None);
        check("refs/heads", None);
    }
}

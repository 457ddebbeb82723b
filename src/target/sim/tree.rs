//! The files of a commit or a checkout, and how git merges them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::history::change::ChangeHash;
use crate::plan::Mark;
use crate::site;
use crate::worker::ports::FileChange;

/// The files of a checkout, by their top folder, which commits share while it does not change.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Tree {
    folders: BTreeMap<Arc<str>, Rc<site::Tree>>,
}

impl Tree {
    /// The sources that every site starts from.
    pub fn template() -> Rc<Self> {
        thread_local! {
            static TEMPLATE: Rc<Tree> = {
                let mut tree = Tree::default();
                for (path, text) in site::SiteKind::Shell.template() {
                    tree.apply(&FileChange::Write { path, text });
                }
                Rc::new(tree)
            };
        }
        TEMPLATE.with(Rc::clone)
    }

    pub fn apply(&mut self, change: &FileChange) {
        let (FileChange::Write { path, .. }
        | FileChange::Append { path, .. }
        | FileChange::Delete { path }) = change;
        let folder = folder_of(path);
        match self.folders.get_mut(folder) {
            Some(files) => change.apply_to(Rc::make_mut(files)),
            None => {
                let mut files = site::Tree::new();
                change.apply_to(&mut files);
                self.folders.insert(folder.into(), Rc::new(files));
            }
        }
    }

    /// Does all changes. A thousand files that were written before are taken from memory.
    pub fn apply_all(&mut self, changes: &[FileChange]) {
        if changes.len() < MANY || !self.apply_remembered(changes) {
            for change in changes {
                self.apply(change);
            }
        }
    }

    /// Does changes that write one whole folder. Returns false where they do something else.
    fn apply_remembered(&mut self, changes: &[FileChange]) -> bool {
        thread_local! {
            static LAST: RefCell<(Vec<FileChange>, Rc<site::Tree>)> = RefCell::default();
        }
        let folder = match changes.first() {
            Some(FileChange::Write { path, .. }) => folder_of(path),
            _ => return false,
        };
        let writes_there = |change: &FileChange| matches!(change, FileChange::Write { path, .. } if folder_of(path) == folder);
        LAST.with_borrow_mut(|(last, files)| {
            let is_known = last.len() == changes.len() && last.iter().zip(changes).all(same_write);
            if !is_known {
                if !changes.iter().all(writes_there) {
                    return false;
                }
                let mut made = site::Tree::new();
                for change in changes {
                    change.apply_to(&mut made);
                }
                (*last, *files) = (changes.to_vec(), Rc::new(made));
            }
            match self.folders.get(folder) {
                Some(there) => Rc::ptr_eq(there, files),
                None => {
                    self.folders.insert(folder.into(), files.clone());
                    true
                }
            }
        })
    }

    pub fn get(&self, path: &str) -> Option<&Arc<str>> {
        self.folders.get(folder_of(path))?.get(path)
    }

    /// Every mark in it, in the order that the build lists them.
    pub fn marks(&self) -> Vec<Mark> {
        self.folders
            .get(folder_of(site::CHANGES))
            .map(|files| site::marks_in_tree(files))
            .unwrap_or_default()
    }

    /// A hash of what was added to another tree to make this one.
    pub fn change_from(&self, before: &Self) -> u64 {
        let mut change = ChangeHash::default();
        let empty = Rc::new(site::Tree::new());
        let names: BTreeSet<&Arc<str>> = self.folders.keys().chain(before.folders.keys()).collect();
        for name in names {
            let [old, new] = [before, self].map(|tree| tree.folders.get(name).unwrap_or(&empty));
            if Rc::ptr_eq(old, new) {
                continue;
            }
            if old.is_empty() && new.len() >= MANY {
                change.add_all(whole_folder(new));
                continue;
            }
            change_of_folder(old, new, &mut change);
        }
        change.value()
    }

    /// Merges two trees that come from `base`. Where both changed a file differently, `self`
    /// wins and the merge conflicts: what git says of lines added at the end of one file.
    pub fn merge(&self, base: &Self, theirs: &Self) -> (Self, bool) {
        let mut conflicts = false;
        let names: BTreeSet<&Arc<str>> = [self, base, theirs]
            .into_iter()
            .flat_map(|tree| tree.folders.keys())
            .collect();
        let mut folders = BTreeMap::new();
        for name in names {
            let [ours, base, theirs] = [self, base, theirs].map(|tree| tree.folders.get(name));
            let merged = if same_folder(base, theirs) || same_folder(ours, theirs) {
                ours.cloned()
            } else if same_folder(base, ours) {
                theirs.cloned()
            } else {
                Some(Rc::new(merge_files(ours, base, theirs, &mut conflicts)))
            };
            if let Some(files) = merged {
                folders.insert(name.clone(), files);
            }
        }
        (Self { folders }, conflicts)
    }
}

/// So many files at once are worth remembering.
const MANY: usize = 100;

fn change_of_folder(old: &site::Tree, new: &site::Tree, change: &mut ChangeHash) {
    for (path, text) in new {
        change_of_file(path, old.get(path), Some(text), change);
    }
    for (path, text) in old.iter().filter(|(path, _)| !new.contains_key(*path)) {
        change_of_file(path, Some(text), None, change);
    }
}

/// The change that adds a folder with many files; that of the last one is known.
fn whole_folder(files: &Rc<site::Tree>) -> ChangeHash {
    thread_local! {
        static LAST: RefCell<(Rc<site::Tree>, ChangeHash)> = RefCell::default();
    }
    LAST.with_borrow_mut(|(last, change)| {
        if !Rc::ptr_eq(last, files) {
            (*last, *change) = (files.clone(), ChangeHash::default());
            change_of_folder(&site::Tree::new(), files, change);
        }
        *change
    })
}

/// A new file of more bytes counts as one line: those of a memory-hungry edit are read by the million.
const LARGE: usize = 4096;

fn change_of_file<'a>(
    path: &str,
    old: Option<&'a Arc<str>>,
    new: Option<&'a Arc<str>>,
    change: &mut ChangeHash,
) {
    if old == new {
        return;
    }
    if old.is_none() != new.is_none() {
        change.add(path, if new.is_some() { "new" } else { "deleted" });
    }
    if let (None, Some(text)) = (old, new)
        && text.len() > LARGE
    {
        return change.add(path, text);
    }
    let lines = |text: Option<&'a Arc<str>>| -> Vec<&'a str> {
        text.map(|text| text.lines().collect()).unwrap_or_default()
    };
    let mut gone = lines(old);
    for line in lines(new) {
        match gone.iter().position(|other| *other == line) {
            Some(at) => {
                gone.swap_remove(at);
            }
            None => change.add(path, line),
        }
    }
    gone.iter().for_each(|line| change.remove(path, line));
}

fn folder_of(path: &str) -> &str {
    path.split_once('/').map_or("", |(folder, _)| folder)
}

/// Whether both write the very same text to the very same path.
fn same_write((a, b): (&FileChange, &FileChange)) -> bool {
    match (a, b) {
        (
            FileChange::Write { path, text },
            FileChange::Write {
                path: other_path,
                text: other_text,
            },
        ) => Arc::ptr_eq(path, other_path) && Arc::ptr_eq(text, other_text),
        _ => false,
    }
}

fn same_folder(a: Option<&Rc<site::Tree>>, b: Option<&Rc<site::Tree>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Rc::ptr_eq(a, b) || a == b,
        (None, None) => true,
        _ => false,
    }
}

fn merge_files(
    ours: Option<&Rc<site::Tree>>,
    base: Option<&Rc<site::Tree>>,
    theirs: Option<&Rc<site::Tree>>,
    conflicts: &mut bool,
) -> site::Tree {
    let sides = [ours, base, theirs];
    let paths: BTreeSet<&Arc<str>> = sides
        .iter()
        .flatten()
        .flat_map(|side| side.keys())
        .collect();
    let mut merged = site::Tree::new();
    for path in paths {
        let [ours, base, theirs] = sides.map(|side| side.and_then(|files| files.get(path)));
        let kept = if base == ours {
            theirs
        } else {
            *conflicts |= base != theirs && ours != theirs;
            ours
        };
        if let Some(text) = kept {
            merged.insert(path.clone(), text.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Edit, Mark};

    #[test]
    fn many_files_at_once_are_the_same_as_one_by_one() {
        let text = site::instruction_text(Edit::MemoryHungry, Mark::Edit(1));
        let changes = site::SiteKind::Shell.script(&text).unwrap();
        let mut one_by_one = Tree::default();
        changes[1..]
            .iter()
            .for_each(|change| one_by_one.apply(change));
        for _ in 0..2 {
            let mut at_once = Tree::default();
            at_once.apply_all(&changes[1..]);
            assert_eq!(at_once, one_by_one);
            // Where the folder has something else already, that stays.
            let path: Arc<str> = "public/other.txt".into();
            let text: Arc<str> = "other".into();
            let other = FileChange::Write { path, text };
            let mut mixed = Tree::default();
            mixed.apply(&other);
            mixed.apply_all(&changes[1..]);
            at_once.apply(&other);
            assert_eq!(mixed, at_once);
        }
    }
}

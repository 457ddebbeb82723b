//! A small model of git: commits, rebases and merges, as the `git` command makes them.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::tree::Tree;
use crate::history::{self, Branch};
use crate::plan::Mark;
use crate::worker::ports::CommitId;

/// A commit's place in its repository; parents come before their children.
pub type Index = usize;

/// The first commit of `main`: the template.
pub const TEMPLATE: Index = 0;

pub struct Commit {
    /// None for the template, two for a merge.
    parents: Vec<Index>,
    pub tree: Rc<Tree>,
    subject: Arc<str>,
    pub instruction: Option<Arc<str>>,
    /// The clone that it was made in; 0 for what the remote was given otherwise.
    pub made_in: u32,
    marks: Vec<Mark>,
    adds: Vec<Mark>,
    /// A hash of what it adds; none for a merge.
    content: Option<u64>,
    /// The branch that ends here, once it was looked at.
    branch: OnceCell<Arc<Branch>>,
}

/// All commits of a client's repository, on whatever branch they are.
pub struct Commits(Vec<Commit>);

impl Default for Commits {
    fn default() -> Self {
        Self(vec![Commit {
            parents: Vec::new(),
            tree: Tree::template(),
            subject: "The template".into(),
            instruction: None,
            made_in: 0,
            marks: Vec::new(),
            adds: Vec::new(),
            content: None,
            branch: OnceCell::new(),
        }])
    }
}

impl Commits {
    pub fn get(&self, index: Index) -> &Commit {
        &self.0[index]
    }

    /// The commit's name.
    pub fn id(&self, index: Index) -> CommitId {
        format!("{index:07x}").into()
    }

    /// The commit of that name, if there is one.
    pub fn find(&self, id: &str) -> Option<Index> {
        let index = Index::from_str_radix(id, 16).ok()?;
        (index < self.0.len()).then_some(index)
    }

    pub fn commit(
        &mut self,
        parent: Index,
        tree: Rc<Tree>,
        subject: Arc<str>,
        instruction: Option<Arc<str>>,
        made_in: u32,
    ) -> Index {
        let marks = tree.marks();
        let mut before = self.0[parent].marks.clone();
        let adds = marks
            .iter()
            .filter(
                |mark| match before.iter().position(|other| other == *mark) {
                    Some(place) => {
                        before.swap_remove(place);
                        false
                    }
                    None => true,
                },
            )
            .copied()
            .collect();
        let content = Some(tree.change_from(&self.0[parent].tree));
        self.add(Commit {
            parents: vec![parent],
            tree,
            content,
            subject,
            instruction,
            made_in,
            marks,
            adds,
            branch: OnceCell::new(),
        })
    }

    fn add(&mut self, commit: Commit) -> Index {
        self.0.push(commit);
        self.0.len() - 1
    }

    /// Which commits can be reached from one, by index.
    fn reachable(&self, from: Index) -> Vec<bool> {
        let mut reached = vec![false; from + 1];
        reached[from] = true;
        for index in (0..=from).rev() {
            if reached[index] {
                for parent in &self.0[index].parents {
                    reached[*parent] = true;
                }
            }
        }
        reached
    }

    pub fn is_ancestor(&self, of: Index, ancestor: Index) -> bool {
        ancestor == of || (ancestor < of && self.reachable(of)[ancestor])
    }

    /// The commits of `to` that `from` lacks, oldest first.
    pub fn lacking(&self, from: Index, to: Index) -> impl Iterator<Item = Index> + use<> {
        let (there, here) = (self.reachable(from), self.reachable(to));
        (0..here.len()).filter(move |index| here[*index] && !there.get(*index).is_some_and(|x| *x))
    }

    pub fn has_instruction(&self, head: Index, id: &str) -> bool {
        let reached = self.reachable(head);
        (0..=head).any(|index| reached[index] && self.0[index].instruction.as_deref() == Some(id))
    }

    /// The branch that ends at a commit.
    pub fn branch(&self, head: Index) -> Arc<Branch> {
        self.0[head]
            .branch
            .get_or_init(|| {
                let commits = self
                    .lacking(TEMPLATE, head)
                    .map(|index| {
                        let commit = &self.0[index];
                        history::Commit {
                            subject: commit.subject.clone(),
                            adds: commit.adds.clone(),
                            merge: commit.parents.len() > 1,
                            content: commit.content,
                        }
                    })
                    .collect();
                Arc::new(Branch {
                    commits,
                    tree: self.0[head].marks.clone(),
                })
            })
            .clone()
    }

    /// Replays the commits that `onto` lacks on it, merges left out. `None` is a conflict.
    pub fn rebase(&mut self, head: Index, onto: Index, made_in: u32) -> Option<Index> {
        if self.is_ancestor(head, onto) {
            return Some(head);
        }
        let mut tip = onto;
        for index in self.lacking(onto, head) {
            let commit = &self.0[index];
            let &[parent] = commit.parents.as_slice() else {
                continue;
            };
            let (before, after) = (&self.0[parent].tree, &commit.tree);
            let (tree, conflicts) = self.0[tip].tree.merge(before, after);
            if conflicts {
                return None;
            }
            let was_empty = before == after;
            if tree == *self.0[tip].tree && !was_empty {
                // What it does is there already.
                continue;
            }
            let (subject, instruction) = (commit.subject.clone(), commit.instruction.clone());
            tip = self.commit(tip, Rc::new(tree), subject, instruction, made_in);
        }
        Some(tip)
    }

    /// Merges `theirs` into `head`, the tip of the branch, whose version wins in conflicts.
    pub fn merge(&mut self, head: Index, theirs: Index, branch: &str, made_in: u32) -> Index {
        if self.is_ancestor(head, theirs) {
            return head;
        }
        let (here, there) = (self.reachable(head), self.reachable(theirs));
        // The newest commit of both: there are no merges back and forth, so there is one base.
        let base = (0..here.len().min(there.len()))
            .rev()
            .find(|index| here[*index] && there[*index])
            .unwrap_or(TEMPLATE);
        let (tree, _) = self.0[head]
            .tree
            .merge(&self.0[base].tree, &self.0[theirs].tree);
        self.add(Commit {
            parents: vec![head, theirs],
            marks: tree.marks(),
            tree: Rc::new(tree),
            subject: format!("Merge an outside change into {branch}").into(),
            instruction: None,
            made_in,
            adds: Vec::new(),
            content: None,
            branch: OnceCell::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site;
    use crate::worker::ports::FileChange;

    fn commit(commits: &mut Commits, parent: Index, change: &FileChange, subject: &str) -> Index {
        let mut tree = (*commits.get(parent).tree).clone();
        tree.apply(change);
        commits.commit(parent, Rc::new(tree), subject.into(), None, 1)
    }

    fn append(mark: Mark) -> FileChange {
        site::outsider_change(true, mark)
    }

    fn subjects(branch: &Branch) -> Vec<&str> {
        branch.commits.iter().map(|c| &*c.subject).collect()
    }

    #[test]
    fn a_rebase_replays_what_touches_other_files() {
        let mut commits = Commits::default();
        let local = commit(&mut commits, TEMPLATE, &append(Mark::Edit(1)), "one");
        let clean = site::outsider_change(false, Mark::Outside(1));
        let remote = commit(&mut commits, TEMPLATE, &clean, "outside");
        let head = commits.rebase(local, remote, 1).expect("no conflict");
        let branch = commits.branch(head);
        assert_eq!(subjects(&branch), ["outside", "one"]);
        assert_eq!(branch.tree, [Mark::Edit(1), Mark::Outside(1)]);
        assert_eq!(branch.commits[1].adds, [Mark::Edit(1)]);
    }

    #[test]
    fn lines_added_at_the_end_of_one_file_conflict_and_the_session_stands() {
        let mut commits = Commits::default();
        let local = commit(&mut commits, TEMPLATE, &append(Mark::Edit(1)), "one");
        let remote = commit(&mut commits, TEMPLATE, &append(Mark::Outside(1)), "outside");
        assert_eq!(commits.rebase(local, remote, 1), None);
        let head = commits.merge(local, remote, "thread-home", 1);
        let branch = commits.branch(head);
        assert_eq!(
            subjects(&branch),
            ["one", "outside", "Merge an outside change into thread-home"]
        );
        assert_eq!(branch.tree, [Mark::Edit(1)]);
        assert!(branch.commits[2].merge && branch.commits[2].adds.is_empty());
        assert_eq!(commits.lacking(remote, head).count(), 2);

        // A later clean commit of an outsider: the rebase conflicts again, the merge is clean.
        let clean = site::outsider_change(false, Mark::Outside(2));
        let remote = commit(&mut commits, remote, &clean, "outside again");
        assert_eq!(commits.rebase(head, remote, 1), None);
        let head = commits.merge(head, remote, "thread-home", 1);
        assert_eq!(commits.branch(head).tree, [Mark::Edit(1), Mark::Outside(2)]);
    }

    #[test]
    fn a_deletion_against_a_change_conflicts() {
        let mut commits = Commits::default();
        let package: Arc<str> = "package.json".into();
        let delete = FileChange::Delete {
            path: package.clone(),
        };
        let write = FileChange::Write {
            path: package.clone(),
            text: "{}".into(),
        };
        let local = commit(&mut commits, TEMPLATE, &delete, "delete");
        let remote = commit(&mut commits, TEMPLATE, &write, "write");
        assert_eq!(commits.rebase(local, remote, 1), None);
        let head = commits.merge(local, remote, "thread-home", 1);
        assert_eq!(commits.get(head).tree.get(&package), None);
    }
}

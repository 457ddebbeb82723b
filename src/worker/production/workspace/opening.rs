//! How a checkout is made, and made usable again.

use std::io;
use std::path::Path;

use super::{Checkouts, failed};
use crate::plan::SessionId;
use crate::worker::ports::PortResult;
use crate::worker::production::cleaning::remove_debris;
use crate::worker::production::refs::{read, read_ref};

impl Checkouts {
    /// Clones beside the final place and renames at the end: a clone that is there is whole.
    pub(super) async fn clone(&self, session: &SessionId) -> PortResult<()> {
        let half = self.root.join(format!(".cloning-{}", session.thread));
        let folder = self.folder(session);
        let prepare = || {
            std::fs::create_dir_all(&self.root)?;
            remove_folder(&half)
        };
        prepare().map_err(|error| failed("make a folder for", session, &error))?;
        let half_name = half.to_string_lossy();
        let arguments = [
            "clone",
            "--quiet",
            "--no-checkout",
            &self.remote,
            &half_name,
        ];
        self.git.output(&self.root, &arguments).await?;
        let start = read_ref(&half.join(".git"), &self.tracking(session))
            .map_err(|error| failed("read a ref of", session, &error))?
            .map_or_else(
                || "refs/remotes/origin/main".into(),
                |_| self.tracking(session),
            );
        let branch = self.branch(session);
        let arguments = ["checkout", "--quiet", "--no-track", "-B", &branch, &start];
        self.git.output(&half, &arguments).await?;
        let finish = || {
            remove_folder(&folder)?;
            std::fs::rename(&half, &folder)
        };
        finish().map_err(|error| failed("put in place", session, &error))
    }

    /// Removes what a crash left in a whole checkout.
    pub(super) async fn clean(&self, session: &SessionId) -> PortResult<()> {
        let found = remove_debris(&self.git_folder(session), &self.branch(session))
            .map_err(|error| failed("clean", session, &error))?;
        self.point_at_remote(session).await?;
        let status = [
            "status",
            "--porcelain",
            "--ignored",
            "--untracked-files=all",
        ];
        let is_clean = !found
            && self
                .git(session, &status)
                .await
                .is_ok_and(|output| output.is_empty());
        if is_clean {
            return Ok(());
        }
        if self
            .git(session, &["reset", "--quiet", "--hard"])
            .await
            .is_err()
        {
            // The index is made again from the branch; what it held was not committed.
            let _ = std::fs::remove_file(self.git_folder(session).join("index"));
            self.git(session, &["reset", "--quiet", "--hard"]).await?;
        }
        self.git(session, &["clean", "--quiet", "-ffdx"]).await?;
        Ok(())
    }

    /// The remote may have moved since the checkout was made.
    async fn point_at_remote(&self, session: &SessionId) -> PortResult<()> {
        let config = read(&self.git_folder(session).join("config"))
            .map_err(|error| failed("read the settings of", session, &error))?
            .unwrap_or_default();
        let wanted = format!("url = {}", self.remote);
        if !config.lines().any(|line| line.trim() == wanted) {
            self.git(session, &["config", "remote.origin.url", &self.remote])
                .await?;
        }
        Ok(())
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

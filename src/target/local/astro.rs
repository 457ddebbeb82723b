//! Astro and the packages that it needs, installed by npm once for all builds.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process;
use crate::site::{PACKAGE, SiteKind, cksum};
use crate::target::TargetError;

/// How long npm may take, over a slow network too.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// Where the packages are installed, for builds of an Astro site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Astro {
    modules: PathBuf,
}

impl Astro {
    /// Installs the packages of the lock file in a folder of their own under `cache`, unless they
    /// are there. This takes npm, and the network or npm's own cache.
    ///
    /// # Errors
    /// When npm fails, or the folder cannot be written to.
    pub fn install(cache: &Path) -> Result<Self, TargetError> {
        let doing = || format!("installing Astro in {}", cache.display());
        let failed = |why: &dyn std::fmt::Display| {
            let remedy = "make sure that npm reaches its registry and the folder can be written to";
            TargetError::new(doing(), why, remedy)
        };
        std::fs::create_dir_all(cache).map_err(|error| failed(&error))?;
        let cache = cache.canonicalize().map_err(|error| failed(&error))?;
        let lock = SiteKind::ASTRO_LOCK;
        let folder = cache.join(format!("astro-{}", cksum(lock.as_bytes())));
        if !folder.is_dir() {
            // It gets its name when it is whole, so that no build uses half of it.
            let scratch = tempfile::Builder::new()
                .prefix("astro-")
                .tempdir_in(&cache)
                .map_err(|error| failed(&error))?;
            install_in(scratch.path()).map_err(|error| failed(&error))?;
            match std::fs::rename(scratch.path(), &folder) {
                // Another process may have been faster; what it installed is the same.
                Err(error) if !folder.is_dir() => return Err(failed(&error)),
                _ => {}
            }
        }
        Ok(Self {
            modules: folder.join("node_modules"),
        })
    }

    /// The environment variables of builds.
    pub(super) fn environment(&self) -> [(&'static str, &Path); 2] {
        [
            ("SITE_MODULES", &self.modules),
            ("ASTRO_TELEMETRY_DISABLED", Path::new("1")),
        ]
    }
}

fn install_in(folder: &Path) -> io::Result<()> {
    let template = SiteKind::Astro.template();
    for name in [PACKAGE, "package-lock.json"] {
        if let Some(text) = template.get(name) {
            std::fs::write(folder.join(name), text.as_bytes())?;
        }
    }
    let mut npm = process::installer("npm");
    // No package of these has to run anything to be installed.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    let output = process::finish(process::spawn_piped(&mut npm)?, INSTALL_LIMIT)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("npm ci: {}", said.trim())))
}

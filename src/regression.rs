//! Plans kept as files: what each violated, where, by which seed, and how they are read and written.
//!
//! A kept plan is an ordinary plan whose comments carry its origin, so that it can be edited by
//! hand, and replayed by anybody.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::durable;
use crate::finding::Finding;
use crate::plan::{ParseError, Plan};
use crate::reading;
use crate::site::cksum;
use crate::terminal::quoted;

/// A plan file, and what its comments say of it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The file.
    pub path: PathBuf,
    /// The plan.
    pub plan: Plan,
    /// The run's seed, from the comment `# seed 0x1f3c`.
    pub seed: Option<u64>,
    /// The target that it was found on, from the comment `# violates RULE on TARGET; ...`.
    pub target: Option<String>,
}

/// Why a plan file could not be read. Its text begins with the place, as compilers write it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder cannot be read.
    #[error("{}: cannot read the plan: {why}; check the path", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// The file is no plan.
    #[error("{}:{}:{}: {}", path.display(), error.line, error.column, error.message)]
    Parse {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and where.
        error: ParseError,
    },
}

/// Reads a plan file.
///
/// # Errors
/// Where the file cannot be read, or is not a plan.
pub fn read(path: &Path) -> Result<Kept, ReadError> {
    let bytes = reading::bytes(path, reading::LARGEST_TEXT).map_err(|why| ReadError::Io {
        path: path.to_owned(),
        why,
    })?;
    let kept = parse(&bytes).map_err(|error| ReadError::Parse {
        path: path.to_owned(),
        error,
    })?;
    Ok(Kept {
        path: path.to_owned(),
        ..kept
    })
}

/// Reads a plan and what its comments say from the bytes of its file; the path stays empty.
///
/// # Errors
/// Where they are no plan, or a seed is damaged.
pub fn parse(bytes: &[u8]) -> Result<Kept, ParseError> {
    let text = reading::text(bytes).map_err(|no| ParseError {
        line: no.line,
        column: no.column,
        message: no.why,
    })?;
    let plan: Plan = text.parse()?;
    let target = plan
        .comments
        .iter()
        .find_map(|(_, text)| target_in(text.trim()));
    Ok(Kept {
        path: PathBuf::new(),
        seed: seed_in(text)?,
        target: target.map(str::to_owned),
        plan,
    })
}

/// The seed of the first comment that names one, such as `# seed 0x1f3c`.
fn seed_in(text: &str) -> Result<Option<u64>, ParseError> {
    for (line, number) in text.lines().zip(1..) {
        let Some(comment) = line.trim_start().strip_prefix('#') else {
            continue;
        };
        let mut words = comment.split_whitespace();
        let (Some("seed"), Some(word), None) = (words.next(), words.next(), words.next()) else {
            // More words are a sentence about a seed.
            continue;
        };
        return parse_seed(word).map(Some).ok_or_else(|| ParseError {
            line: number,
            column: line.chars().count() - comment.trim_start().chars().count() + 6,
            message: format!(
                "`{}` is not a seed; write a whole number, or 0x and hexadecimal digits, or remove this line",
                quoted(word)
            ),
        });
    }
    Ok(None)
}

/// Reads every `*.plan` file of a folder, by name. A folder that is missing holds none.
///
/// # Errors
/// As [`read`], and where the folder cannot be listed.
pub fn read_all(folder: &Path) -> Result<Vec<Kept>, ReadError> {
    let failed = |why| ReadError::Io {
        path: folder.to_owned(),
        why,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "plan")
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// Reads a seed: decimal, or hexadecimal after `0x`.
pub fn parse_seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A seed in the form that [`parse_seed`] reads and every report uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

fn target_in(comment: &str) -> Option<&str> {
    let (_, rest) = comment.strip_prefix("violates ")?.split_once(" on ")?;
    rest.split([';', ' '])
        .next()
        .filter(|name| !name.is_empty())
}

/// Keeps the plan of a finding that `command` came to, as `<rule>-<short hash>.plan`, and returns
/// its path. The same plan for the same rule is the same file.
///
/// # Errors
/// Where the folder cannot be made or the file not be written.
pub fn keep(folder: &Path, found: &Finding, command: &str) -> io::Result<PathBuf> {
    let bare = Plan {
        comments: Vec::new(),
        ..found.plan.clone()
    };
    let (rule, on) = (found.violation.rule, &found.target);
    let hash = cksum(bare.to_string().as_bytes());
    let path = folder.join(format!("{rule}-{hash:08x}.plan"));
    let origin = format!(" violates {rule} on {on}; found {} by {command}", today());
    let kept = Plan {
        comments: vec![(0, origin), (0, format!(" seed {}", Seed(found.seed)))],
        ..bare
    };
    std::fs::create_dir_all(folder)?;
    // A plan that is cut off would stop every later campaign.
    durable::write(&path, kept.to_string().as_bytes())?;
    Ok(path)
}

/// The date, as `2026-11-24`, in UTC.
fn today() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    date(since.as_secs() / 86_400)
}

/// The date of a day since 1970-01-01, by the calendar whose years begin in March, so that the
/// leap day is a year's last.
pub(crate) fn date(days: u64) -> String {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_plan_is_read_with_its_origin() {
        let folder = tempfile::tempdir().unwrap();
        let plan: Plan = "# shakedown plan v1\nsession acme/home\ncrash acme\n"
            .parse()
            .unwrap();
        let mut found = crate::finding::stale("sim", plan.clone(), 0x1f3c);
        let command = "shakedown run --seed 7";
        let path = keep(folder.path(), &found, command).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name.starts_with("fresh-") && name.ends_with(".plan"),
            "{name}"
        );
        let kept = read(&path).unwrap();
        assert_eq!(kept.seed, Some(0x1f3c));
        assert_eq!(kept.target.as_deref(), Some("sim"));
        assert_eq!(kept.plan.steps, plan.steps);
        // The name depends on what the plan does, not on its comments.
        found.plan = kept.plan;
        assert_eq!(keep(folder.path(), &found, command).unwrap(), path);
        assert_eq!(read_all(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn a_missing_folder_holds_no_plans_and_a_bad_plan_names_its_place() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_all(&folder.path().join("none")).unwrap().is_empty());
        let path = folder.path().join("bad.plan");
        std::fs::write(&path, "# shakedown plan v1\nsession acme/home\ncrsh acme\n").unwrap();
        let error = read_all(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("bad.plan:3:1: unknown step `crsh`"),
            "{error}"
        );
        let error = read(&folder.path().join("none.plan")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("none.plan: cannot read the plan")
        );
    }

    #[test]
    fn seeds_and_dates_are_written_as_people_write_them() {
        assert_eq!(parse_seed("0x1f3c"), Some(0x1f3c));
        assert_eq!(parse_seed("12"), Some(12));
        assert_eq!(parse_seed("x"), None);
        assert_eq!(parse_seed(&Seed(99).to_string()), Some(99));
        for (days, expected) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_781, "2026-11-24"),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}

//! What plans run on: the arguments for it, and the target that they ask for.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::dispatch::Exit;
use super::known::{self, demand};
use super::seed;
use crate::generate::Shape;
use crate::profile::Profile;
use crate::repeat::Setup;
use crate::target::aws::Spent;
use crate::verdict::{Demand, Heeded};

/// What generated plans are, and where they run.
#[derive(Clone, Debug, Args)]
pub struct PlansArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// What all plans and runs follow from [default: PROPTEST_RNG_SEED, else drawn and printed]
    #[arg(long, value_name = "S", value_parser = seed)]
    pub seed: Option<u64>,
    /// The most steps of a plan [default: 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_steps: Option<u32>,
    /// How many plans run at once [default: one a core on sim; on local five, less one for each other busy program]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Plant a defect in every container, to see what is found and reported
    #[arg(long, value_name = "NAME")]
    pub defect: Option<String>,
}

impl PlansArgs {
    /// Plans of a target with everything else as it is by default.
    pub fn of(target: TargetName) -> Self {
        Self {
            target: TargetArgs::of(target),
            seed: None,
            max_steps: None,
            jobs: None,
            defect: None,
        }
    }

    pub fn target_name(&self) -> TargetName {
        self.target.name()
    }

    pub fn shape(&self) -> Shape {
        let default = Shape::default();
        Shape {
            max_steps: self
                .max_steps
                .map_or(default.max_steps, |most| most as usize),
            ..default
        }
    }

    /// How many plans run at once.
    pub fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let default = match self.target_name() {
            // One system, and one journal of what is done to it.
            TargetName::Aws => return 1,
            TargetName::Sim => cores,
            // Most of a real run is waiting: on two cores, twelve at once took 0.7 of the time of six.
            // Where other programs are busy, that many at once only stall each other.
            TargetName::Local => (5 * cores).saturating_sub(busy_programs()).max(1),
        };
        self.jobs.map_or(default, usize::from)
    }
}

/// How many other programs use a processor or wait for one, where Linux tells it.
fn busy_programs() -> usize {
    let look = || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        let load = std::fs::read_to_string("/proc/loadavg").ok()?;
        let (running, _) = load.split(' ').nth(3)?.split_once('/')?;
        running.parse::<usize>().ok()
    };
    // What is busy for a moment only does not count; this program is one of them.
    let least = (0..5).filter_map(|_| look()).min();
    least.map_or(0, |running| running.saturating_sub(1))
}

#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// What to test [default: sim; for replay, where the plan was found]
    #[arg(long, value_enum)]
    pub target: Option<TargetName>,
    /// What builds the sites, on local [default: shell]
    #[arg(long, value_enum)]
    pub site: Option<SiteName>,
    /// Real seconds for each of the system's seconds; such as 0.05. A system that is not started here has
    /// to be deployed with such short waits [default: 1/30 on local, or 1/6 with Astro; 1 on aws]
    #[arg(long, value_name = "X", value_parser = time_scale)]
    pub time_scale: Option<f64>,
    /// The profile to judge by: other numbers, promises and evidence [default: the built-in one; for
    /// a history, the one in its header]
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Findings that are known, as RULE or RULE/KIND in each line: they are counted, and end no run
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Look for breaches of this rule, or of one kind, only, and go on at all others
    #[arg(long, value_name = "RULE[/KIND]", value_parser = demand, conflicts_with = "known")]
    pub only: Option<Demand>,
    /// The account of the deployed system, by its id: without it, nothing is done there
    #[arg(long, value_name = "ID")]
    pub yes_account: Option<String>,
    /// That of a history.
    #[arg(skip)]
    pub recorded: Option<Arc<Profile>>,
    /// What runs on a deployed system have cost.
    #[arg(skip)]
    pub spent: Arc<Spent>,
}

impl TargetArgs {
    /// A target with everything else as it is by default.
    pub fn of(target: TargetName) -> Self {
        Self {
            target: Some(target),
            site: None,
            time_scale: None,
            profile: None,
            known: None,
            only: None,
            yes_account: None,
            recorded: None,
            spent: Arc::default(),
        }
    }

    /// All that changes a run, for the command that repeats it on this target.
    pub fn setup(&self, target: &str, defect: Option<&str>) -> Setup {
        // An option that is new must be written here.
        let Self {
            target: _,
            site,
            time_scale,
            profile,
            known,
            only,
            yes_account,
            // The file that is replayed has it.
            recorded: _,
            spent: _,
        } = self;
        Setup {
            target: target.into(),
            site: match site {
                None | Some(SiteName::Shell) => None,
                Some(SiteName::Astro) => Some("astro".into()),
            },
            time_scale: *time_scale,
            profile: profile.as_ref().map(|path| path.display().to_string()),
            known: known.as_ref().map(|path| path.display().to_string()),
            only: only.as_ref().map(ToString::to_string),
            yes_account: yes_account.clone(),
            defect: defect.map(str::to_owned),
        }
    }

    /// The target that was asked for; else sim, or local for a system that its profile starts.
    pub fn name(&self) -> TargetName {
        self.asked().unwrap_or(TargetName::Sim)
    }

    /// The target that the arguments say, themselves or by their profile.
    pub fn asked(&self) -> Option<TargetName> {
        self.target.or_else(|| {
            let profile = Profile::read(self.profile.as_ref()?).ok()?;
            profile.start.is_some().then_some(TargetName::Local)
        })
    }

    /// The profile that was asked for; `None` where it is the built-in one.
    ///
    /// # Errors
    /// Where it has mistakes, or words that the system under test does not use; they are printed.
    pub fn read_profile(&self) -> Result<Option<Arc<Profile>>, Exit> {
        let profile = self.profile_of_file()?;
        self.heeding(profile)
    }

    /// The profile for runs that end at what is asked for.
    pub fn heeding(&self, profile: Option<Arc<Profile>>) -> Result<Option<Arc<Profile>>, Exit> {
        let heeded = match (&self.known, &self.only) {
            (Some(file), _) => known::read(file)?,
            (None, Some(only)) => Heeded::Only(only.clone()),
            (None, None) => return Ok(profile),
        };
        let profile = profile.unwrap_or_else(Profile::reference);
        Ok(Some(profile.heeding(&heeded)))
    }

    fn profile_of_file(&self) -> Result<Option<Arc<Profile>>, Exit> {
        let Some(path) = &self.profile else {
            return Ok(self.recorded.clone());
        };
        let profile = Profile::read(path).map_err(|error| {
            eprintln!("{error}");
            Exit::Usage
        })?;
        let reference = Profile::reference();
        if profile.start.is_none()
            && let Some(section) = profile.section_unlike(&reference)
        {
            eprintln!(
                "{}: its [{section}] differs from that of the built-in worker, which sim and local \
                 run; keep that section as `shakedown profile show` prints it",
                path.display()
            );
            return Err(Exit::Usage);
        }
        Ok(Some(profile.into()))
    }

    /// Checks that what is asked for has an effect on the target.
    ///
    /// # Errors
    /// Where it has none; says so.
    pub fn check_effect(&self, on: TargetName) -> Result<(), Exit> {
        if self.yes_account.is_some() && on != TargetName::Aws {
            eprintln!("--yes-account is for `--target aws`; leave it out");
            return Err(Exit::Usage);
        }
        if on == TargetName::Local {
            return Ok(());
        }
        let why = if on == TargetName::Aws {
            match self.site {
                None => return Ok(()),
                Some(_) => "the site of a deployed system is its own; leave `--site` out",
            }
        } else if self.site() != SiteName::Shell {
            "sim builds no real site; use `--site` with `--target local`"
        } else if self.time_scale.is_some() {
            "sim has no real time; use `--time-scale` with `--target local`"
        } else {
            return Ok(());
        };
        eprintln!("{why}");
        Err(Exit::Usage)
    }

    /// What builds the sites.
    pub fn site(&self) -> SiteName {
        self.site.unwrap_or(SiteName::Shell)
    }

    /// Real time over the system's own time.
    pub fn time_scale(&self) -> f64 {
        self.time_scale.unwrap_or(match self.site() {
            SiteName::Shell => 1.0 / 30.0,
            // A build takes seconds; it must not look like a minute to everything else.
            SiteName::Astro => 1.0 / 6.0,
        })
    }
}

/// The kinds of site by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum SiteName {
    /// A shell script, which needs nothing else
    Shell,
    /// Astro 5, installed by npm under target/ at the first use
    Astro,
}

/// The targets by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TargetName {
    /// The worker on simulated services, in virtual time
    Sim,
    /// The worker as processes, on real git and loopback services
    Local,
    /// A system that is deployed on AWS (docs/real-accounts.md)
    Aws,
}

impl TargetName {
    /// The target that was asked for, else the one that a file names, else sim.
    ///
    /// # Errors
    /// [`Exit::Usage`] where the file names a target that this program does not know; says so.
    pub fn choose(asked: Option<Self>, named: Option<&str>, file: &Path) -> Result<Self, Exit> {
        let (None, Some(named)) = (asked, named) else {
            return Ok(asked.unwrap_or(Self::Sim));
        };
        Self::from_str(named, false).map_err(|_| {
            let file = file.display();
            eprintln!(
                "{file} was made on the target `{named}`, which this program does not know; use a \
                 program that knows it, or choose another with `--target`"
            );
            Exit::Usage
        })
    }
}

/// Below a thousandth no machine starts a process within the system's own time limits.
pub const TIME_SCALES: RangeInclusive<f64> = 0.001..=1.0;

pub fn time_scale(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let scale = match text.split_once('/') {
        Some((over, under)) => number(over).zip(number(under)).map(|(a, b)| a / b),
        None => number(text),
    };
    scale
        .filter(|scale| TIME_SCALES.contains(scale))
        .ok_or_else(|| "write a number from 0.001 to 1, or a fraction such as 1/30".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_scales_are_numbers_or_fractions() {
        assert_eq!(time_scale("1/4"), Ok(0.25));
        assert_eq!(time_scale("0.5"), Ok(0.5));
        for bad in ["0", "2", "1/0", "-1", "x", "1/", "NaN"] {
            assert!(time_scale(bad).is_err(), "{bad}");
        }
    }
}

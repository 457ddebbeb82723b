//! Opening the target that was asked for.

use std::path::Path;
use std::sync::Arc;

use super::aws;
use super::dispatch::Exit;
use super::{SiteName, TargetArgs, TargetName};
use crate::defect::other::WHOLE;
use crate::defect::{Defect, trial};
use crate::profile::Profile;
use crate::repeat::program;
use crate::target::local::{Astro, Local, Sites, check_needs};
use crate::target::sim::Sim;
use crate::target::{Profiled, Target, TargetError};

/// The target that was asked for, with a defect in every container.
pub fn planted(defect: &'static Defect, on: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    let name = on.target.unwrap_or(TargetName::Sim);
    opened(
        name,
        on,
        trial::planted_sim(defect),
        &["--defect", defect.name],
    )
}

/// A target by its name; where it cannot be had, says why and ends.
pub fn open(name: TargetName, args: &TargetArgs) -> Result<Box<dyn Target + Sync>, Exit> {
    opened(name, args, Sim::default(), &[])
}

/// Sim, or local with sim as its twin, with the profile that was asked for.
fn opened(
    name: TargetName,
    args: &TargetArgs,
    sim: Sim,
    of_worker: &[&str],
) -> Result<Box<dyn Target + Sync>, Exit> {
    args.check_effect(name)?;
    if name == TargetName::Aws {
        if !of_worker.is_empty() {
            eprintln!("no defect can be planted in a deployed system; leave `--defect` out");
            return Err(Exit::Usage);
        }
        return aws::open(args);
    }
    let profile = args.read_profile()?;
    if let Some(profile) = profile.as_ref().filter(|profile| profile.start.is_some()) {
        return started(name, profile, args, of_worker);
    }
    let (target, twin): (Box<dyn Target + Sync>, Option<Sim>) = match name {
        TargetName::Sim | TargetName::Aws => (Box::new(sim), None),
        TargetName::Local => match open_local(args) {
            Ok(local) => {
                let local = local.with_worker_arguments(of_worker.iter().copied());
                let twin = Some(sim.clone());
                (Box::new(Local { twin, ..local }), Some(sim))
            }
            Err(error) => {
                eprintln!("{error}");
                return Err(Exit::Unknown);
            }
        },
    };
    Ok(match profile {
        None => target,
        Some(profile) => {
            let twin = twin.map(|twin| Box::new(twin) as Box<dyn Target + Sync>);
            Box::new(Profiled::new(target, profile).with_twin(twin))
        }
    })
}

/// The system that its profile starts.
fn started(
    name: TargetName,
    profile: &Arc<Profile>,
    args: &TargetArgs,
    of_worker: &[&str],
) -> Result<Box<dyn Target + Sync>, Exit> {
    let refused = match name {
        TargetName::Sim => Some("sim runs the built-in worker only; leave `--target sim` out"),
        TargetName::Local if !of_worker.is_empty() => {
            Some("defects are planted in the built-in worker only; leave `--defect` out")
        }
        TargetName::Local if args.site() != SiteName::Shell => {
            Some("the site is that of the profile; leave `--site` out")
        }
        TargetName::Local | TargetName::Aws => None,
    };
    if let Some(why) = refused {
        eprintln!(
            "the profile `{}` starts a system of its own: {why}",
            profile.name
        );
        return Err(Exit::Usage);
    }
    let local = Local::new().and_then(|local| {
        check_needs(&local.git, false)?;
        Ok(local)
    });
    let local = local.map_err(|error| {
        eprintln!("{error}");
        Exit::Unknown
    })?;
    Ok(Box::new(Local {
        // Its clock is real.
        time_scale: args.time_scale.unwrap_or(1.0),
        profile: profile.clone(),
        ..local
    }))
}

/// The planted defect of a name; an unknown name is reported.
pub fn defect(name: &str) -> Result<&'static Defect, Exit> {
    Defect::by_name(name).ok_or_else(|| {
        eprintln!(
            "unknown defect `{name}`; `{} defects --list` lists them",
            program()
        );
        Exit::Usage
    })
}

/// A target by its name, with a defect in every container where one is named.
pub fn open_with(
    name: TargetName,
    args: &TargetArgs,
    defect: Option<&str>,
) -> Result<Box<dyn Target + Sync>, Exit> {
    let Some(defect) = defect else {
        return open(name, args);
    };
    let defect = self::defect(defect)?;
    // A planted panic is part of the run, and no news.
    std::panic::set_hook(Box::new(|_| {}));
    let target = Some(name);
    planted(
        defect,
        &TargetArgs {
            target,
            ..args.clone()
        },
    )
}

/// Worker processes as the system with another profile.
pub fn other_local(local: Local) -> Local {
    let local = local.with_worker_arguments(["--other-profile"]);
    Local {
        profile: WHOLE.profile(),
        sites: match local.sites {
            Sites::Shell => Sites::Leaflet,
            asked_for => asked_for,
        },
        twin: Some(WHOLE.sim(None)),
        ..local
    }
}

pub fn open_local(args: &TargetArgs) -> Result<Local, TargetError> {
    let local = Local::new()?;
    check_needs(&local.git, args.site() == SiteName::Astro)?;
    Ok(Local {
        time_scale: args.time_scale(),
        sites: match args.site() {
            SiteName::Shell => Sites::Shell,
            SiteName::Astro => Sites::Astro(Astro::install(Path::new("target"))?),
        },
        ..local
    })
}

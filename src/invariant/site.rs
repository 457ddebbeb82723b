//! no-broken-deploy and no-dangling-page: what the S3 endpoint took.

use super::{Breach, kinds, list};
use crate::history::{Event, What};
use crate::model::Model;
use crate::plan::Fault;

kinds! {
    NO_BROKEN_DEPLOY:
    BROKEN = "broken", "An object was put that was built from files that do not build.";
    INJECTED = "injected",
        "An object was put from a build that the injected BUILD_ERROR had failed.";
    EXIT_CODE = "exit-code", "An object was put that only a build wrote which ended with an error.";
}

kinds! {
    NO_DANGLING_PAGE:
    PAGE_FIRST = "page-first", "A page was put before an asset that it refers to.";
    DELETED_FIRST = "deleted-first", "An asset was deleted while a page still refers to it.";
}

/// No object made by a failed build is ever in a site.
///
/// An object's marks show which edits its build held: a build fails when they leave the
/// branch broken, or when every build of the newest mark fell into a time of
/// `BUILD_ERROR`. Where a shim shows how builds end, its exit code counts too.
pub fn no_broken_deploy(model: &Model, event: &Event) -> Option<Breach> {
    let What::ObjectPut {
        client,
        key,
        content,
        ..
    } = &event.what
    else {
        return None;
    };
    if model.build_of(&content.marks).fails {
        return Breach::new(
            BROKEN,
            format!("no object of a failed build in the site of {client}"),
            format!(
                "{key} was put, made of {}, whose build fails",
                list(&content.marks)
            ),
        );
    }
    let ended = &model.clients[model.client_index(client)?].builds;
    if ended.only_failed(&content.marks) && !model.may_warn(&content.marks) {
        return Breach::new(
            EXIT_CODE,
            format!("no object of a failed build in the site of {client}"),
            format!(
                "{key} was put, made of {}, which only the last build wrote, and that one failed",
                list(&content.marks)
            ),
        );
    }
    // Another system's builds are not told by a record: a shim shows which of them failed.
    if model.profile.start.is_some() {
        return None;
    }
    let injected = content.marks.iter().find(|mark| {
        let Some(instruction) = model.instruction(**mark) else {
            return false;
        };
        let session = &model.sessions[instruction.session].id;
        let since = model.fault_since(|f| matches!(f, Fault::BuildError(of) if of == session));
        match (since, instruction.delivered) {
            (Some(since), Some(delivered)) => since < delivered,
            _ => false,
        }
    })?;
    Breach::new(
        INJECTED,
        format!("no object of a failed build in the site of {client}"),
        format!(
            "{key} was put, made of {}; BUILD_ERROR was injected since before {injected} was \
             delivered, so every build of it failed",
            list(&content.marks)
        ),
    )
}

/// A page in a site never names an asset that the site lacks.
pub fn no_dangling_page(model: &Model, event: &Event) -> Option<Breach> {
    match &event.what {
        What::ObjectPut {
            client,
            key,
            content,
            ..
        } => {
            let site = &model.clients[model.client_index(client)?].site;
            if !model.oracle.page(key) {
                return None;
            }
            let names = model.oracle.references(content, site);
            let missing = names.iter().find(|name| !site.contains_key(*name))?;
            Breach::new(
                PAGE_FIRST,
                format!("{key} goes up after every asset that it names"),
                format!("it was put while the site of {client} lacks {missing}"),
            )
        }
        What::ObjectDeleted { client, key } if !model.oracle.page(key) => {
            let site = &model.clients[model.client_index(client)?].site;
            let (page, _) = site
                .iter()
                .filter(|(page, _)| model.oracle.page(page))
                .find(|(_, content)| model.oracle.references(content, site).contains(key))?;
            Breach::new(
                DELETED_FIRST,
                format!("{key} is deleted after the last page that names it"),
                format!("it was deleted while {page} of {client} names it"),
            )
        }
        _ => None,
    }
}

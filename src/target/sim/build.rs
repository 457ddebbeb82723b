//! Builds, and what the objects of a site hold. Both are pure functions of their input, and the
//! same inputs come again in run after run, so that each thread remembers what it made.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;

use super::time::Span;
use super::tree::Tree;
use super::world::Link;
use crate::history::Content;
use crate::plan::{Mark, SessionId};
use crate::site;
use crate::worker::ports::{Build, BuildStatus, Builder, CommitId, Kind, PortError, PortResult};

/// How many builds and contents a thread remembers before it begins afresh; some 20 MB.
const REMEMBERED: usize = 1 << 14;

#[derive(PartialEq, Eq, Hash)]
struct Parts {
    marks: Vec<Mark>,
    banner_is_good: bool,
    has_package: bool,
}

/// What an object holds, with the digest that a list shows.
#[derive(Clone)]
pub struct Object {
    key: Arc<str>,
    bytes: Arc<[u8]>,
    pub content: Arc<Content>,
    pub digest: Arc<str>,
}

thread_local! {
    static BUILDS: RefCell<HashMap<Parts, Rc<Build>>> = RefCell::default();
    static OBJECTS: RefCell<HashMap<u64, Object>> = RefCell::default();
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The digest that the simulated S3 shows for these bytes.
pub fn digest(bytes: &[u8]) -> Arc<str> {
    let hash = hash(bytes);
    let known = OBJECTS.with_borrow(|objects| {
        objects
            .get(&hash)
            .filter(|object| *object.bytes == *bytes)
            .map(|object| object.digest.clone())
    });
    known.unwrap_or_else(|| digest_of(hash))
}

fn digest_of(hash: u64) -> Arc<str> {
    format!("{hash:016x}").into()
}

/// Reads an object as judgement needs it.
pub fn object(key: &Arc<str>, bytes: &Arc<[u8]>) -> Object {
    let hash = hash(bytes);
    OBJECTS.with_borrow_mut(|objects| {
        if let Some(object) = objects.get(&hash)
            && (Arc::ptr_eq(&object.bytes, bytes) || object.bytes == *bytes)
            && object.key == *key
        {
            return object.clone();
        }
        if objects.len() >= REMEMBERED {
            objects.clear();
        }
        let object = Object {
            key: key.clone(),
            bytes: bytes.clone(),
            content: Arc::new(site::read_content(key, bytes)),
            digest: digest_of(hash),
        };
        objects.insert(hash, object.clone());
        object
    })
}

fn build(tree: &Tree) -> Rc<Build> {
    let parts = Parts {
        marks: tree.marks(),
        banner_is_good: site::has_good_banner(tree.get(site::BANNER).map(|text| &**text)),
        has_package: tree.get(site::PACKAGE).is_some(),
    };
    BUILDS.with_borrow_mut(|builds| {
        if let Some(build) = builds.get(&parts) {
            return build.clone();
        }
        if builds.len() >= REMEMBERED {
            builds.clear();
        }
        let made = site::render_parts(&parts.marks, parts.banner_is_good, parts.has_package);
        let status = match (made.error, made.warning) {
            (Some(error), _) => BuildStatus::Failed(error.into()),
            (None, Some(warning)) => BuildStatus::Warned(vec![warning.into()]),
            (None, None) => BuildStatus::Good,
        };
        let build = Rc::new(Build {
            status,
            files: made.files,
        });
        builds.insert(parts, build.clone());
        build
    })
}

pub struct BuilderPort {
    pub link: Link,
}

#[async_trait(?Send)]
impl Builder for BuilderPort {
    async fn build(&self, session: &SessionId, commit: &CommitId) -> PortResult<Build> {
        self.link.spend(Span::millis(300, 2_000)).await;
        let client = self.link.mine();
        match client.repository.tree_of(session, commit) {
            Some(tree) => Ok((*build(tree)).clone()),
            None => Err(PortError::new(
                Kind::Missing,
                format!("commit {commit} is not in the workspace"),
            )),
        }
    }
}

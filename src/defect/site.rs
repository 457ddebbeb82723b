//! Mistakes around the site bucket.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use async_trait::async_trait;

use super::wrap;
use crate::worker::deploy::is_page;
use crate::worker::ports::{Kind, PortResult, Ports, Site};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mistake {
    /// Holds assets back until a page is up.
    PagesFirst,
    /// Deletes the asset that a new one replaces before it puts the new one.
    DeletesFirst,
    PanicsOnDenied,
    SwallowsErrors,
    NeverDeletes,
    /// A deletion that failed counts as done.
    SwallowsDeleteErrors,
    /// Asks only once what is there, and then counts what it asked for as done.
    TrustsItself,
    /// A list that fails is asked for again at once, three times.
    ListsAgainAtOnce,
}

pub(super) fn plant(ports: &mut Ports, mistake: Mistake) {
    wrap(&mut ports.site, |inner| {
        Rc::new(DefectiveSite {
            inner,
            mistake,
            held: RefCell::default(),
            there: RefCell::default(),
        })
    });
}

struct DefectiveSite {
    inner: Rc<dyn Site>,
    mistake: Mistake,
    held: RefCell<Vec<(String, Arc<[u8]>)>>,
    there: RefCell<Option<BTreeMap<Arc<str>, Arc<str>>>>,
}

impl DefectiveSite {
    async fn put_held(&self) -> PortResult<()> {
        let held = std::mem::take(&mut *self.held.borrow_mut());
        for (key, bytes) in held {
            self.inner.put(&key, &bytes).await?;
        }
        Ok(())
    }

    /// Deletes what has the same name but for its digest.
    async fn delete_older(&self, key: &str) -> PortResult<()> {
        let Some((stem, _)) = key.rsplit_once('-') else {
            return Ok(());
        };
        for old in self.inner.list().await?.keys() {
            if old.starts_with(stem) && &**old != key {
                self.inner.delete(old).await?;
            }
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Site for DefectiveSite {
    async fn list(&self) -> PortResult<BTreeMap<Arc<str>, Arc<str>>> {
        if self.mistake == Mistake::ListsAgainAtOnce {
            for _ in 0..3 {
                if let Ok(there) = self.inner.list().await {
                    return Ok(there);
                }
            }
        }
        if self.mistake != Mistake::TrustsItself {
            return self.inner.list().await;
        }
        let known = self.there.borrow().clone();
        match known {
            Some(there) => Ok(there),
            None => {
                let there = self.inner.list().await?;
                *self.there.borrow_mut() = Some(there.clone());
                Ok(there)
            }
        }
    }

    async fn put(&self, key: &str, bytes: &Arc<[u8]>) -> PortResult<()> {
        match self.mistake {
            Mistake::PagesFirst if !is_page(key) => {
                self.held.borrow_mut().push((key.into(), bytes.clone()));
                return Ok(());
            }
            Mistake::DeletesFirst => self.delete_older(key).await?,
            Mistake::TrustsItself => {
                if let Some(there) = &mut *self.there.borrow_mut() {
                    there.insert(key.into(), self.inner.digest(bytes));
                }
            }
            _ => {}
        }
        let put = self.inner.put(key, bytes).await;
        match self.mistake {
            Mistake::PagesFirst => {
                put?;
                self.put_held().await
            }
            Mistake::SwallowsErrors => Ok(()),
            Mistake::PanicsOnDenied => match put {
                Err(error) if error.kind == Kind::Denied => panic!("planted defect: {error}"),
                put => put,
            },
            _ => put,
        }
    }

    async fn delete(&self, key: &str) -> PortResult<()> {
        match self.mistake {
            Mistake::NeverDeletes => Ok(()),
            Mistake::SwallowsDeleteErrors => {
                let _ = self.inner.delete(key).await;
                Ok(())
            }
            Mistake::TrustsItself => {
                if let Some(there) = &mut *self.there.borrow_mut() {
                    there.remove(key);
                }
                self.inner.delete(key).await
            }
            _ => self.inner.delete(key).await,
        }
    }

    fn digest(&self, bytes: &[u8]) -> Arc<str> {
        self.inner.digest(bytes)
    }
}

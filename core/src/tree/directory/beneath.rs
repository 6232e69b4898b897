//! What a directory over one of the base knows of it: which names of the base it hides, and what the base said of it.
//!
//! A name of the base that was removed stays hidden, whatever comes to have it: so no later change of the base brings it
//! back. Entries that the base has too keep the key they have there ([`is_base_key`]): it tells that taking such an
//! entry out must hide the name.

use std::sync::Arc;

use super::{Directory, NameRules};
use crate::base::Status;
use crate::error::Result;
use crate::ledger::{Counted, Kind, Ledger, Tally, arc_bytes};
use crate::reckoning::Reckoning;
use crate::tree::name::is_base_key;
use crate::types::{FileKind, InodeId};

#[derive(Debug, Clone)]
pub(crate) struct Beneath {
    /// The directory of the base.
    pub(crate) id: InodeId,
    /// Its size, as the host counts it.
    size: u64,
    /// Its links, as the host counts them.
    links: u32,
    /// Subdirectories of the base that are entries of the directory's own by now, or were.
    covered: u64,
    hidden: Directory,
    _tally: Tally<Beneath>,
}

impl Counted for Beneath {
    const KIND: Kind = Kind::Directories;
    const BYTES: usize = arc_bytes::<Beneath>();
}

impl Beneath {
    pub(crate) fn new(ledger: Ledger, id: InodeId, status: &Status) -> Beneath {
        let (size, links) = (status.identity.size, status.links);
        Beneath { id, size, links, covered: 0, hidden: Directory::new(ledger), _tally: Tally::new(ledger) }
    }

    /// Counts what would go with this holder.
    pub(super) fn count_sole(this: &Arc<Self>, reckoning: &mut Reckoning) {
        if reckoning.lets_metadata_go(Arc::as_ptr(this), Arc::strong_count(this), Self::BYTES) {
            this.hidden.count_sole(reckoning);
        }
    }

    pub(super) fn hides(&self, rules: &NameRules, name: &[u8]) -> bool {
        self.hidden.get(rules, name).is_some()
    }

    /// The names of the base that it hides.
    pub(crate) fn hidden(&self) -> impl Iterator<Item = &[u8]> {
        self.hidden.iter_after(0).map(|entry| entry.name)
    }

    pub(super) fn hide(&mut self, rules: &NameRules, name: &[u8]) -> Result<()> {
        if !self.hides(rules, name) {
            self.hidden.insert(rules, name, InodeId::ROOT, FileKind::File)?;
        }
        Ok(())
    }

    /// An entry of the base becomes one of the directory's own.
    pub(super) fn cover(&mut self, kind: FileKind) {
        self.covered += u64::from(kind == FileKind::Directory);
    }

    /// A name of the base shows again; if it is that of a directory, the directory does not count it among its own any more.
    fn uncover(&mut self, rules: &NameRules, name: &[u8], is_directory: bool) {
        if let Some(key) = self.hidden.get(rules, name).map(|entry| entry.key) {
            self.hidden.remove(key);
        }
        self.covered = self.covered.saturating_sub(u64::from(is_directory));
    }

    /// Links of the directory with so many subdirectories of its own. 1 means on many hosts that nobody counts.
    pub(super) fn links(&self, subdirectories: u64) -> u32 {
        if self.links < 2 {
            return self.links;
        }
        let links = (u64::from(self.links) + subdirectories).saturating_sub(self.covered).max(2);
        u32::try_from(links).unwrap_or(u32::MAX)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Directory {
    /// A directory that has no entries of its own yet.
    pub(crate) fn over(ledger: Ledger, beneath: Beneath) -> Directory {
        Directory { beneath: Some(std::sync::Arc::new(beneath)), ..Directory::new(ledger) }
    }

    /// What it lies over.
    pub(crate) fn beneath(&self) -> Option<&Beneath> {
        self.beneath.as_deref()
    }

    /// Whether an entry of this name that the base has shows here. The directory has none of its own.
    pub(crate) fn shows(&self, rules: &NameRules, name: &[u8]) -> bool {
        self.beneath.as_ref().is_some_and(|beneath| !beneath.hides(rules, name))
    }

    /// Makes an entry of the base one of the directory's own, under the key that it has there.
    pub(crate) fn take_over(&mut self, key: u64, name: &[u8], inode: InodeId, kind: FileKind) -> Result<()> {
        debug_assert!(is_base_key(key) && self.beneath.is_some());
        self.unused(key)?;
        if let Some(beneath) = &mut self.beneath {
            std::sync::Arc::make_mut(beneath).cover(kind);
        }
        self.put(super::Entry { key, inode, kind, name });
        Ok(())
    }

    /// Whether it says no more than the base does: no entries of its own, and none of the base's hidden.
    pub(crate) fn is_as_in_base(&self) -> bool {
        self.is_empty() && self.beneath.as_ref().is_some_and(|beneath| beneath.hidden.is_empty())
    }

    /// Has nothing of its own to say of a name any more: what the base has there shows. `in_base`: what that is now.
    pub(crate) fn give_back(&mut self, rules: &NameRules, name: &[u8], in_base: Option<FileKind>) {
        let own = self.get(rules, name).map(|entry| entry.key);
        if let Some(key) = own {
            self.remove(key);
        }
        let Some(beneath) = &mut self.beneath else { return };
        if own.is_some_and(is_base_key) || beneath.hides(rules, name) {
            let is_directory = in_base == Some(FileKind::Directory);
            std::sync::Arc::make_mut(beneath).uncover(rules, name, is_directory);
        }
    }

    /// Hides a name of the base of which the directory has no entry of its own. `in_base`: what that is there.
    pub(crate) fn hide(&mut self, rules: &NameRules, name: &[u8], in_base: Option<FileKind>) -> Result<()> {
        let Some(beneath) = self.beneath.as_mut().filter(|beneath| !beneath.hides(rules, name)) else { return Ok(()) };
        let beneath = std::sync::Arc::make_mut(beneath);
        beneath.hide(rules, name)?;
        in_base.into_iter().for_each(|kind| beneath.cover(kind));
        Ok(())
    }

    /// As [`Directory::remove`]; the base does not show through afterwards.
    pub(crate) fn take_out(&mut self, rules: &NameRules, key: u64) -> Result<Option<(InodeId, FileKind)>> {
        if let Some(beneath) = &self.beneath
            && is_base_key(key)
            && let Some(name) = self.by_key(key).map(|entry| entry.name.to_vec())
        {
            let mut beneath = (**beneath).clone();
            beneath.hide(rules, &name)?;
            self.beneath = Some(std::sync::Arc::new(beneath));
        }
        Ok(self.remove(key))
    }
}

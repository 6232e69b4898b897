//! What a volume says about its base.

use super::Volume;
use crate::base::{BaseConfig, BaseIdentity};
use crate::error::{Error, Result};
use crate::types::{BaseState, InodeId, RefId};

/// What an inode of a branch or snapshot has to do with the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Whether the base has it, and what became of it.
    pub state: BaseState,
    /// What the base said when it was copied up or removed.
    pub recorded: Option<BaseIdentity>,
    /// What the base says now; `None`: it is not there any more.
    pub present: Option<BaseIdentity>,
}

impl Origin {
    /// Whether the base has changed since it was copied up.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.recorded.is_some() && self.recorded != self.present
    }
}

/// The parts of a file that are not what the base has at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRanges {
    /// Bytes of the file.
    pub size: u64,
    /// In order, none next to another.
    pub ranges: Vec<std::ops::Range<u64>>,
}

impl Volume {
    /// What lies beneath the first tree.
    #[must_use]
    pub fn base(&self) -> Option<&BaseConfig> {
        self.context.base.as_ref().map(crate::base::Layer::config)
    }

    /// What an inode of a branch or snapshot has to do with the base.
    ///
    /// Errors: [`Error::NoSuchRef`]; [`Error::NotFound`] when there is no such inode, here or in the base; those of asking the
    /// base.
    pub fn origin(&self, of: RefId, inode: InodeId) -> Result<Origin> {
        let tree = self.refs.tree(of)?;
        let held = tree.slot(inode);
        let present = match &self.context.base {
            Some(base) if base.knows(inode) => base.identity(inode)?,
            _ => None,
        };
        let recorded = held.as_ref().and_then(|inode| inode.read_shared().origin());
        let state = match &held {
            Some(inode) if inode.is_gone() => BaseState::Removed,
            Some(inode) if inode.is_of_base() => BaseState::CopiedUp,
            Some(_) => BaseState::None,
            None if present.is_some() => BaseState::Shows,
            None => return Err(Error::NotFound),
        };
        Ok(Origin { state, recorded, present })
    }

    /// The parts of a file, from the byte `from` on and at most `most` of them, that are not what the base has at the same place; the rest
    /// is. They begin and end where chunks do, or the base, or the file.
    ///
    /// Errors: [`Error::NoSuchRef`]; [`Error::NotFound`] when there is no such inode, here or in the base; that of asking for the content of
    /// what is no file; those of asking the base.
    pub fn own_ranges(&self, of: RefId, inode: InodeId, from: u64, most: usize) -> Result<OwnRanges> {
        let found = match (self.refs.tree(of)?.slot(inode), &self.context.base) {
            (Some(held), _) => Some(held).filter(|held| !held.is_gone()),
            (None, Some(base)) => base.inode(inode)?.map(std::sync::Arc::new),
            (None, None) => None,
        };
        let found = found.ok_or(Error::NotFound)?;
        let record = found.read();
        let stream = record.stream()?;
        let mut ranges = Vec::new();
        let mut at = from;
        while ranges.len() < most
            && let Some(range) = stream.own_range(inode, at)
        {
            at = range.end;
            ranges.push(range);
        }
        Ok(OwnRanges { size: stream.size(), ranges })
    }
}

//! Taking paths of a branch back.

use super::Volume;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::history::revert;
use crate::tree::table::FrozenTable;
use crate::types::{BranchId, RefId};

/// Makes a tree of one branch's, another tree, and paths.
type Remake = fn(&Context, &FrozenTable, &FrozenTable, &[Vec<u8>]) -> Result<FrozenTable>;

impl Volume {
    /// Has a branch show at each of `paths`, and below it, what `to` shows there, as if nothing had been changed since. Paths go from
    /// the root, without a slash in front; the empty one is everything. Over a base that means, for whatever `to` has not changed
    /// itself, that the base shows through again, as it is now.
    ///
    /// A file goes back under all its names; what has moved to or from one of the paths goes back to where it was, with all that is in it,
    /// and what stands in its way goes. Directories above a path stay where they are, though they have moved. All paths go back in one step. It costs what the two trees differ in.
    ///
    /// Errors: [`Error::NoSuchRef`]; [`Error::Busy`] while a view shows the branch, and when something would come back to a directory that the
    /// branch does not have; [`Error::Invalid`] for what is no path; those of asking the base. Nothing has changed then.
    pub fn revert(&self, branch: BranchId, to: RefId, paths: &[Vec<u8>]) -> Result<()> {
        self.remake(branch, to, paths, revert::revert, None).map(drop)
    }

    /// Takes a directory that is new in a branch, and that `to` has by now as well, for the same: what is in it stays, over what `to` has there.
    /// Where there is no such directory nothing happens.
    ///
    /// Errors: as [`Volume::revert`]; [`Error::NoSpace`] where there is no memory for what is carried over, which goes only afterwards from where it was.
    pub fn merge(&self, branch: BranchId, to: RefId, paths: &[Vec<u8>]) -> Result<()> {
        self.revert_unchanged(branch, to, paths, true, None).map(drop)
    }

    /// As [`Volume::revert`], or [`Volume::merge`] if `merges`, if the branch has not begun to change since it had this number of
    /// [`crate::RefInfo::changes`]; answers the number that it has then.
    ///
    /// Errors: as [`Volume::revert`]; [`Error::Stale`] if it has, and nothing has changed.
    pub fn revert_unchanged(
        &self,
        branch: BranchId,
        to: RefId,
        paths: &[Vec<u8>],
        merges: bool,
        changes: Option<u64>,
    ) -> Result<u64> {
        match merges {
            true => self.with_room(|| self.remake(branch, to, paths, revert::merge, changes)),
            false => self.remake(branch, to, paths, revert::revert, changes),
        }
    }

    fn remake(
        &self,
        branch: BranchId,
        to: RefId,
        paths: &[Vec<u8>],
        with: Remake,
        changes: Option<u64>,
    ) -> Result<u64> {
        let id = RefId::Branch(branch);
        let from = match self.refs.at_rest(id, changes) {
            Err(Error::Busy(_)) => {
                self.live_views().iter().for_each(|view| view.drop_all_unused());
                self.refs.at_rest(id, changes)?
            }
            answer => answer?,
        };
        let to = self.refs.frozen(to, &self.context)?;
        let new = with(&self.context, &from, &to, paths)?;
        // From before nobody finds it any more.
        let _pending = self.reaper.pending();
        let changes = self.refs.replace(id, &from, new)?;
        self.reaper.take(from);
        tracing::debug!(volume = self.name, ?id, paths = paths.len(), "took paths of a branch back");
        Ok(changes)
    }
}

//! Where things are that were put aside or made beside their place, whatever moves meanwhile.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::join;
use crate::accept::journal::temporary;

/// Something that was put aside.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) at: PathBuf,
    pub(super) inode: u64,
    pub(super) directory: bool,
}

/// Where temporary names are after all moves up to now.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    /// By where they shall be.
    pub(super) staged: BTreeMap<PathBuf, PathBuf>,
    /// By where they were.
    pub(super) parked: BTreeMap<PathBuf, Parked>,
    used: usize,
}

impl Tracks {
    pub(super) fn next_name(&mut self) -> String {
        self.used += 1;
        temporary(self.used)
    }

    /// Everything below `from` is below `to` now.
    pub(super) fn follow(&mut self, from: &Path, to: &Path) {
        for path in self.staged.values_mut().chain(self.parked.values_mut().map(|parked| &mut parked.at)) {
            if let Ok(below) = path.strip_prefix(from) {
                *path = join(to, below);
            }
        }
    }

    /// Where something is that was staged, alone or in a directory.
    pub(super) fn where_staged(&self, path: &Path) -> PathBuf {
        let top = path.ancestors().find_map(|above| Some((above, self.staged.get(above)?)));
        let (above, at) = top.expect("invariant: what is new is staged, or something above it");
        join(at, path.strip_prefix(above).expect("invariant: it lies above"))
    }
}

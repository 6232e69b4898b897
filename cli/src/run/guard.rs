//! What `--read-only` names in the base, and whether it is another afterwards. A mount keeps everybody in the room from writing there, but it
//! goes along with a directory above that is moved, so that the path is free for something else; and it knows nothing of other names
//! that the files in it have. Neither is prevented: it is found, and nothing of the branch is accepted then. Where a file that has changed
//! has names that nobody has looked at, one of them may be there: it is taken for one that is.

use std::collections::BTreeSet;

use super::plan::Plan;
use crate::diff::{Change, Difference, Scope};
use crate::errors::Result;
use crate::home::Home;

/// Parts of the base that nothing may change.
#[derive(Debug)]
pub(super) struct Guard {
    /// None: there are none. (An empty scope would be everything.)
    paths: Option<Scope>,
    /// How they differed before the command began.
    before: Vec<Difference>,
}

impl Guard {
    pub(super) fn of(plan: &Plan) -> Result<Guard> {
        let within: Vec<_> = plan.read_only.iter().filter(|path| path.starts_with(&plan.base)).cloned().collect();
        let paths = if within.is_empty() { None } else { Some(Scope::of(&within, &plan.base)?) };
        Ok(Guard { paths, before: Vec::new() })
    }

    /// Takes what they differ in already for what they are. Not for whoever accepts: it would be written with the rest.
    pub(super) fn look(&mut self, home: &Home, branch: &str) -> Result<()> {
        if self.paths.is_some() {
            self.before = home.own_differences(branch)?;
            let touching: Vec<_> = self.before.iter().filter(|difference| self.touches(difference)).cloned().collect();
            self.before = touching;
        }
        Ok(())
    }

    /// What has been done to them since, by path.
    pub(super) fn changed<'a>(&'a self, now: &'a [Difference]) -> Vec<&'a Difference> {
        let now: BTreeSet<_> = now.iter().filter(|difference| self.touches(difference)).collect();
        let before: BTreeSet<_> = self.before.iter().collect();
        now.symmetric_difference(&before).copied().collect()
    }

    /// Whether a difference is one of what they hold, or of where they are.
    fn touches(&self, difference: &Difference) -> bool {
        let Some(paths) = &self.paths else { return false };
        let is_there = match difference.change() {
            Change::Metadata => false,
            Change::Modified => difference.has_other_content(),
            Change::Added | Change::Deleted | Change::Renamed => true,
        };
        if difference.has_further_names() {
            return true;
        }
        let mut at = [Some(difference.path()), difference.old_path()].into_iter().flatten();
        at.any(|path| paths.covers(path) || is_there && paths.is_within(path))
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::diff::difference;

    #[test]
    fn what_is_below_or_takes_the_place_of_a_directory_above_changes_it() {
        let paths = Scope::of(&[PathBuf::from("/base/src/keys")], Path::new("/base")).unwrap();
        let guard = Guard { paths: Some(paths), before: vec![difference(3, 1, "src/keys/old", None)] };
        let changed = |one: Difference| {
            let all = [difference(3, 1, "src/keys/old", None), one];
            guard.changed(&all).len()
        };
        let seen = [
            difference(3, 1, "src/keys/k", None),
            difference(3, 2, "src/keys", None),
            difference(4, 0, "s2", Some("src")),
            difference(4, 0, "elsewhere", Some("src/keys/k")),
            difference(2, 0, "src", None),
            difference(1, 0, "src", None),
            difference(3, 64, "src", None),
        ];
        assert!(seen.into_iter().all(|one| changed(one) == 1));
        let others = [
            difference(3, 2, "src", None),
            difference(3, 2, "", None),
            difference(1, 0, "src/key", None),
            difference(4, 0, "srcs", Some("sr")),
            difference(2, 0, "other", None),
        ];
        assert!(others.into_iter().all(|one| changed(one) == 0));
        assert_eq!(guard.changed(&[]).len(), 1, "what was there has been taken back");
    }
}

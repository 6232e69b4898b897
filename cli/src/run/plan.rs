//! What the command will see, decided before anything is begun: every path without symbolic links, and checked.

use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};

use crate::args::RunArgs;
use crate::errors::{Failure, Result, describe};

/// What the command will see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Where the branch is shown.
    pub(super) base: PathBuf,
    /// What the command may write besides, for real.
    pub(super) allowed: Vec<PathBuf>,
    /// What it may not write though it lies in the branch, or what is shown though it lies in a place of the run's own.
    pub(super) read_only: Vec<PathBuf>,
    /// What must not be seen: where daemons listen.
    pub(super) hidden: PathBuf,
    /// Where the command begins.
    pub(super) directory: PathBuf,
    /// Whether it has the network of the machine.
    pub(super) network: bool,
    /// Whether there is a terminal whose keys reach it.
    pub(super) terminal: bool,
    pub(super) identity: Identity,
}

/// Who runs the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) user: u32,
    pub(super) group: u32,
    /// He may not mount, and so needs users of his own.
    pub(super) needs_users: bool,
}

impl Identity {
    pub(super) fn here() -> Identity {
        let may_mount = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN));
        Identity { user: geteuid().as_raw(), group: getegid().as_raw(), needs_users: !may_mount }
    }
}

impl Plan {
    pub(super) fn of(args: &RunArgs, base: PathBuf, hidden: &Path) -> Result<Plan> {
        let here = std::env::current_dir();
        let directory = here.map_err(|error| Failure::system(format!("no current directory: {}", describe(&error))))?;
        let allowed = Plan::allowed(args, &base)?;
        let read_only = args.read_only.iter().map(|path| shown(path, &base)).collect::<Result<_>>()?;
        let hidden = hidden.canonicalize().unwrap_or_else(|_| hidden.to_owned());
        let (network, identity) = (!args.no_network, Identity::here());
        let terminal = std::fs::File::open("/dev/tty").is_ok();
        Ok(Plan { base, allowed, read_only, hidden, directory, network, terminal, identity })
    }

    /// What the command may write besides the branch.
    pub(super) fn allowed(args: &RunArgs, base: &Path) -> Result<Vec<PathBuf>> {
        args.allow.iter().map(|path| allowed(path, base)).collect()
    }
}

fn allowed(path: &Path, base: &Path) -> Result<PathBuf> {
    let path = resolved(path, "--allow")?;
    if path.parent().is_none() {
        return Err(Failure::usage("--allow /: all that is outside cannot be given; name the directories"));
    }
    match path.starts_with(base) {
        true => Err(Failure::usage(format!(
            "--allow {}: it lies in the base, and the command may change that: what it writes there goes to its branch",
            path.display()
        ))),
        false => Ok(path),
    }
}

/// What lies in the base may exist in the branch alone.
fn shown(path: &Path, base: &Path) -> Result<PathBuf> {
    match (std::path::absolute(path), path.canonicalize()) {
        (_, Ok(resolved)) => Ok(resolved),
        (Ok(absolute), Err(_)) if absolute.starts_with(base) => Ok(absolute),
        (_, Err(_)) => resolved(path, "--read-only"),
    }
}

fn resolved(path: &Path, option: &str) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Failure::usage(format!("{option} {}: {}", path.display(), describe(&error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_base_is_not_allowed_besides() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("base/inside")).unwrap();
        let base = root.join("base");
        assert!(allowed(&base, &base).is_err());
        assert!(allowed(&base.join("inside"), &base).is_err());
        assert!(allowed(&base.join("missing"), &base).is_err());
        std::os::unix::fs::symlink(&base, root.join("link")).unwrap();
        assert!(allowed(&root.join("link"), &base).is_err(), "by whatever name");
        assert_eq!(allowed(&root, &base).unwrap(), root);
    }

    #[test]
    fn what_is_read_only_may_exist_in_the_branch_alone() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        assert_eq!(shown(&base.join("new"), &base).unwrap(), base.join("new"));
        assert!(shown(Path::new("/no/such/place"), &base).is_err());
        assert_eq!(shown(Path::new("/usr/."), &base).unwrap(), Path::new("/usr"));
    }
}

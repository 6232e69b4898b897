//! Whether a directory can be mounted on, and if not, why and what to do.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};

use crate::errors::{Context, Failure, Result, describe};
use crate::volume::{Volume, open_directory};
use crate::wire::{Directory, is_death};
use crate::{fuse, mounts, output};

/// Checks a mount point and answers its path without symbolic links. One that a daemon left when it died is freed first.
pub(crate) fn prepare(path: &Path) -> Result<PathBuf> {
    prepare_over(path, None)
}

/// As [`prepare`]; it need not be empty if it is `base`, which shows what the mount hides.
pub(crate) fn prepare_over(path: &Path, base: Option<&Path>) -> Result<PathBuf> {
    let resolved = mounts::resolve(path).map_err(|error| unusable(path, &error))?;
    let directory = match open_directory(&resolved) {
        Err(errno) if is_death(errno) => reopen(&resolved)?,
        Ok(directory) if directory.is_dead() => reopen(&resolved)?,
        other => other.map_err(|errno| unusable(path, &errno.into()))?,
    };
    check_not_ours(path, directory)?;
    if base != Some(&*resolved) && !is_empty(&resolved)? {
        let path = path.display();
        return Err(Failure::refused(format!("{path} is not empty: mount on an empty directory")));
    }
    Ok(resolved)
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::refused(format!("{path} does not exist: make it with mkdir first")),
        std::io::ErrorKind::NotADirectory => Failure::refused(format!("{path} is not a directory: mount on one")),
        _ => Failure::system(format!("cannot open {path}: {}", describe(error))),
    }
}

/// Frees a mount point whose daemon died, and opens what is under it.
fn reopen(path: &Path) -> Result<Directory> {
    free_dead(path)?;
    open_directory(path).map_err(|errno| unusable(path, &errno.into()))
}

/// Unmounts what a daemon left when it died.
fn free_dead(path: &Path) -> Result<()> {
    if mounts::type_at(path)?.as_deref() != Some(mounts::TYPE.as_bytes()) {
        let path = path.display();
        return Err(Failure::refused(format!(
            "{path} was left by a dead daemon that is not bough's: unmount it first"
        )));
    }
    fuse::detach(path)?;
    output::say(&format!(
        "the daemon that served {} had died; it is unmounted now, its volume is lost",
        path.display()
    ));
    Ok(())
}

fn check_not_ours(path: &Path, directory: Directory) -> Result<()> {
    if !is_mount_root(&directory)? {
        return Ok(());
    }
    let Ok(volume) = Volume::behind(directory) else { return Ok(()) };
    let (path, shows, name) = (path.display(), volume.shows(), volume.name());
    let advice = "unmount it first, or mount elsewhere";
    Err(Failure::refused(format!("{path} shows `{shows}` of the volume {name} already: {advice}")))
}

fn is_mount_root(directory: &Directory) -> Result<bool> {
    let found = statx(&directory.0, "", AtFlags::EMPTY_PATH, StatxFlags::empty());
    Ok(found.context("cannot look at the mount point")?.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = std::fs::read_dir(path).context(format_args!("cannot read {}", path.display()))?;
    Ok(entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Exit;

    #[test]
    fn what_cannot_be_mounted_on_is_refused_with_advice() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let said = |path: &Path| {
            let failure = prepare(path).unwrap_err();
            assert_eq!(failure.exit(), Exit::Refused);
            format!("{failure:?}")
        };
        assert!(said(&directory.path().join("missing")).contains("mkdir"));
        assert!(said(&file).contains("not a directory"));
        assert!(said(directory.path()).contains("not empty"));
    }

    #[test]
    fn a_mount_point_is_known_by_its_path_without_links() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert_eq!(prepare(&link).unwrap(), real);
    }
}

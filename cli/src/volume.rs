//! The volume that a path lies on, found as git finds its repository: by where one stands.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bough::control::messages::{FS_CONTROL_READ_ONLY, fs_control_info};
use bough::control::{Message, message, text_of};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::errors::{Exit, Failure, Result, describe};
use crate::refs::Kind;
use crate::wire::{Channel, Directory, failure_of, is_death};

/// How directories are opened: nothing in the way of a path makes that wait.
const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// A volume, through a directory of one of its mounts.
#[derive(Debug)]
pub(crate) struct Volume {
    directory: Directory,
    info: fs_control_info,
}

/// Makes PATH, or the directory of the file PATH, the current directory.
pub(crate) fn enter(path: &Path) -> Result<()> {
    let entered = match std::env::set_current_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => std::env::set_current_dir(directory_of(path)),
        other => other,
    };
    entered.map_err(|error| unreachable_path(path, &error))
}

/// Opens a directory.
pub(crate) fn open_directory(path: &Path) -> rustix::io::Result<Directory> {
    openat(CWD, path, OPEN, Mode::empty()).map(Directory)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn unreachable_path(path: &Path, error: &io::Error) -> Failure {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(errno) if is_death(errno) => failure_of(errno).context(path.display()),
        _ => Failure::no_volume(format!("cannot open {}: {}", path.display(), describe(error))),
    }
}

impl Volume {
    /// The volume of the current directory.
    pub(crate) fn here() -> Result<Volume> {
        Volume::at(Path::new("."))
    }

    /// The volume that `path` lies on.
    pub(crate) fn at(path: &Path) -> Result<Volume> {
        let opened = match open_directory(path) {
            Err(Errno::NOTDIR) => open_directory(directory_of(path)),
            other => other,
        };
        let directory = opened.map_err(|errno| unreachable_path(path, &errno.into()))?;
        let volume = Volume::behind(directory);
        volume.map_err(|failure| match (failure.exit(), path == Path::new(".")) {
            (Exit::NoVolume, true) => failure.context(here_as_text()),
            _ => failure.context(path.display()),
        })
    }

    /// The volume that an open directory lies on.
    pub(crate) fn behind(mut directory: Directory) -> Result<Volume> {
        let mut info: fs_control_info = message();
        directory.ask(&mut info)?;
        Ok(Volume { directory, info })
    }

    /// Its name.
    pub(crate) fn name(&self) -> String {
        text_of(&self.info.volume.bytes)
    }

    /// Name of the branch or snapshot that is mounted here.
    pub(crate) fn shows(&self) -> String {
        text_of(&self.info.shows.bytes)
    }

    /// Its id and kind.
    pub(crate) fn shows_id(&self) -> (u64, Kind) {
        (self.info.shows_id, Kind::of(self.info.shows_kind))
    }

    /// Id of the view that is mounted here.
    pub(crate) fn view(&self) -> u64 {
        self.info.view
    }

    pub(crate) fn pid(&self) -> u32 {
        self.info.pid
    }

    pub(crate) fn ignores_case(&self) -> bool {
        self.info.ignores_case != 0
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.info.flags & FS_CONTROL_READ_ONLY != 0
    }

    /// Where it is mounted, as its daemon knows it.
    pub(crate) fn mount_point(&self) -> PathBuf {
        path_in(&self.info.label.bytes)
    }

    /// Path of the daemon's socket.
    pub(crate) fn endpoint(&self) -> PathBuf {
        path_in(&self.info.endpoint.bytes)
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl Channel for Volume {
    fn ask<M: Message>(&mut self, message: &mut M) -> Result<()> {
        self.directory.ask(message)
    }
}

fn here_as_text() -> String {
    std::env::current_dir().map_or_else(|_| ".".into(), |path| path.display().to_string())
}

/// A path in a field that is filled up with NULs.
pub(crate) fn path_in(field: &[u8]) -> PathBuf {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    PathBuf::from(std::ffi::OsStr::from_bytes(&field[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Exit;

    #[test]
    fn a_path_on_another_file_system_is_on_no_volume() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [directory.path(), &file] {
            let failure = Volume::at(path).unwrap_err();
            assert_eq!(failure.exit(), Exit::NoVolume);
        }
        assert_eq!(Volume::at(&directory.path().join("missing")).unwrap_err().exit(), Exit::NoVolume);
    }

    #[test]
    fn a_path_in_a_field_ends_at_its_first_nul() {
        assert_eq!(path_in(b"/mnt/a\0\0"), Path::new("/mnt/a"));
        assert_eq!(path_in(b"\0"), Path::new(""));
        assert_eq!(path_in(b"/full"), Path::new("/full"));
    }
}

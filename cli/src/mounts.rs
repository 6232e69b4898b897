//! The kernel's table of mounts, as far as it is about ours.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::errors::{Context, Result};
use crate::wire::is_death;

/// How our mounts are typed.
pub(crate) const TYPE: &str = "fuse.bough";

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Number of its file system.
    device: Vec<u8>,
    /// What of the file system is shown, from its own root.
    root: PathBuf,
    /// Where.
    pub(crate) point: PathBuf,
    /// Type of the file system.
    pub(crate) kind: Vec<u8>,
}

/// All mounts of this process's namespace, in the order in which they cover one another.
pub(crate) fn all() -> Result<Vec<Mounted>> {
    let table = std::fs::read("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    Ok(table.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// What is mounted at `path` (a path without symbolic links): the type of file system on top; `None` when nothing is.
pub(crate) fn type_at(path: &Path) -> Result<Option<Vec<u8>>> {
    Ok(type_in(&all()?, path))
}

/// The type of the file system with this number; `None` when it is mounted nowhere here.
pub(crate) fn type_of(device: u64) -> Result<Option<Vec<u8>>> {
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    Ok(all()?.into_iter().find(|mount| mount.device == number.as_bytes()).map(|mount| mount.kind))
}

fn type_in(table: &[Mounted], path: &Path) -> Option<Vec<u8>> {
    table.iter().rev().find(|mount| mount.point == path).map(|mount| mount.kind.clone())
}

/// The mount that shows `path`, and where in its file system that lies.
fn origin<'a>(table: &'a [Mounted], path: &Path) -> Option<(&'a Mounted, PathBuf)> {
    let above = table.iter().enumerate().filter(|(_, mount)| path.starts_with(&mount.point));
    let (_, mount) = above.max_by_key(|(at, mount)| (mount.point.as_os_str().len(), *at))?;
    let inner = path.strip_prefix(&mount.point).ok()?;
    Some((mount, mount.root.join(inner)))
}

/// Every path at which mounts show what `path` shows, itself first.
pub(crate) fn aliases(table: &[Mounted], path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    let Some((own, inside)) = origin(table, path) else { return paths };
    let same = table.iter().filter(|mount| mount.device == own.device);
    let others = same.filter_map(|mount| Some(trimmed(mount.point.join(inside.strip_prefix(&mount.root).ok()?))));
    paths.extend(others.filter(|other| other != path));
    paths
}

/// Every mount point that shows a part of what lies below `path`.
pub(crate) fn parts(table: &[Mounted], path: &Path) -> Vec<PathBuf> {
    let Some((own, inside)) = origin(table, path) else { return Vec::new() };
    let same = table.iter().filter(|mount| mount.device == own.device && mount.root != inside);
    same.filter(|mount| mount.root.starts_with(&inside)).map(|mount| mount.point.clone()).collect()
}

/// Joining nothing leaves a slash.
fn trimmed(path: PathBuf) -> PathBuf {
    path.components().collect()
}

fn parse(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|&byte| byte == b' ');
    let device = fields.nth(2)?.to_vec();
    let path = |field: &[u8]| PathBuf::from(OsStr::from_bytes(&unescape(field)));
    let (root, point) = (path(fields.next()?), path(fields.next()?));
    let kind = fields.skip_while(|&field| field != b"-").nth(1)?.to_vec();
    Some(Mounted { device, root, point, kind })
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| first == b'\\').and_then(octal);
        bytes.push(digits.unwrap_or(first));
        rest = if digits.is_some() { &after[3..] } else { after };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// `path` without symbolic links, as the table has it. Its last part may be a mount point whose daemon died, which cannot be
/// looked at; then only what comes before is resolved.
pub(crate) fn resolve(path: &Path) -> std::io::Result<PathBuf> {
    let error = match std::fs::canonicalize(path) {
        Ok(resolved) => return Ok(resolved),
        Err(error) => error,
    };
    let is_dead = Errno::from_io_error(&error).is_some_and(is_death);
    let (true, Some(name)) = (is_dead, path.file_name()) else { return Err(error) };
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    Ok(std::fs::canonicalize(parent)?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/sda rw
30 22 0:40 / /mnt/with\\040blank rw shared:2 master:3 - fuse.bough vol-1 rw,user_id=0
31 22 0:41 / /mnt/over rw - fuse.bough vol-2 rw
32 31 0:42 / /mnt/over rw - tmpfs tmpfs rw
33 22 0:20 /srv /bound rw - ext4 /dev/sda rw
34 22 0:20 /srv/base/sub /part rw - ext4 /dev/sda rw
";

    fn table() -> Vec<Mounted> {
        TABLE.split(|&byte| byte == b'\n').filter_map(parse).collect()
    }

    #[test]
    fn a_directory_is_found_by_all_its_names() {
        let names = |path: &str| aliases(&table(), Path::new(path));
        assert_eq!(names("/srv/base"), [Path::new("/srv/base"), Path::new("/bound/base")]);
        assert_eq!(names("/srv"), [Path::new("/srv"), Path::new("/bound")]);
        assert_eq!(names("/srv/base/sub/x").last().unwrap(), Path::new("/part/x"));
        assert_eq!(names("/etc"), [Path::new("/etc")]);
        assert_eq!(parts(&table(), Path::new("/srv/base")), [Path::new("/part")]);
    }

    #[test]
    fn the_topmost_mount_of_a_path_counts() {
        let kind = |path: &str| type_in(&table(), Path::new(path)).map(|kind| String::from_utf8(kind).unwrap());
        assert_eq!(kind("/").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt/with blank").as_deref(), Some(TYPE));
        assert_eq!(kind("/mnt/over").as_deref(), Some("tmpfs"));
        assert_eq!(kind("/mnt"), None);
    }

    #[test]
    fn the_kernels_escapes_are_undone() {
        assert_eq!(unescape(b"a\\040b\\134c\\011"), b"a b\\c\t");
        assert_eq!(unescape(b"\\04"), b"\\04");
        assert_eq!(unescape(b"\\999"), b"\\999");
    }

    #[test]
    fn the_root_is_mounted_here_too() {
        assert!(type_at(Path::new("/")).unwrap().is_some());
        assert_eq!(type_at(Path::new("/no/such/place")).unwrap(), None);
    }
}

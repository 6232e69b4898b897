//! The kernel's table of mounts, as far as it is about ours.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::errors::{Context, Result};
use crate::wire::is_death;

/// How our mounts are typed.
pub(crate) const TYPE: &str = "fuse.bough";

/// What is mounted at `path` (a path without symbolic links): the type of file system on top; `None` when nothing is.
pub(crate) fn type_at(path: &Path) -> Result<Option<Vec<u8>>> {
    let table = std::fs::read("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    Ok(type_in(&table, path))
}

fn type_in(table: &[u8], path: &Path) -> Option<Vec<u8>> {
    let lines = table.split(|&byte| byte == b'\n').rev();
    let found = lines.filter_map(parse).find(|(mount_point, _)| mount_point == path);
    found.map(|(_, kind)| kind.to_vec())
}

/// The mount point and the type of a line.
fn parse(line: &[u8]) -> Option<(PathBuf, &[u8])> {
    let mut fields = line.split(|&byte| byte == b' ');
    let mount_point = unescape(fields.nth(4)?);
    let kind = fields.skip_while(|&field| field != b"-").nth(1)?;
    Some((PathBuf::from(OsStr::from_bytes(&mount_point)), kind))
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
";

    #[test]
    fn the_topmost_mount_of_a_path_counts() {
        let kind = |path: &str| type_in(TABLE, Path::new(path)).map(|kind| String::from_utf8(kind).unwrap());
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

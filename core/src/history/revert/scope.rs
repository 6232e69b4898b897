//! Paths from the root, and whether one lies at or below some of them.

use hashbrown::HashSet;

use crate::error::{Error, Result};

/// Paths, and all that lies below them.
#[derive(Default)]
pub(super) struct Scope(HashSet<Vec<u8>>);

impl Scope {
    pub(super) fn add(&mut self, path: Vec<u8>) {
        self.0.insert(path);
    }

    pub(super) fn covers(&self, path: &[u8]) -> bool {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        ends.chain([path.len()]).any(|end| self.0.contains(&path[..end]))
    }
}

/// The paths, of names alone.
pub(super) fn checked(paths: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let is_name = |name: &[u8]| !matches!(name, b"" | b"." | b"..");
    let fits = |path: &Vec<u8>| path.is_empty() || path.split(|&byte| byte == b'/').all(is_name);
    match paths.iter().all(fits) {
        true => Ok(paths.to_vec()),
        false => Err(Error::Invalid("a path is names with a `/` between each two, and neither `.` nor `..`")),
    }
}

/// The path of the directory, and the last name.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

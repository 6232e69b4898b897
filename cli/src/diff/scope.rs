//! Which paths a diff is asked for: those named after `--`, from where one stands, as git takes them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::record::Difference;
use crate::errors::{Context, Failure, Result};

/// Paths from the root of the volume; none: everything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scope(Vec<Vec<u8>>);

impl Scope {
    pub(crate) fn of(paths: &[PathBuf], mount_point: &Path) -> Result<Scope> {
        if paths.is_empty() {
            return Ok(Scope(Vec::new()));
        }
        let here = std::env::current_dir().context("cannot tell the current directory")?;
        // In another mount namespace the daemon's mount point means nothing: count from the root of the volume.
        let here = here.strip_prefix(mount_point).unwrap_or(Path::new(""));
        paths.iter().map(|path| from_root(path, here, mount_point)).collect::<Result<_>>().map(Scope)
    }

    pub(crate) fn holds(&self, difference: &Difference) -> bool {
        self.covers(&difference.path) || difference.old_path.as_deref().is_some_and(|old| self.covers(old))
    }

    /// The paths from the root.
    pub(crate) fn paths(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Whether one of the paths is this, or lies below it.
    pub(crate) fn is_within(&self, directory: &[u8]) -> bool {
        self.0.iter().any(|path| is_within(path, directory))
    }

    /// Whether a path from the root is asked for.
    pub(crate) fn covers(&self, path: &[u8]) -> bool {
        self.0.is_empty() || self.0.iter().any(|prefix| is_within(path, prefix))
    }
}

/// `path` from the root of the volume, `here` being where one stands in it.
fn from_root(path: &Path, here: &Path, mount_point: &Path) -> Result<Vec<u8>> {
    let outside = || Failure::usage(format!("{} lies outside of the volume", path.display()));
    let joined = match path.is_absolute() {
        true => path.strip_prefix(mount_point).map_err(|_| outside())?.to_owned(),
        false => here.join(path),
    };
    let mut parts: Vec<&[u8]> = Vec::new();
    for component in joined.components() {
        match component {
            Component::Normal(name) => parts.push(name.as_bytes()),
            Component::ParentDir => drop(parts.pop().ok_or_else(outside)?),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok(parts.join(&b'/'))
}

fn is_within(path: &[u8], prefix: &[u8]) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.is_empty() || rest.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::difference;
    use super::*;

    fn resolved(path: &str) -> Option<String> {
        let found = from_root(Path::new(path), Path::new("src/deep"), Path::new("/mnt")).ok()?;
        Some(String::from_utf8(found).unwrap())
    }

    #[test]
    fn paths_count_from_where_one_stands() {
        assert_eq!(resolved("a").as_deref(), Some("src/deep/a"));
        assert_eq!(resolved("./a/").as_deref(), Some("src/deep/a"));
        assert_eq!(resolved("../b").as_deref(), Some("src/b"));
        assert_eq!(resolved("../..").as_deref(), Some(""));
        assert_eq!(resolved("/mnt/x/y").as_deref(), Some("x/y"));
        assert_eq!(resolved("/mnt").as_deref(), Some(""));
    }

    #[test]
    fn a_path_outside_of_the_volume_is_refused() {
        assert_eq!(resolved("../../.."), None);
        assert_eq!(resolved("/etc"), None);
    }

    #[test]
    fn a_directory_holds_what_is_below_it_and_nothing_beside_it() {
        let scope = Scope(vec![b"src".to_vec()]);
        for path in ["src", "src/a", "src/a/b"] {
            assert!(scope.holds(&difference(1, 0, path, None)), "{path}");
        }
        for path in ["", "srcs", "sr", "a/src"] {
            assert!(!scope.holds(&difference(1, 0, path, None)), "{path}");
        }
        assert!(scope.holds(&difference(4, 0, "elsewhere", Some("src/a"))));
        assert!(Scope(vec![Vec::new()]).holds(&difference(1, 0, "any", None)));
    }
}

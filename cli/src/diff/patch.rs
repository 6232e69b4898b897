//! Differences as a patch: the form that git writes, which `git apply` and `patch` read.
//!
//! Files with a NUL in their first bytes count as binary and are only named, as git does without `--binary`. Directories,
//! owners, times and attributes have no place in a patch, and neither have devices and pipes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use similar::{Algorithm, TextDiff};

use super::record::{Change, Difference};
use crate::accept::place::{Bytes, Place};
use crate::errors::Result;

/// Bytes in which a NUL makes a file binary.
const LOOKED_AT: usize = 8000;
/// A larger file is not compared by line.
const COMPARED_BYTES: u64 = 64 << 20;
/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// A side of a file: its mode as git has it, and what it holds.
struct Side {
    mode: u32,
    content: Option<Vec<u8>>,
}

impl Side {
    /// `None` when there is nothing there that a patch can hold.
    fn of(place: &Place, path: &[u8]) -> Result<Option<Side>> {
        Ok(place.content(path, COMPARED_BYTES)?.map(|bytes| match bytes {
            Bytes::Link(target) => Side { mode: 0o120_000, content: Some(target) },
            Bytes::File { executable, content } => {
                Side { mode: if executable { 0o100_755 } else { 0o100_644 }, content }
            }
        }))
    }

    fn is_binary(&self) -> bool {
        self.content.as_ref().is_none_or(|content| content[..content.len().min(LOOKED_AT)].contains(&0))
    }
}

/// Writes all differences. `all` are those of the trees, not of a part of them.
pub(super) fn write_all<'a>(
    out: &mut impl Write,
    wanted: impl Iterator<Item = &'a Difference>,
    all: &[Difference],
    before: &Place,
    after: &Place,
) -> Result<()> {
    let told = all.iter().filter(|other| other.change() != Change::Deleted);
    let told: HashMap<&[u8], Change> = told.map(|other| (other.path.as_slice(), other.change())).collect();
    for difference in wanted {
        write(out, difference, before, after)?;
        if difference.change() == Change::Renamed {
            along(out, difference, &told, before, after)?;
        }
    }
    Ok(())
}

/// Writes what moved with a directory: a difference tells of the directory alone, a patch knows files only.
fn along(
    out: &mut impl Write,
    moved: &Difference,
    told: &HashMap<&[u8], Change>,
    before: &Place,
    after: &Place,
) -> Result<()> {
    let (Some(old), new) = (moved.old_path.as_deref().map(path_of), path_of(&moved.path)) else { return Ok(()) };
    let mut left = vec![PathBuf::new()];
    while let Some(inner) = left.pop() {
        let directory = new.join(&inner);
        if !after.is_directory(&directory)? {
            continue;
        }
        for (name, _) in after.names(&directory)? {
            let inner = inner.join(name);
            let path = new.join(&inner);
            match told.get(path.as_os_str().as_bytes()) {
                // It is told of, and what is in it, too.
                Some(Change::Added | Change::Renamed) => continue,
                Some(_) => {}
                None => {
                    let old = old.join(&inner);
                    let (old, path) = (old.as_os_str().as_bytes(), path.as_os_str().as_bytes());
                    // Had it changed, it would be told of.
                    pair(out, old, path, [Side::of(before, old)?, Side::of(after, path)?], true)?;
                }
            }
            left.push(inner);
        }
    }
    Ok(())
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Writes one difference.
fn write(out: &mut impl Write, difference: &Difference, before: &Place, after: &Place) -> Result<()> {
    let (path, old_path) = (&difference.path, difference.old_path.as_deref().unwrap_or(&difference.path));
    let old = if difference.change() == Change::Added { None } else { Side::of(before, old_path)? };
    let new = if difference.change() == Change::Deleted { None } else { Side::of(after, path)? };
    pair(out, old_path, path, [old, new], !difference.has_other_content())
}

/// Writes what became of a file. `same`: its content is what it was, as the volume knows also of what is too large to be read.
fn pair(out: &mut impl Write, old_path: &[u8], path: &[u8], sides: [Option<Side>; 2], same: bool) -> Result<()> {
    match sides {
        [None, None] => Ok(()),
        // A file that became a link, or the other way: git has two patches for it.
        [Some(old), Some(new)] if old.mode & 0o170_000 != new.mode & 0o170_000 => {
            one(out, old_path, old_path, [Some(&old), None], false)?;
            one(out, path, path, [None, Some(&new)], false)
        }
        [old, new] => one(out, old_path, path, [old.as_ref(), new.as_ref()], same),
    }
}

fn one(out: &mut impl Write, old_path: &[u8], path: &[u8], sides: [Option<&Side>; 2], same: bool) -> Result<()> {
    let [old, new] = sides;
    let content = |side: Option<&Side>| side.and_then(|side| side.content.clone()).unwrap_or_default();
    let same = match sides {
        [Some(Side { content: Some(old), .. }), Some(Side { content: Some(new), .. })] => old == new,
        [Some(_), Some(_)] => same,
        _ => false,
    };
    let modes = (old.map(|old| old.mode), new.map(|new| new.mode));
    if same && modes.0 == modes.1 && old_path == path {
        return Ok(());
    }
    writeln!(out, "diff --git {} {}", named("a", old_path), named("b", path))?;
    match modes {
        (None, Some(mode)) => writeln!(out, "new file mode {mode:o}")?,
        (Some(mode), None) => writeln!(out, "deleted file mode {mode:o}")?,
        (Some(old), Some(new)) if old != new => writeln!(out, "old mode {old:o}\nnew mode {new:o}")?,
        _ => {}
    }
    if old_path != path {
        if same {
            writeln!(out, "similarity index 100%")?;
        }
        writeln!(out, "rename from {}\nrename to {}", quoted(old_path), quoted(path))?;
    }
    // Where `patch` looks for what tells a link from a file; it takes no interest in the numbers.
    if let (Some(mode @ 0o120_000), true) = (modes.0, modes.0 == modes.1) {
        writeln!(out, "index 1111111..2222222 {mode:o}")?;
    }
    let names = (
        old.map_or("/dev/null".into(), |_| named("a", old_path)),
        new.map_or("/dev/null".into(), |_| named("b", path)),
    );
    if old.is_some_and(Side::is_binary) || new.is_some_and(Side::is_binary) {
        if !same {
            writeln!(out, "Binary files {} and {} differ", names.0, names.1)?;
        }
        return Ok(());
    }
    hunks(out, &names, &content(old), &content(new))
}

fn hunks(out: &mut impl Write, (old_name, new_name): &(String, String), old: &[u8], new: &[u8]) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let (old, new) = (lines(old), lines(new));
    let diff = TextDiff::configure().algorithm(Algorithm::Myers).diff_slices(&old, &new);
    writeln!(out, "--- {old_name}{}\n+++ {new_name}{}", tab(old_name), tab(new_name))?;
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        writeln!(out, "{}", hunk.header())?;
        for change in hunk.iter_changes() {
            write!(out, "{}", change.tag())?;
            out.write_all(change.value())?;
            if !change.value().ends_with(b"\n") {
                writeln!(out, "\n\\ No newline at end of file")?;
            }
        }
    }
    Ok(())
}

/// Lines as `patch` and git count them: a carriage return ends none.
fn lines(content: &[u8]) -> Vec<&[u8]> {
    content.split_inclusive(|&byte| byte == b'\n').collect()
}

/// After a name with a blank in it stands a tab, or `patch` would take half of it.
fn tab(name: &str) -> &'static str {
    if name.contains(' ') && !name.starts_with('"') { "\t" } else { "" }
}

/// A path as git writes it: quoted where it has to be.
fn quoted(path: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if path.iter().all(plain) {
        return String::from_utf8_lossy(path).into_owned();
    }
    let escaped: String = path
        .iter()
        .map(|byte| match byte {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\t' => "\\t".to_owned(),
            byte if plain(byte) => char::from(*byte).to_string(),
            byte => format!("\\{byte:03o}"),
        })
        .collect();
    format!("\"{escaped}\"")
}

fn named(side: &str, path: &[u8]) -> String {
    quoted(&[side.as_bytes(), b"/", path].concat())
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::difference;
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};

    #[test]
    fn what_is_written_is_read_by_git_and_patch() {
        let (_directory, old, new) = two_trees();
        for root in [&old, &new] {
            for (name, content) in
                [("edited", "1\n2\n3\n4\n5\n6\n7\n8\n9\n"), ("gone", "1\n"), ("mode", "x\n"), ("no end", "a\nb")]
            {
                fs::write(root.join(name), content).unwrap();
            }
            symlink("edited", root.join("link")).unwrap();
        }
        fs::write(old.join("from"), "same\n").unwrap();
        fs::write(new.join("to"), "same\n").unwrap();
        fs::write(new.join("edited"), "1\n2\nthree\n4\n5\n6\n7\n8\n9\nten\n").unwrap();
        fs::remove_file(new.join("gone")).unwrap();
        fs::set_permissions(new.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(new.join("no end"), "a\nc").unwrap();
        fs::write(new.join("added é"), "new\n").unwrap();
        fs::remove_file(new.join("link")).unwrap();
        symlink("elsewhere", new.join("link")).unwrap();
        let all = [
            difference(1, 0, "added é", None),
            difference(3, 1, "edited", None),
            difference(2, 0, "gone", None),
            difference(3, 1, "link", None),
            difference(3, 2, "mode", None),
            difference(3, 1, "no end", None),
            difference(4, 0, "to", Some("from")),
        ];
        let text = assert_reads(&old, &new, &all);
        assert!(text.contains("@@ -1,9 +1,10 @@") && text.contains("\\ No newline at end of file"), "{text}");
        assert!(
            text.contains("rename from from\nrename to to\n") && text.contains("old mode 100644\nnew mode 100755\n")
        );
    }

    /// The patch of these differences, and what git and `patch` make of the older of two trees by it.
    #[track_caller]
    fn assert_reads(old: &Path, new: &Path, all: &[Difference]) -> String {
        let mut patch = Vec::new();
        let (before, after) = (Place::at(old).unwrap(), Place::at(new).unwrap());
        write_all(&mut patch, all.iter(), all, &before, &after).unwrap();
        for words in [&["git", "apply"][..], &["patch", "-p1", "-s", "-f", "--binary"]] {
            let place = old.with_file_name(words[0]);
            assert!(Command::new("cp").arg("-a").arg(old).arg(&place).status().unwrap().success());
            let Ok(mut tool) =
                Command::new(words[0]).args(&words[1..]).current_dir(&place).stdin(Stdio::piped()).spawn()
            else {
                continue;
            };
            tool.stdin.take().unwrap().write_all(&patch).unwrap();
            let text = String::from_utf8_lossy(&patch);
            assert!(tool.wait().unwrap().success(), "{words:?} refuses\n{text}");
            let same = Command::new("diff").args(["-r", "--no-dereference"]).arg(new).arg(&place).output().unwrap();
            assert!(same.status.success(), "{words:?}: {}\n{text}", String::from_utf8_lossy(&same.stdout));
        }
        String::from_utf8_lossy(&patch).into_owned()
    }

    fn two_trees() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("old"), directory.path().join("new"));
        [&old, &new].iter().for_each(|root| fs::create_dir(root).unwrap());
        (directory, old, new)
    }

    #[test]
    fn only_a_newline_ends_a_line() {
        let (_directory, old, new) = two_trees();
        fs::write(old.join("returns"), "one\rtwo\rthree\nlast\r").unwrap();
        fs::write(new.join("returns"), "one\rTWO\rthree\nend\r").unwrap();
        fs::write(old.join("windows"), "a\r\nb\r\n").unwrap();
        fs::write(new.join("windows"), "a\r\nB\r\n").unwrap();
        assert_reads(&old, &new, &[difference(3, 1, "returns", None), difference(3, 1, "windows", None)]);
    }

    #[test]
    fn what_moves_with_a_directory_moves_in_the_patch() {
        let (_directory, old, new) = two_trees();
        for (root, name) in [(&old, "src"), (&new, "lib")] {
            fs::create_dir_all(root.join(name).join("deep")).unwrap();
            for file in ["kept", "changed", "deep/kept"] {
                fs::write(root.join(name).join(file), "1\n").unwrap();
            }
            symlink("kept", root.join(name).join("link")).unwrap();
        }
        for path in [old.join("src/gone"), new.join("lib/added"), old.join("src/away"), new.join("away")] {
            fs::write(path, "2\n").unwrap();
        }
        fs::write(new.join("lib/changed"), "1\nmore\n").unwrap();
        let all = [
            difference(4, 0, "away", Some("src/away")),
            difference(4, 0, "lib", Some("src")),
            difference(1, 0, "lib/added", None),
            difference(3, 1, "lib/changed", Some("src/changed")),
            difference(2, 0, "src/gone", None),
        ];
        assert_reads(&old, &new, &all);
    }

    #[test]
    fn what_is_too_large_to_be_read_and_was_not_changed_is_the_same() {
        let (_directory, old, new) = two_trees();
        for (root, name) in [(&old, "large"), (&new, "moved"), (&old, "dir/along"), (&new, "other/along")] {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::File::create(root.join(name)).unwrap().set_len(COMPARED_BYTES + 1).unwrap();
        }
        for (root, text) in [(&old, "1\n"), (&new, "2\n")] {
            fs::write(root.join("text"), text).unwrap();
            for name in ["touched", "executable"] {
                fs::File::create(root.join(name)).unwrap().set_len(COMPARED_BYTES + 1).unwrap();
            }
        }
        fs::set_permissions(new.join("executable"), fs::Permissions::from_mode(0o755)).unwrap();
        let all = [
            difference(3, 2, "executable", None),
            difference(4, 0, "moved", Some("large")),
            difference(4, 0, "other", Some("dir")),
            difference(3, 1, "text", None),
            difference(3, 8, "touched", None),
        ];
        let text = assert_reads(&old, &new, &all);
        assert!(text.contains("similarity index 100%") && !text.contains("differ"), "{text}");
        let mut patch = Vec::new();
        let (before, after) = (Place::at(&old).unwrap(), Place::at(&new).unwrap());
        write(&mut patch, &difference(3, 1, "touched", None), &before, &after).unwrap();
        assert!(String::from_utf8(patch).unwrap().contains("differ"), "written to, it may be another");
    }

    #[test]
    fn binary_files_are_named_only() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("bin"), b"a\0b").unwrap();
        let place = Place::at(directory.path()).unwrap();
        let mut patch = Vec::new();
        write(&mut patch, &difference(1, 0, "bin", None), &place, &place).unwrap();
        let expected = "diff --git a/bin b/bin\nnew file mode 100644\nBinary files /dev/null and b/bin differ\n";
        assert_eq!(String::from_utf8(patch).unwrap(), expected);
    }

    #[test]
    fn paths_are_quoted_as_git_quotes_them() {
        assert_eq!(quoted(b"plain name"), "plain name");
        assert_eq!(quoted("é\"\n".as_bytes()), "\"\\303\\251\\\"\\n\"");
    }
}

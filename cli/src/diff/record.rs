//! A difference as it travels: a record and two paths, one after another, cut anywhere.

use bough::control::messages::{
    FS_CONTROL_CHANGED_AFTER, FS_CONTROL_CHANGED_BEFORE, FS_CONTROL_FURTHER_NAMES, fs_control_diff_record,
};
use serde::Serialize;

use crate::errors::{Failure, Result};

/// What became of a path, in the words of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Added,
    Deleted,
    /// Its content differs, or what kind of file it is.
    Modified,
    /// Only metadata differs.
    Metadata,
    Renamed,
}

impl Change {
    pub(crate) const fn letter(self) -> char {
        match self {
            Change::Added => 'A',
            Change::Deleted => 'D',
            Change::Modified => 'M',
            Change::Metadata => 'm',
            Change::Renamed => 'R',
        }
    }
}

const CONTENT: u32 = 1;
const KIND: u32 = 64;
const STREAMS: u32 = 128;
/// What differs, by bit.
const ASPECTS: [(u32, &str); 9] = [
    (CONTENT, "content"),
    (2, "mode"),
    (4, "owner"),
    (8, "times"),
    (16, "xattrs"),
    (32, "flags"),
    (KIND, "kind"),
    (STREAMS, "streams"),
    (256, "security"),
];
/// Kinds of files by number, from 1.
const FILE_KINDS: [&str; 7] = ["file", "directory", "symlink", "fifo", "socket", "char_device", "block_device"];

/// One difference. Ordered by path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// From the root, without a leading slash; empty for the root itself.
    pub(super) path: Vec<u8>,
    pub(super) old_path: Option<Vec<u8>>,
    kind: u32,
    aspects: u32,
    file_kind: u32,
    inode: u64,
    /// Which tree has changed it since the two parted, and whether it has further names.
    changed_by: u32,
}

/// A difference as JSON shows it.
#[derive(Debug, Serialize)]
pub(super) struct DifferenceJson {
    change: Change,
    path: String,
    /// The bytes of a path that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path_bytes: Option<Vec<u8>>,
    file_kind: &'static str,
    aspects: Vec<&'static str>,
    inode: u64,
    /// It differs under further names, which are told of nowhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    further_names: bool,
}

impl Difference {
    pub(crate) fn change(&self) -> Change {
        match self.kind {
            1 => Change::Added,
            2 => Change::Deleted,
            4 => Change::Renamed,
            _ if self.aspects & (CONTENT | KIND | STREAMS) != 0 => Change::Modified,
            _ => Change::Metadata,
        }
    }

    /// From the root, without a leading slash.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Where it was, when it moved.
    pub(crate) fn old_path(&self) -> Option<&[u8]> {
        self.old_path.as_deref()
    }

    /// Its number in the volume.
    pub(crate) fn inode(&self) -> u64 {
        self.inode
    }

    pub(crate) fn is_new(&self) -> bool {
        self.change() == Change::Added
    }

    /// Whether the earlier tree has changed it since the two parted.
    pub(crate) fn was_changed_before(&self) -> bool {
        self.changed_by & FS_CONTROL_CHANGED_BEFORE != 0
    }

    /// Whether it is the later tree's doing: not if that has left alone since the two parted what the earlier one has changed.
    pub(crate) fn is_of_later(&self) -> bool {
        let later = self.changed_by & FS_CONTROL_CHANGED_AFTER != 0;
        match self.change() {
            Change::Added | Change::Deleted => later,
            Change::Modified | Change::Metadata | Change::Renamed => later || !self.was_changed_before(),
        }
    }

    /// Whether it holds something else, or is another kind of file.
    pub(crate) fn has_other_content(&self) -> bool {
        self.aspects & (CONTENT | KIND) != 0
    }

    /// Whether it is another by now under further names, which are told of nowhere.
    pub(crate) fn has_further_names(&self) -> bool {
        self.changed_by & FS_CONTROL_FURTHER_NAMES != 0
    }

    /// The path, `.` for the root.
    pub(super) fn shown_path(&self) -> &[u8] {
        if self.path.is_empty() { b"." } else { &self.path }
    }

    pub(super) fn as_json(&self) -> DifferenceJson {
        DifferenceJson {
            change: self.change(),
            path: lossy(self.shown_path()),
            path_bytes: unless_text(&self.path),
            old_path: self.old_path.as_deref().map(lossy),
            old_path_bytes: self.old_path.as_deref().and_then(unless_text),
            file_kind: (self.file_kind as usize).checked_sub(1).and_then(|at| FILE_KINDS.get(at)).unwrap_or(&"unknown"),
            aspects: ASPECTS.iter().filter(|(bit, _)| self.aspects & bit != 0).map(|(_, name)| *name).collect(),
            inode: self.inode,
            further_names: self.has_further_names(),
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unless_text(bytes: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(bytes).is_err().then(|| bytes.to_vec())
}

/// Puts records together again.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
    /// How much of `bytes` was taken already.
    taken: usize,
}

impl Decoder {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next difference; `None` when more bytes are needed.
    pub(super) fn take(&mut self) -> Result<Option<Difference>> {
        let rest = &self.bytes[self.taken..];
        let Some((head, rest)) = rest.split_at_checked(size_of::<fs_control_diff_record>()) else { return Ok(None) };
        let record: fs_control_diff_record = bytemuck::pod_read_unaligned(head);
        if !(1..=4).contains(&record.kind) {
            return Err(malformed());
        }
        let Some((path, rest)) = rest.split_at_checked(record.path_bytes as usize) else { return Ok(None) };
        let Some((old_path, _)) = rest.split_at_checked(record.old_path_bytes as usize) else { return Ok(None) };
        let difference = difference_of(&record, path, old_path);
        self.taken += head.len() + path.len() + old_path.len();
        Ok(Some(difference))
    }

    /// Checks that nothing is left over.
    pub(super) fn end(&self) -> Result<()> {
        if self.taken < self.bytes.len() { Err(malformed()) } else { Ok(()) }
    }
}

fn difference_of(record: &fs_control_diff_record, path: &[u8], old_path: &[u8]) -> Difference {
    Difference {
        path: path.to_vec(),
        old_path: (!old_path.is_empty()).then(|| old_path.to_vec()),
        kind: record.kind,
        aspects: record.aspects,
        file_kind: record.file_kind,
        inode: record.inode,
        changed_by: record.changed_by,
    }
}

fn malformed() -> Failure {
    Failure::system("the volume's diff is malformed: its daemon may be of another version of bough")
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn difference(kind: u32, aspects: u32, path: &str, old_path: Option<&str>) -> Difference {
        let old_path = old_path.map(|old| old.as_bytes().to_vec());
        Difference { path: path.into(), old_path, kind, aspects, file_kind: 1, inode: 7, changed_by: 0 }
    }

    fn encode(difference: &Difference, into: &mut Vec<u8>) {
        let old_path = difference.old_path.as_deref().unwrap_or_default();
        let record = fs_control_diff_record {
            inode: difference.inode,
            kind: difference.kind,
            aspects: difference.aspects,
            file_kind: difference.file_kind,
            path_bytes: difference.path.len() as u32,
            old_path_bytes: old_path.len() as u32,
            changed_by: difference.changed_by,
        };
        into.extend_from_slice(bytemuck::bytes_of(&record));
        into.extend_from_slice(&difference.path);
        into.extend_from_slice(old_path);
    }

    fn decode(parts: &[&[u8]]) -> Result<Vec<Difference>> {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for part in parts {
            decoder.feed(part);
            while let Some(difference) = decoder.take()? {
                all.push(difference);
            }
        }
        decoder.end()?;
        Ok(all)
    }

    fn any_difference() -> impl Strategy<Value = Difference> {
        let old_path = prop::option::of(prop::collection::vec(any::<u8>(), 1..40));
        let path = prop::collection::vec(any::<u8>(), 0..40);
        (path, old_path, 1u32..=4, 0u32..128, 0u32..9, any::<u64>(), 0u32..4).prop_map(
            |(path, old_path, kind, aspects, file_kind, inode, changed_by)| Difference {
                path,
                old_path,
                kind,
                aspects,
                file_kind,
                inode,
                changed_by,
            },
        )
    }

    proptest! {
        #[test]
        fn records_survive_however_the_bytes_are_cut(
            all in prop::collection::vec(any_difference(), 0..20),
            part in 1usize..100,
        ) {
            let mut bytes = Vec::new();
            all.iter().for_each(|difference| encode(difference, &mut bytes));
            let parts: Vec<&[u8]> = bytes.chunks(part).collect();
            prop_assert_eq!(decode(&parts).unwrap(), all);
        }

        #[test]
        fn any_bytes_at_all_end_in_differences_or_an_error(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10),
        ) {
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            for difference in decode(&parts).unwrap_or_default() {
                let _ = (difference.change(), serde_json::to_string(&difference.as_json()).unwrap());
            }
        }
    }

    #[test]
    fn a_diff_that_ends_within_a_record_is_malformed() {
        let mut bytes = Vec::new();
        encode(&difference(1, 0, "path", None), &mut bytes);
        assert!(decode(&[&bytes]).is_ok());
        assert!(decode(&[&bytes[..bytes.len() - 1]]).is_err());
        bytes[8] = 9;
        assert!(decode(&[&bytes]).is_err());
    }

    #[test]
    fn a_path_that_is_not_text_keeps_its_bytes_in_json() {
        let mut odd = difference(1, 0, "", None);
        odd.path = b"a\xff".to_vec();
        let json = serde_json::to_value(odd.as_json()).unwrap();
        assert_eq!(json["path_bytes"], serde_json::json!([97, 255]));
    }
}

//! Reparse points: set, asked for, replaced, deleted; what POSIX sees of them, and they of POSIX.

use bough::{Aspects, Error, FileKind, NewExtras, NewNode, NodeId};

use crate::support::*;
use crate::windows_files::windows;

const MOUNT_POINT: u32 = 0xA000_0003;
const SYMLINK: u32 = 0xA000_000C;
const LX_SYMLINK: u32 = 0xA000_001D;
const AF_UNIX: u32 = 0x8000_0023;
const LX_FIFO: u32 = 0x8000_0024;
/// Of nobody that we know, with a GUID.
const OTHER: u32 = 0x0000_0042;
const REPARSE_POINT: u32 = 0x400;
const DIRECTORY: u32 = 0x10;

fn buffer(tag: u32, data: &[u8]) -> Vec<u8> {
    let mut all = tag.to_le_bytes().to_vec();
    all.extend((data.len() as u16).to_le_bytes());
    all.extend([0, 0]);
    all.extend(data);
    all
}

fn with_guid(tag: u32, guid: u8, data: &[u8]) -> Vec<u8> {
    let plain = buffer(tag, data);
    [&plain[..8], &[guid; 16], data].concat()
}

fn names(substitute: &str, print: &str, flags: Option<u32>) -> Vec<u8> {
    let units = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (substitute, print) = (units(substitute), units(print));
    let mut data = Vec::new();
    for number in [0, substitute.len(), substitute.len(), print.len()] {
        data.extend((number as u16).to_le_bytes());
    }
    data.extend(flags.iter().flat_map(|flags| flags.to_le_bytes()));
    data.extend(substitute);
    data.extend(print);
    data
}

fn symlink(target: &str) -> Vec<u8> {
    buffer(SYMLINK, &names(target, "shown", Some(1)))
}

fn empty_file() -> (Fs, NodeId) {
    let fs = windows();
    fs.write_file("file", "");
    let node = fs.node("file");
    (fs, node)
}

fn attributes(fs: &Fs, node: NodeId) -> (u32, u32) {
    let info = fs.file_info(node, None).unwrap();
    (info.attributes & (REPARSE_POINT | DIRECTORY), info.reparse_tag)
}

fn listed_kind(fs: &Fs, name: &str) -> FileKind {
    let mut kind = None;
    fs.list(&ROOT, NodeId::ROOT, None, 0, bough::ListOptions::default(), &mut |entry| {
        if entry.name == name.as_bytes() {
            kind = Some(entry.kind);
        }
        true
    })
    .unwrap();
    kind.unwrap()
}

#[test]
fn a_reparse_point_keeps_its_buffer_and_shows_attribute_and_tag() {
    let (fs, node) = empty_file();
    fs.write_file("file", "content");
    assert_eq!(fs.get_reparse(node, None), Err(Error::NotAReparsePoint));
    let set = with_guid(OTHER, 7, b"data");
    fs.set_reparse(&ROOT, node, None, &set).unwrap();
    assert_eq!((fs.get_reparse(node, None), attributes(&fs, node)), (Ok(set), (REPARSE_POINT, OTHER)));
    assert_eq!((fs.stat("file").kind, fs.read_text("file")), (FileKind::File, "content".into()));
    fs.delete_reparse(&ROOT, node, None, &with_guid(OTHER, 7, b"")).unwrap();
    assert_eq!((fs.get_reparse(node, None), attributes(&fs, node)), (Err(Error::NotAReparsePoint), (0, 0)));
}

#[test]
fn set_reparse_point_on_an_existing_one_must_match_tag_and_guid() {
    let (fs, node) = empty_file();
    fs.set_reparse(&ROOT, node, None, &with_guid(OTHER, 7, b"1")).unwrap();
    let set = |buffer: &[u8]| fs.set_reparse(&ROOT, node, None, buffer);
    assert_eq!(set(&symlink("x")), Err(Error::ReparseTagMismatch));
    assert_eq!(set(&with_guid(OTHER, 8, b"1")), Err(Error::ReparseConflict));
    assert_eq!(set(&with_guid(OTHER, 7, b"2")), Ok(()));
    let delete = |buffer: &[u8]| fs.delete_reparse(&ROOT, node, None, buffer);
    assert_eq!(delete(&with_guid(OTHER, 8, b"")), Err(Error::ReparseConflict));
    assert_eq!(delete(&buffer(SYMLINK, b"")), Err(Error::ReparseTagMismatch));
    assert!(matches!(delete(&with_guid(OTHER, 7, b"2")), Err(Error::BadReparse(_))));
    assert_eq!(delete(&with_guid(OTHER, 7, b"")), Ok(()));
    assert_eq!(delete(&with_guid(OTHER, 7, b"")), Err(Error::NotAReparsePoint));
}

#[test]
fn a_directory_that_becomes_a_reparse_point_must_be_empty() {
    let fs = windows();
    fs.mkdir_p("dir/sub");
    let node = fs.node("dir");
    let junction = buffer(MOUNT_POINT, &names("\\??\\C:\\elsewhere", "", None));
    assert_eq!(fs.set_reparse(&ROOT, node, None, &junction), Err(Error::NotEmpty));
    fs.remove_dir("dir/sub");
    fs.set_reparse(&ROOT, node, None, &junction).unwrap();
    assert_eq!(attributes(&fs, node), (REPARSE_POINT | DIRECTORY, MOUNT_POINT));
    assert_eq!(fs.stat("dir").kind, FileKind::Directory, "it leaves the volume");
    fs.write_file("file", "");
    let on_a_file = fs.set_reparse(&ROOT, fs.node("file"), None, &junction);
    assert_eq!(on_a_file, Err(Error::NotADirectory));
}

#[test]
fn malformed_reparse_buffers_are_refused_by_a_text_that_says_why() {
    let (fs, node) = empty_file();
    let set = |buffer: &[u8]| fs.set_reparse(&ROOT, node, None, buffer);
    assert!(matches!(set(b"abc"), Err(Error::BadReparse(text)) if text.contains("header")));
    assert!(matches!(set(&buffer(SYMLINK, b"")), Err(Error::BadReparse(text)) if text.contains("names")));
    assert_eq!(set(&buffer(1, b"")), Err(Error::BadReparseTag));
    assert!(matches!(set(&[0; 20_000]), Err(Error::BadReparse(text)) if text.contains("16 KiB")));
    assert!(matches!(set(&buffer(SYMLINK, &names("", "", Some(1)))), Err(Error::BadReparse(_))));
    assert_eq!(attributes(&fs, node), (0, 0));
}

#[test]
fn a_symbolic_link_of_windows_within_the_volume_is_one_to_posix() {
    let (fs, node) = empty_file();
    fs.mkdir_p("dir");
    fs.write_file("dir/target", "found");
    fs.set_reparse(&ROOT, node, None, &symlink("dir\\target")).unwrap();
    assert_eq!((fs.stat("file").kind, listed_kind(&fs, "file")), (FileKind::Symlink, FileKind::Symlink));
    assert_eq!(fs.path_read_link(&ROOT, at("file")).unwrap()[..], *b"dir/target");
    assert_eq!(fs.read_text("file"), "found");
    assert_eq!(attributes(&fs, node), (REPARSE_POINT, SYMLINK));
    assert_eq!(fs.get_reparse(node, None), Ok(symlink("dir\\target")), "with its print name");
    fs.set_reparse(&ROOT, node, None, &symlink("dir")).unwrap();
    assert_eq!(fs.path_read_link(&ROOT, at("file")).unwrap()[..], *b"dir");
    // One that leaves the volume means nothing to POSIX.
    let absolute = buffer(SYMLINK, &names("\\??\\C:\\x", "", Some(0)));
    fs.set_reparse(&ROOT, node, None, &absolute).unwrap();
    assert_eq!((fs.stat("file").kind, listed_kind(&fs, "file")), (FileKind::File, FileKind::File));
    fs.delete_reparse(&ROOT, node, None, &buffer(SYMLINK, b"")).unwrap();
    assert_eq!((fs.stat("file").kind, fs.stat("file").size), (FileKind::File, 0));
    fs.write_file("file", "a file again");
}

#[test]
fn a_directory_link_of_windows_is_a_link_to_posix_and_a_directory_again_without_it() {
    let fs = windows();
    fs.mkdir_p("real/sub");
    fs.mkdir_p("link");
    let links = fs.stat("/").links;
    let node = fs.node("link");
    fs.set_reparse(&ROOT, node, None, &symlink("real")).unwrap();
    assert_eq!(attributes(&fs, node), (REPARSE_POINT | DIRECTORY, SYMLINK));
    assert_eq!((fs.names("link/."), fs.stat("link").kind), (vec!["sub".to_owned()], FileKind::Symlink));
    assert_eq!(fs.stat("/").links, links - 1);
    fs.delete_reparse(&ROOT, node, None, &buffer(SYMLINK, b"")).unwrap();
    assert_eq!((fs.stat("link").kind, listed_kind(&fs, "link")), (FileKind::Directory, FileKind::Directory));
    assert_eq!(fs.stat("/").links, links);
    fs.mkdir_p("link/new");
    assert!(fs.volume.check_invariants(true).is_sound());
}

#[test]
fn what_posix_made_is_a_reparse_point_to_windows() {
    let fs = windows();
    fs.symlink("../a/b", "link");
    fs.make_at("fifo", NewNode::Fifo);
    fs.make_at("socket", NewNode::Socket);
    let link = fs.node("link");
    assert_eq!(attributes(&fs, link), (REPARSE_POINT, SYMLINK));
    let expected = fs.get_reparse(link, None).unwrap();
    let target: Vec<u8> = "..\\a\\b".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(expected.windows(target.len()).any(|part| part == target));
    assert_eq!(fs.get_reparse(fs.node("fifo"), None), Ok(buffer(LX_FIFO, b"")));
    assert_eq!(fs.get_reparse(fs.node("socket"), None), Ok(buffer(AF_UNIX, b"")));
    // What was told can be set elsewhere, and is the same link there.
    fs.write_file("copy", "");
    fs.set_reparse(&ROOT, fs.node("copy"), None, &expected).unwrap();
    assert_eq!(fs.path_read_link(&ROOT, at("copy")).unwrap()[..], *b"../a/b");
    // The longest target of POSIX has room for itself.
    fs.symlink(&"x".repeat(4095), "long");
    assert!(fs.get_reparse(fs.node("long"), None).unwrap().len() <= 16_384);
}

#[test]
fn links_pipes_and_sockets_of_linux_on_windows_are_that_to_posix() {
    let fs = windows();
    let make = |name: &str, reparse: &[u8]| {
        let extras = NewExtras { reparse, ..NewExtras::default() };
        fs.make_carrying(&ROOT, NodeId::ROOT, name.as_bytes(), 0o644, NewNode::File, &extras)
            .map(|entry| entry.attr.kind)
    };
    assert_eq!(make("link", &buffer(LX_SYMLINK, b"\x02\0\0\0a/b")), Ok(FileKind::Symlink));
    assert_eq!(fs.path_read_link(&ROOT, at("link")).unwrap()[..], *b"a/b");
    assert_eq!(make("fifo", &buffer(LX_FIFO, b"")), Ok(FileKind::Fifo));
    assert_eq!(make("bad", b"abc"), Err(Error::BadReparse("the buffer is shorter than its header")));
    assert!(!fs.exists("bad"));
}

#[test]
fn what_has_content_or_several_names_stays_a_file_to_posix() {
    let (fs, node) = empty_file();
    fs.hard_link("file", "second");
    fs.set_reparse(&ROOT, node, None, &symlink("x")).unwrap();
    assert_eq!((fs.stat("file").kind, attributes(&fs, node)), (FileKind::File, (REPARSE_POINT, SYMLINK)));
    fs.write_file("other", "content");
    fs.set_reparse(&ROOT, fs.node("other"), None, &symlink("x")).unwrap();
    assert_eq!(fs.read_text("other"), "content");
}

#[test]
fn setting_a_reparse_point_asks_for_permission_to_write() {
    let (fs, node) = empty_file();
    fs.chmod("file", 0o644);
    assert_eq!(fs.set_reparse(&user(8, 8), node, None, &symlink("x")), Err(Error::AccessDenied));
    fs.set_flags("file", bough::flags::IMMUTABLE);
    assert_eq!(fs.set_reparse(&ROOT, node, None, &symlink("x")), Err(Error::NotPermitted));
    let frozen = fs.frozen("before");
    assert_eq!(frozen.set_reparse(&ROOT, frozen.node("file"), None, &symlink("x")), Err(Error::ReadOnly));
}

#[test]
fn the_root_is_never_a_reparse_point() {
    let fs = windows();
    assert_eq!(fs.set_reparse(&ROOT, NodeId::ROOT, None, &symlink("x")), Err(Error::AccessDenied));
    assert_eq!(fs.stat("/").kind, FileKind::Directory);
}

#[test]
fn a_diff_sees_a_reparse_point_as_content() {
    let (fs, node) = empty_file();
    let before = bough::RefId::Snapshot(fs.snapshot("before"));
    fs.set_reparse(&ROOT, node, None, &with_guid(OTHER, 1, b"")).unwrap();
    let mut diff = fs.volume.diff(before, fs.main()).unwrap();
    assert_eq!(diff.next_entry().unwrap().unwrap().aspects, Aspects::CONTENT);
}

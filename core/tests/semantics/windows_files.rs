//! A file as Windows knows it: attributes, times, allocation size, extended attributes. Each rule of WinFsp's host bears its name.

use bough::limits::ALLOCATION_BYTES;
use bough::{
    Aspects, Config, Error, FileInfo, HandleId, NamePolicy, NewExtras, NewNode, NodeId, Privileges, RefId, SetAttr,
    SetFileInfo, Time, WriteAt, XattrMode, flags,
};

use crate::support::*;

const READONLY: u32 = 0x1;
const HIDDEN: u32 = 0x2;
const SYSTEM: u32 = 0x4;
const DIRECTORY: u32 = 0x10;
const ARCHIVE: u32 = 0x20;
const NORMAL: u32 = 0x80;
const TEMPORARY: u32 = 0x100;
const KEEP: u32 = u32::MAX;
/// 1970-01-01 in FILETIME.
const EPOCH: i64 = 116_444_736_000_000_000;

pub(crate) fn windows() -> Fs {
    Fs::of(Config { root_mode: 0o777, names: NamePolicy::Windows, ..Config::default() })
}

fn with_file() -> (Fs, NodeId) {
    let fs = windows();
    fs.write_file("file", "content");
    let node = fs.node("file");
    (fs, node)
}

fn set(fs: &Fs, node: NodeId, set: SetFileInfo) -> FileInfo {
    fs.set_file_info(&ROOT, node, None, &set).unwrap()
}

fn set_attributes(fs: &Fs, node: NodeId, attributes: u32) -> u32 {
    set(fs, node, SetFileInfo { attributes, ..SetFileInfo::default() }).attributes
}

fn info(fs: &Fs, node: NodeId) -> FileInfo {
    fs.file_info(node, None).unwrap()
}

#[test]
fn set_basic_info_attributes_0_and_ffffffff_keep_and_normal_clears() {
    let (fs, node) = with_file();
    assert_eq!(info(&fs, node).attributes, ARCHIVE, "a new file is to be archived");
    assert_eq!(set_attributes(&fs, node, HIDDEN | SYSTEM | READONLY), HIDDEN | SYSTEM | READONLY);
    let version = fs.stat("file").version;
    for keep in [0, KEEP] {
        assert_eq!(set_attributes(&fs, node, keep), HIDDEN | SYSTEM | READONLY);
    }
    assert_eq!(fs.stat("file").version, version, "nothing was set");
    assert_eq!(set_attributes(&fs, node, NORMAL), NORMAL);
}

#[test]
fn set_basic_info_refuses_what_a_file_or_directory_cannot_be() {
    let (fs, node) = with_file();
    fs.mkdir_p("dir");
    let dir = fs.node("dir");
    let refused = |node, attributes| {
        let set = SetFileInfo { attributes, ..SetFileInfo::default() };
        matches!(fs.set_file_info(&ROOT, node, None, &set), Err(Error::Invalid(_)))
    };
    assert!(refused(dir, TEMPORARY) && refused(node, DIRECTORY));
    assert_eq!(info(&fs, dir).attributes, DIRECTORY);
    assert_eq!(set_attributes(&fs, dir, DIRECTORY | ARCHIVE | HIDDEN), DIRECTORY | ARCHIVE | HIDDEN);
    assert_eq!(set_attributes(&fs, dir, NORMAL), DIRECTORY);
}

#[test]
fn hidden_and_archive_are_flags_of_the_file_and_its_flags_are_attributes() {
    let (fs, node) = with_file();
    set_attributes(&fs, node, HIDDEN);
    assert_eq!(fs.stat("file").flags, flags::HIDDEN | flags::ARCHIVED);
    fs.set_flags("file", flags::NO_DUMP);
    assert_eq!(info(&fs, node).attributes, ARCHIVE);
    fs.set_flags("file", flags::ARCHIVED);
    assert_eq!(info(&fs, node).attributes, NORMAL);
}

#[test]
fn a_file_that_windows_made_read_only_shows_no_write_bits_until_chmod_gives_one() {
    let (fs, node) = with_file();
    fs.chown("file", 7, 7);
    fs.chmod("file", 0o664);
    set_attributes(&fs, node, READONLY);
    assert_eq!(fs.stat("file").mode, 0o444);
    assert_eq!(fs.path_open(&user(7, 7), at("file"), WRITE, None), Err(Error::AccessDenied));
    assert_eq!(set_attributes(&fs, node, NORMAL), NORMAL);
    assert_eq!(fs.stat("file").mode, 0o664, "as it was");
    set_attributes(&fs, node, READONLY);
    fs.chmod("file", 0o400);
    assert_eq!(info(&fs, node).attributes, READONLY, "taking bits away does not make it writable");
    fs.chmod("file", 0o600);
    assert_eq!((info(&fs, node).attributes, fs.stat("file").mode), (NORMAL, 0o600));
    fs.mkdir_p("dir");
    set_attributes(&fs, fs.node("dir"), READONLY);
    assert_eq!(fs.stat("dir").mode, 0o755, "on a directory it is a mark of the shell's");
}

#[test]
fn an_immutable_file_is_read_only_to_windows_and_takes_no_attributes() {
    let (fs, node) = with_file();
    for frozen in [flags::IMMUTABLE, flags::USER_IMMUTABLE] {
        fs.set_flags("file", frozen | flags::ARCHIVED);
        assert_eq!(info(&fs, node).attributes, READONLY);
        let refused =
            fs.set_file_info(&ROOT, node, None, &SetFileInfo { attributes: NORMAL, ..SetFileInfo::default() });
        assert_eq!(refused, Err(Error::NotPermitted));
    }
}

#[test]
fn set_basic_info_sets_four_times_one_by_one_and_0_keeps() {
    let (fs, hand) = Fs::with_clock();
    fs.write_file("file", "");
    let node = fs.node("file");
    let times = |info: FileInfo| [info.created, info.accessed, info.written, info.changed].map(|time| time.0);
    let second = 1_000_000_000;
    let seconds = |count: i64| EPOCH + count * 10_000_000;
    hand.forward(1);
    let zero = SetFileInfo::default();
    let born = set(&fs, node, SetFileInfo { created: seconds(5), changed: seconds(9), ..zero });
    assert_eq!(times(born), [5 * second, 1000 * second, 1000 * second, 9 * second]);
    let accessed = set(&fs, node, SetFileInfo { accessed: seconds(6), changed: seconds(9), ..zero });
    assert_eq!(times(accessed), [5 * second, 6 * second, 1000 * second, 9 * second]);
    let written = set(&fs, node, SetFileInfo { written: seconds(-7) + 1, ..zero });
    assert_eq!(times(written), [5 * second, 6 * second, -7 * second + 100, 1001 * second], "what is not set changes");
    assert_eq!(times(set(&fs, node, zero)), times(written));
    let early = fs.set_file_info(&ROOT, node, None, &SetFileInfo { created: -3, ..zero });
    assert_eq!(early, Err(Error::Invalid("a time before 1601")));
}

/// Times of the file, and a handle.
fn clocked() -> (Fs, Hand, NodeId, HandleId) {
    let (fs, hand) = Fs::with_clock();
    fs.write_file("file", "content");
    let (node, handle) = (fs.node("file"), fs.open("file", BOTH));
    (fs, hand, node, handle)
}

#[test]
fn a_time_of_minus_1_is_left_alone_by_later_operations_of_the_handle_and_minus_2_ends_that() {
    let (fs, hand, node, handle) = clocked();
    let hold = SetFileInfo { written: -1, changed: -1, ..SetFileInfo::default() };
    fs.set_file_info(&ROOT, node, Some(handle), &hold).unwrap();
    hand.forward(10);
    fs.put(handle, 0, b"x");
    fs.set_attr(&ROOT, node, Some(handle), &SetAttr { size: Some(3), ..SetAttr::default() }).unwrap();
    let start = Time(1000 * 1_000_000_000);
    assert_eq!((info(&fs, node).written, info(&fs, node).changed), (start, start));
    // Another handle does as it always did.
    let other = fs.open("file", WRITE);
    fs.put(other, 0, b"y");
    let now = Time(1010 * 1_000_000_000);
    assert_eq!((info(&fs, node).written, info(&fs, node).changed), (now, now));
    let release = SetFileInfo { written: -2, ..SetFileInfo::default() };
    fs.set_file_info(&ROOT, node, Some(handle), &release).unwrap();
    let later = hand.forward(10);
    fs.put(handle, 0, b"z");
    assert_eq!((info(&fs, node).written, info(&fs, node).changed), (later, now));
}

#[test]
fn a_time_that_was_set_through_a_handle_is_left_alone_by_its_later_writes() {
    let (fs, hand, node, handle) = clocked();
    let set = SetFileInfo { written: EPOCH, ..SetFileInfo::default() };
    fs.set_file_info(&ROOT, node, Some(handle), &set).unwrap();
    hand.forward(10);
    fs.put(handle, 0, b"x");
    assert_eq!(info(&fs, node).written, Time(0));
}

#[test]
fn access_times_are_left_alone_through_a_handle_that_holds_them() {
    let (fs, hand, node, handle) = clocked();
    let hold = SetFileInfo { accessed: -1, ..SetFileInfo::default() };
    fs.set_file_info(&ROOT, node, Some(handle), &hold).unwrap();
    hand.forward(10);
    fs.get(handle, 0, 3);
    assert_eq!(info(&fs, node).accessed, Time(1000 * 1_000_000_000));
    fs.set_file_info(&ROOT, node, Some(handle), &SetFileInfo { accessed: -2, ..SetFileInfo::default() }).unwrap();
    fs.get(handle, 0, 3);
    assert!(info(&fs, node).accessed > Time(1000 * 1_000_000_000));
}

#[test]
fn only_the_owner_sets_windows_attributes() {
    let (fs, node) = with_file();
    fs.chown("file", 7, 7);
    let set = SetFileInfo { attributes: HIDDEN, ..SetFileInfo::default() };
    assert_eq!(fs.set_file_info(&user(8, 8), node, None, &set), Err(Error::NotPermitted));
    assert!(fs.set_file_info(&user(7, 7), node, None, &set).is_ok());
    assert!(fs.set_file_info(&privileged(8, 8, Privileges::OWNER), node, None, &set).is_ok());
    let frozen = fs.frozen("before");
    assert_eq!(frozen.set_file_info(&ROOT, frozen.node("file"), None, &set), Err(Error::ReadOnly));
}

#[test]
fn the_info_of_a_handle_on_a_stream_has_the_size_of_the_stream() {
    let (fs, node) = with_file();
    let handle = fs.open_stream(&ROOT, node, b"s", BOTH, true).unwrap();
    fs.put(handle, 0, vec![1; 5000]);
    let stream = fs.file_info(node, Some(handle)).unwrap();
    assert_eq!((stream.size, stream.allocation), (5000, 8192));
    assert_eq!((info(&fs, node).size, info(&fs, node).allocation), (7, ALLOCATION_BYTES));
    assert_eq!(stream.inode, info(&fs, node).inode);
}

#[test]
fn directories_and_links_have_no_size_to_windows() {
    let fs = windows();
    fs.mkdir_p("dir/sub");
    fs.symlink("dir", "link");
    for path in ["dir", "link"] {
        let info = info(&fs, fs.node(path));
        assert_eq!((info.size, info.allocation), (0, 0), "{path}");
    }
    assert_eq!(info(&fs, fs.node("dir")).links, 1);
}

#[test]
fn set_file_size_of_the_allocation_grows_it_apart_from_the_size() {
    let (fs, node) = with_file();
    let grown = fs.set_allocation(&ROOT, node, None, 100_000).unwrap();
    assert_eq!((grown.size, grown.allocation), (7, 102_400));
    assert_eq!(fs.read_text("file"), "content");
    assert!(fs.stat("file").allocated >= 102_400, "it is set aside for real");
    let allocated = fs.stat("file").allocated;
    fs.write(&ROOT, node, None, WriteAt::Offset(90_000), b"x").unwrap();
    assert_eq!(fs.stat("file").allocated, allocated);
    assert_eq!((info(&fs, node).size, info(&fs, node).allocation), (90_001, 102_400));
}

#[test]
fn an_allocation_below_the_size_cuts_the_file() {
    let (fs, node) = with_file();
    fs.write_file("file", vec![7; 10_000]);
    let cut = fs.set_allocation(&ROOT, node, None, 5_000).unwrap();
    assert_eq!((cut.size, cut.allocation), (8192, 8192));
    assert_eq!(fs.read_file("file"), vec![7; 8192]);
    let empty = fs.set_allocation(&ROOT, node, None, 0).unwrap();
    assert_eq!((empty.size, empty.allocation, fs.stat("file").allocated), (0, 0, 0));
}

#[test]
fn an_allocation_that_cuts_the_file_takes_its_privileges_away() {
    let capability = b"security.capability";
    let user = privileged(5, 5, Privileges::CHECKED);
    for (bytes, kept) in [(20_000, true), (10_000, true), (5_000, false), (0, false)] {
        let (fs, node) = with_file();
        fs.write_file("file", vec![7; 10_000]);
        fs.chmod("file", 0o6755);
        fs.set_xattr(&ROOT, node, capability, b"cap", XattrMode::Set).unwrap();
        fs.set_allocation(&user, node, None, bytes).unwrap();
        assert_eq!(fs.stat("file").mode, if kept { 0o6755 } else { 0o755 }, "{bytes}");
        assert_eq!(fs.get_xattr(&ROOT, node, capability).is_ok(), kept, "{bytes}");
    }
}

#[test]
fn growing_the_size_grows_the_allocation_and_cutting_gives_it_back() {
    let (fs, node) = with_file();
    fs.set_allocation(&ROOT, node, None, 8192).unwrap();
    fs.truncate("file", 20_000);
    assert_eq!(info(&fs, node).allocation, 20_480);
    fs.set_allocation(&ROOT, node, None, 200_000).unwrap();
    fs.truncate("file", 1);
    assert_eq!((info(&fs, node).size, info(&fs, node).allocation), (1, 4096));
    assert!(fs.stat("file").allocated <= CHUNK);
}

#[test]
fn what_was_set_aside_is_given_back_on_cleanup() {
    let (fs, node) = with_file();
    let handle = fs.open_stream(&ROOT, node, b"s", BOTH, true).unwrap();
    fs.set_allocation(&ROOT, node, Some(handle), 10 * CHUNK).unwrap();
    assert_eq!(fs.file_info(node, Some(handle)).unwrap().allocation, 10 * CHUNK);
    fs.set_allocation(&ROOT, node, None, 10 * CHUNK).unwrap();
    let chunks = fs.volume.stats().chunks;
    fs.give_back_allocation(node, None).unwrap();
    fs.give_back_allocation(node, Some(handle)).unwrap();
    assert!(fs.volume.stats().chunks <= chunks - 19);
    assert_eq!((info(&fs, node).allocation, fs.read_text("file")), (4096, "content".into()));
    assert_eq!(fs.file_info(node, Some(handle)).unwrap().allocation, 0);
}

#[test]
fn a_large_allocation_is_set_aside_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let fs = Fs::of(Config {
        root_mode: 0o777,
        memory_bytes: Some(16 << 20),
        spill_dir: Some(folder.path().into()),
        spill_limit_bytes: Some(600 << 20),
        ..Config::default()
    });
    fs.write_file("file", "content");
    let node = fs.node("file");
    let before = fs.stat("file").changed;
    for bytes in [400_u64 << 20, 401 << 20, 300 << 20] {
        let grown = fs.set_allocation(&ROOT, node, None, bytes).unwrap();
        assert_eq!((grown.size, grown.allocation), (7, bytes));
        let stored = fs.stat("file").allocated;
        assert!((bytes..=(401 << 20) + CHUNK).contains(&stored), "{stored} of {bytes}");
    }
    assert_eq!(fs.stat("file").changed, before);
    let used = fs.volume.stats().used_bytes;
    assert_eq!(fs.set_allocation(&ROOT, node, None, 1 << 30), Err(Error::NoSpace));
    assert!(fs.volume.stats().used_bytes <= used);
    fs.give_back_allocation(node, None).unwrap();
    assert!(fs.stat("file").allocated <= CHUNK);
    assert_eq!(fs.read_text("file"), "content");
}

#[test]
fn an_allocation_that_there_is_no_room_for_is_refused_and_changes_nothing() {
    let fs = Fs::of(Config { root_mode: 0o777, memory_bytes: Some(16 << 20), ..Config::default() });
    fs.write_file("file", "content");
    let node = fs.node("file");
    assert_eq!(fs.set_allocation(&ROOT, node, None, 1 << 30), Err(Error::NoSpace));
    assert_eq!((info(&fs, node).allocation, fs.read_text("file")), (4096, "content".into()));
    assert_eq!(fs.set_allocation(&ROOT, node, None, u64::MAX), Err(Error::FileTooLarge));
}

#[test]
fn a_new_file_carries_what_its_maker_says_from_the_start() {
    let fs = windows();
    let eas = ea_list(&[(0x80, "Name", "value")]);
    let extras = NewExtras { attributes: SYSTEM, eas: &eas, allocation: 5000, ..NewExtras::default() };
    let entry = fs.make_carrying(&ROOT, NodeId::ROOT, b"file", 0o644, NewNode::File, &extras).unwrap();
    let made = info(&fs, entry.node);
    assert_eq!((made.attributes, made.allocation, made.size), (SYSTEM | ARCHIVE, 8192, 0));
    assert!(made.ea_bytes > 0);
    let extras = NewExtras { attributes: HIDDEN, ..NewExtras::default() };
    let dir = fs.make_carrying(&ROOT, NodeId::ROOT, b"dir", 0o755, NewNode::Directory, &extras).unwrap();
    assert_eq!(info(&fs, dir.node).attributes, DIRECTORY | HIDDEN);
    let bad = NewExtras { attributes: TEMPORARY, ..NewExtras::default() };
    assert!(fs.make_carrying(&ROOT, NodeId::ROOT, b"other", 0o755, NewNode::Directory, &bad).is_err());
    assert!(!fs.exists("other"), "nothing was made");
    let link = fs.make_carrying(&ROOT, NodeId::ROOT, b"link", 0, NewNode::Symlink(b"x"), &extras);
    assert_eq!(link.unwrap_err(), Error::NotSupported);
}

/// A list of FILE_FULL_EA_INFORMATION.
fn ea_list(entries: &[(u8, &str, &str)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (index, (flags, name, value)) in entries.iter().enumerate() {
        let mut entry = vec![0, 0, 0, 0, *flags, name.len() as u8];
        entry.extend((value.len() as u16).to_le_bytes());
        entry.extend(name.bytes().chain([0]).chain(value.bytes()));
        if index + 1 < entries.len() {
            entry.resize(entry.len().next_multiple_of(4), 0);
            let step = entry.len() as u32;
            entry[..4].copy_from_slice(&step.to_le_bytes());
        }
        list.extend(entry);
    }
    list
}

/// A list of FILE_GET_EA_INFORMATION with one name.
fn ea_name(name: &str) -> Vec<u8> {
    [&[0, 0, 0, 0, name.len() as u8][..], name.as_bytes(), &[0]].concat()
}

#[test]
fn eas_have_names_without_case_keep_their_flags_and_a_value_of_no_bytes_deletes() {
    let (fs, node) = with_file();
    let list = ea_list(&[(0, "One", "1"), (0x80, "Two", "22")]);
    let size = fs.set_eas(&ROOT, node, None, &list).unwrap();
    assert_eq!((info(&fs, node).ea_bytes, fs.get_eas(&ROOT, node, None, &[]).unwrap()), (size, list));
    fs.set_eas(&ROOT, node, None, &ea_list(&[(0, "ONE", "changed")])).unwrap();
    let all = fs.get_eas(&ROOT, node, None, &[]).unwrap();
    assert_eq!(all, ea_list(&[(0, "One", "changed"), (0x80, "Two", "22")]));
    let two = fs.get_eas(&ROOT, node, None, &ea_name("tWO")).unwrap();
    assert_eq!(two, ea_list(&[(0x80, "Two", "22")]));
    let none = fs.get_eas(&ROOT, node, None, &ea_name("None")).unwrap();
    assert_eq!(none, ea_list(&[(0, "None", "")]));
    assert_eq!(fs.set_eas(&ROOT, node, None, &ea_list(&[(0, "one", ""), (0, "two", ""), (0, "x", "")])), Ok(0));
    assert_eq!(fs.get_eas(&ROOT, node, None, &[]), Ok(vec![]));
    assert_eq!(fs.path_list_xattrs(&ROOT, at("file")).unwrap().len(), 0, "they are not those of POSIX");
}

#[test]
fn malformed_ea_lists_are_refused_by_a_text_that_says_why_and_change_nothing() {
    let (fs, node) = with_file();
    fs.set_eas(&ROOT, node, None, &ea_list(&[(0, "kept", "1")])).unwrap();
    let before = fs.get_eas(&ROOT, node, None, &[]).unwrap();
    let apply = |list: &[u8]| fs.set_eas(&ROOT, node, None, list);
    let good = ea_list(&[(0, "a", "1")]);
    assert!(matches!(apply(&good[..6]), Err(Error::BadEaList(_))));
    assert!(
        matches!(apply(&[&good[..4], &[1], &good[5..]].concat()), Err(Error::BadEaList(text)) if text.contains("flags"))
    );
    assert!(matches!(apply(&ea_list(&[(0, "a", "1"), (0, "b*", "1")])), Err(Error::BadEaName(_))));
    assert!(matches!(fs.get_eas(&ROOT, node, None, &[1]), Err(Error::BadEaList(_))));
    let large = "v".repeat(40_000);
    assert_eq!(apply(&ea_list(&[(0, "a", &large)])).map(|_| ()), Ok(()));
    assert_eq!(apply(&ea_list(&[(0, "b", &large)])), Err(Error::TooManyAttributes));
    apply(&ea_list(&[(0, "a", "")])).unwrap();
    assert_eq!(fs.get_eas(&ROOT, node, None, &[]).unwrap(), before);
}

#[test]
fn eas_ask_for_permission_to_read_and_write() {
    let (fs, node) = with_file();
    fs.chown("file", 7, 7);
    fs.chmod("file", 0o640);
    let list = ea_list(&[(0, "a", "1")]);
    assert_eq!(fs.set_eas(&user(8, 8), node, None, &list), Err(Error::AccessDenied));
    assert_eq!(fs.get_eas(&user(8, 8), node, None, &[]), Err(Error::AccessDenied));
    assert!(fs.set_eas(&user(7, 7), node, None, &list).is_ok());
    assert!(fs.get_eas(&user(8, 7), node, None, &[]).is_ok());
}

#[test]
fn snapshots_and_diffs_see_what_windows_programs_set() {
    let (fs, node) = with_file();
    let frozen = fs.frozen("before");
    let before = frozen.info().shows;
    set_attributes(&fs, node, SYSTEM);
    fs.set_eas(&ROOT, node, None, &ea_list(&[(0, "a", "1")])).unwrap();
    let mut diff = fs.volume.diff(before, fs.main()).unwrap();
    let aspects = diff.next_entry().unwrap().unwrap().aspects;
    assert_eq!(aspects, Aspects(Aspects::FLAGS.0 | Aspects::XATTRS.0));
    let old = frozen.file_info(frozen.node("file"), None).unwrap();
    assert_eq!((old.attributes, old.ea_bytes), (ARCHIVE, 0));
    let other = fs.view_of(RefId::Branch(fs.branch("other", fs.main())));
    assert_eq!(other.file_info(other.node("file"), None).unwrap().attributes, SYSTEM);
}

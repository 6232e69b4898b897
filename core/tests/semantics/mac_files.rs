//! A file as macOS knows it: flags, the time it came to its directory, Finder info and resource fork.

use bough::XattrMode::{Create, Replace, Set};
use bough::{Config, Error, MacInfo, NamePolicy, NodeId, Privileges, SetMacInfo, Time, flags};

use crate::support::*;

const UF_IMMUTABLE: u32 = 0x2;
const UF_APPEND: u32 = 0x4;
const UF_HIDDEN: u32 = 0x8000;
const SF_ARCHIVED: u32 = 0x1_0000;
const SF_IMMUTABLE: u32 = 0x2_0000;
const FORK: &[u8] = b"com.apple.ResourceFork";
const FINDER: &[u8] = b"com.apple.FinderInfo";

fn mac() -> (Fs, Hand) {
    let hand = Hand::default();
    hand.set(1000);
    let clock = Box::new(hand.clone());
    (Fs::of(Config { root_mode: 0o777, names: NamePolicy::MacOs, clock, ..Config::default() }), hand)
}

fn with_file() -> (Fs, NodeId) {
    let (fs, _) = mac();
    fs.write_file("file", "content");
    fs.chown("file", 7, 7);
    let node = fs.node("file");
    (fs, node)
}

fn chflags(fs: &Fs, caller: &bough::Caller<'_>, node: NodeId, bsd: u32) -> bough::Result<u32> {
    let set = SetMacInfo { flags: Some(bsd), ..SetMacInfo::default() };
    fs.set_mac_info(caller, node, &set).map(|info| info.flags)
}

fn names(fs: &Fs) -> Vec<String> {
    let names = fs.path_list_xattrs(&ROOT, at("file")).unwrap();
    names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn chflags_sets_flags_by_their_bsd_numbers() {
    let (fs, node) = with_file();
    assert_eq!(chflags(&fs, &ROOT, node, UF_HIDDEN | SF_ARCHIVED), Ok(UF_HIDDEN | SF_ARCHIVED));
    assert_eq!(fs.stat("file").flags, flags::HIDDEN | flags::ARCHIVED);
    assert_eq!(fs.file_info(node, None).unwrap().attributes, 2, "hidden, and archived already");
    assert_eq!(chflags(&fs, &ROOT, node, 0x20), Err(Error::NotSupported), "UF_COMPRESSED");
    fs.set_flags("file", flags::NO_ACCESS_TIME | flags::HIDDEN);
    chflags(&fs, &ROOT, node, 0).unwrap();
    assert_eq!(fs.stat("file").flags, flags::NO_ACCESS_TIME, "what BSD does not know stays");
}

#[test]
fn the_owner_freezes_and_thaws_a_file_and_only_the_superuser_does_so_for_the_system() {
    let (fs, node) = with_file();
    let owner = user(7, 7);
    assert_eq!(chflags(&fs, &owner, node, UF_IMMUTABLE), Ok(UF_IMMUTABLE));
    assert_eq!(fs.path_open(&owner, at("file"), WRITE, None), Err(Error::NotPermitted));
    assert_eq!(fs.path_unlink(&owner, at("file")), Err(Error::NotPermitted));
    assert_eq!(chflags(&fs, &user(8, 8), node, 0), Err(Error::NotPermitted));
    assert_eq!(chflags(&fs, &owner, node, SF_IMMUTABLE), Err(Error::NotPermitted));
    assert_eq!(chflags(&fs, &owner, node, UF_APPEND), Ok(UF_APPEND));
    assert!(fs.path_open(&owner, at("file"), APPEND, None).is_ok());
    assert_eq!(fs.path_open(&owner, at("file"), WRITE, None), Err(Error::NotPermitted));
    assert_eq!(chflags(&fs, &privileged(9, 9, Privileges::SUPERUSER), node, SF_IMMUTABLE), Ok(SF_IMMUTABLE));
    assert_eq!(chflags(&fs, &owner, node, 0), Err(Error::NotPermitted));
}

#[test]
fn the_time_added_is_when_the_entry_came_to_its_directory() {
    let (fs, hand) = mac();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    fs.write_file("a/file", "");
    let node = fs.node("a/file");
    let added = |fs: &Fs| fs.mac_info(node).unwrap().added;
    let born = fs.stat("a/file").born;
    assert_eq!(added(&fs), born);
    hand.forward(10);
    fs.move_to("a/file", "a/renamed");
    assert_eq!(added(&fs), born, "a new name in the same directory");
    let moved = hand.forward(10);
    fs.move_to("a/renamed", "b/file");
    assert_eq!(added(&fs), moved);
    let linked = hand.forward(10);
    fs.hard_link("b/file", "a/link");
    assert_eq!((added(&fs), fs.stat("a/link").born), (linked, born));
    let set = SetMacInfo { added: Some(Time(5)), backed_up: Some(Time(6)), ..SetMacInfo::default() };
    let info = fs.set_mac_info(&ROOT, node, &set).unwrap();
    assert_eq!(info, MacInfo { flags: 0, added: Time(5), backed_up: Time(6) });
}

#[test]
fn finder_info_has_32_bytes_and_zeros_are_none() {
    let (fs, node) = with_file();
    let get = || fs.get_xattr(&ROOT, node, FINDER).map(|value| value.to_vec());
    let mut info = [0; 32];
    info[..8].copy_from_slice(b"TEXTttxt");
    assert_eq!(get(), Err(Error::NoAttribute));
    assert_eq!(fs.set_xattr(&ROOT, node, FINDER, &info, Replace), Err(Error::NoAttribute));
    fs.set_xattr(&ROOT, node, FINDER, &info, Create).unwrap();
    assert_eq!((get(), names(&fs)), (Ok(info.to_vec()), vec!["com.apple.FinderInfo".to_owned()]));
    let short = fs.set_xattr(&ROOT, node, FINDER, &info[..31], Set);
    assert_eq!(short, Err(Error::Invalid("com.apple.FinderInfo has 32 bytes")));
    fs.set_xattr(&ROOT, node, FINDER, &[0; 32], Set).unwrap();
    assert_eq!((get(), names(&fs)), (Err(Error::NoAttribute), vec![]));
    assert_eq!(fs.remove_xattr(&ROOT, node, FINDER), Err(Error::NoAttribute));
}

#[test]
fn the_invisible_bit_of_finder_info_is_the_hidden_flag() {
    let (fs, node) = with_file();
    let mut info = [0; 32];
    info[8] = 0x40;
    fs.set_xattr(&ROOT, node, FINDER, &info, Set).unwrap();
    assert_eq!(fs.mac_info(node).unwrap().flags, UF_HIDDEN);
    chflags(&fs, &ROOT, node, 0).unwrap();
    assert_eq!(fs.get_xattr(&ROOT, node, FINDER), Err(Error::NoAttribute));
    chflags(&fs, &ROOT, node, UF_HIDDEN).unwrap();
    assert_eq!(fs.get_xattr(&ROOT, node, FINDER).unwrap()[..], info);
    assert_eq!(names(&fs), ["com.apple.FinderInfo"]);
    fs.remove_xattr(&ROOT, node, FINDER).unwrap();
    assert_eq!(fs.mac_info(node).unwrap().flags, 0);
}

#[test]
fn the_resource_fork_is_a_named_stream_and_an_extended_attribute() {
    let (fs, node) = with_file();
    assert_eq!(fs.get_xattr(&ROOT, node, FORK), Err(Error::NoAttribute));
    assert_eq!(fs.set_xattr(&ROOT, node, FORK, b"fork", Replace), Err(Error::NoAttribute));
    // Larger than any extended attribute.
    let large = vec![9; 200_000];
    fs.set_xattr(&ROOT, node, FORK, &large, Create).unwrap();
    assert_eq!(names(&fs), ["com.apple.ResourceFork"]);
    let handle = fs.open_stream(&ROOT, node, FORK, BOTH, false).unwrap();
    fs.put(handle, 1, b"\0");
    assert_eq!(fs.get(handle, 0, 3), [9, 0, 9]);
    fs.set_xattr(&ROOT, node, FORK, b"short", Set).unwrap();
    assert_eq!(fs.get(handle, 0, 99), b"short");
    assert_eq!(fs.list_streams(node).unwrap()[0].size, 5);
    fs.remove_xattr(&ROOT, node, FORK).unwrap();
    assert_eq!((names(&fs).len(), fs.list_streams(node).unwrap().len()), (0, 0));
    assert_eq!(fs.remove_xattr(&ROOT, node, FORK), Err(Error::NoAttribute));
    assert_eq!(fs.get(handle, 0, 99), b"short", "whoever has it open keeps it");
}

#[test]
fn a_resource_fork_larger_than_any_extended_attribute_is_read_by_position_only() {
    let (fs, node) = with_file();
    fs.set_xattr(&ROOT, node, FORK, &[9; 65_536], Create).unwrap();
    assert_eq!(fs.get_xattr(&ROOT, node, FORK).unwrap()[..], [9; 65_536]);
    for end in [65_536, 10 << 30] {
        fs.write_xattr(&ROOT, node, FORK, end, b"end", Set).unwrap();
        assert_eq!(fs.get_xattr(&ROOT, node, FORK), Err(Error::ValueTooLarge));
        let mut buffer = [0; 4];
        assert_eq!((fs.read_xattr(&ROOT, node, FORK, end, &mut buffer), &buffer), (Ok(3), b"end\0"));
    }
    assert_eq!(names(&fs), ["com.apple.ResourceFork"]);
}

#[test]
fn the_resource_fork_is_read_and_written_from_a_position() {
    let (fs, node) = with_file();
    let mut buffer = [0; 4];
    fs.chmod("file", 0o644);
    fs.write_xattr(&ROOT, node, FORK, 3, b"def", Create).unwrap();
    fs.write_xattr(&ROOT, node, FORK, 0, b"abc", Replace).unwrap();
    assert_eq!(fs.write_xattr(&ROOT, node, FORK, 0, b"abc", Create), Err(Error::Exists));
    assert_eq!((fs.read_xattr(&ROOT, node, FORK, 1, &mut buffer), &buffer), (Ok(4), b"bcde"));
    assert_eq!(fs.read_xattr(&ROOT, node, FORK, 4, &mut buffer), Ok(2));
    assert_eq!(fs.read_xattr(&ROOT, node, FORK, 6, &mut buffer), Ok(0));
    let refused = Error::Invalid("only the resource fork has positions");
    assert_eq!(fs.write_xattr(&ROOT, node, b"user.a", 1, b"x", Set), Err(refused.clone()));
    fs.write_xattr(&ROOT, node, b"user.a", 0, b"12345", Set).unwrap();
    assert_eq!(fs.read_xattr(&ROOT, node, b"user.a", 1, &mut buffer), Err(refused));
    assert_eq!(fs.read_xattr(&ROOT, node, b"user.a", 0, &mut buffer), Err(Error::BufferTooSmall));
    assert_eq!(fs.read_xattr(&ROOT, node, b"user.a", 0, &mut [0; 9]), Ok(5));
    assert_eq!(fs.write_xattr(&user(8, 8), node, FORK, 0, b"x", Set), Err(Error::AccessDenied));
}

#[test]
fn directories_have_no_resource_fork() {
    let (fs, _) = mac();
    fs.mkdir_p("dir");
    assert_eq!(fs.set_xattr(&ROOT, fs.node("dir"), FORK, b"x", Set), Err(Error::NotPermitted));
}

#[test]
fn elsewhere_these_are_extended_attributes_as_any_other() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let node = fs.node("file");
    fs.set_xattr(&ROOT, node, FORK, b"fork", Set).unwrap();
    fs.set_xattr(&ROOT, node, FINDER, b"short", Set).unwrap();
    assert_eq!((names(&fs).len(), fs.list_streams(node).unwrap().len()), (2, 0));
}

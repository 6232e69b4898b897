//! What a volume says of itself: label, serial number, birth, space, and what it can do.

use std::time::Duration;

use bough::{
    Capabilities, Changes, Config, Error, Event, EventKind, ListOptions, NamePolicy, NewNode, Next, NodeId,
    OpenOptions, RefId, Time, ViewOptions, Volume, Watch, WriteAt, XattrMode,
};

use crate::support::*;

fn label_of(fs: &Fs) -> Vec<u8> {
    fs.volume_info().label.to_vec()
}

#[test]
fn a_volume_is_labelled_by_its_name_until_it_gets_a_label() {
    let fs = Fs::of(Config { name: "größe".into(), ..Config::default() });
    assert_eq!(label_of(&fs), "größe".as_bytes());
    fs.set_label(&ROOT, "Größer".as_bytes()).unwrap();
    assert_eq!(label_of(&fs), "Größer".as_bytes());
    let long = Fs::of(Config { name: "🌲".repeat(40), ..Config::default() });
    assert_eq!(label_of(&long), "🌲".repeat(16).as_bytes(), "32 UTF-16 units, which every system takes");
    let given = Fs::of(Config { label: Some(b"given".to_vec()), ..Config::default() });
    assert_eq!(label_of(&given), b"given");
}

#[test]
fn a_label_has_up_to_32_utf16_units_with_windows_names_and_255_bytes_otherwise() {
    let windows = Fs::of(Config { names: NamePolicy::Windows, ..Config::default() });
    assert_eq!(windows.set_label(&ROOT, "名".repeat(32).as_bytes()), Ok(()));
    assert_eq!(windows.set_label(&ROOT, "名".repeat(33).as_bytes()), Err(Error::NameTooLong));
    let posix = Fs::new();
    assert_eq!(posix.set_label(&ROOT, &[b'x'; 255]), Ok(()));
    assert_eq!(posix.set_label(&ROOT, &[b'x'; 256]), Err(Error::NameTooLong));
    assert_eq!(posix.set_label(&ROOT, b""), Ok(()));
    assert!(matches!(posix.set_label(&ROOT, b"a\0b"), Err(Error::BadName(_))));
    assert_eq!(posix.set_label(&ROOT, b"\xff"), Err(Error::BadUtf8));
    assert_eq!(posix.set_label(&ROOT, b"\xED\xA0\x80"), Ok(()), "an unpaired surrogate survives");
    let refused = Volume::open(Config { label: Some(vec![b'x'; 256]), ..Config::default() });
    assert_eq!(refused.err(), Some(Error::NameTooLong));
}

#[test]
fn the_owner_and_administrators_set_the_label_where_the_view_may_change_something() {
    let fs = Fs::of(Config { root_uid: 7, root_mode: 0o777, ..Config::default() });
    assert_eq!(fs.set_label(&user(7, 7), b"owner"), Ok(()));
    assert_eq!(fs.set_label(&user(8, 7), b"stranger"), Err(Error::NotPermitted));
    assert_eq!(fs.frozen("s").set_label(&ROOT, b"frozen"), Err(Error::ReadOnly));
    assert_eq!(label_of(&fs), b"owner");
}

#[test]
fn every_view_shows_the_new_label_and_every_branch_in_view_is_told_once() {
    let fs = Fs::new();
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    let second = fs.view_of(fs.main());
    let watches = [fs.watch(Watch::default()).unwrap(), branch.watch(Watch::default()).unwrap()];
    let others = fs.watch(Watch { others_only: true, paths: true, ..Watch::default() }).unwrap();
    let deaf = fs.watch(Watch { filter: Changes::FILE_NAME, ..Watch::default() }).unwrap();
    fs.set_label(&ROOT, b"new").unwrap();
    assert_eq!((&*branch.volume_info().label, &*second.volume_info().label), (&b"new"[..], &b"new"[..]));
    for watch in &watches {
        let Next::Event(Event { kind, new_name, origin, .. }) = watch.next(Duration::ZERO) else { panic!("not told") };
        assert_eq!((kind, &*new_name, origin), (EventKind::Label, &b"new"[..], fs.id()));
        assert_eq!(watch.next(Duration::ZERO), Next::Timeout);
    }
    assert_eq!((others.next(Duration::ZERO), deaf.next(Duration::ZERO)), (Next::Timeout, Next::Timeout));
}

#[test]
fn id_serial_and_birth_are_the_volumes_own_and_stay() {
    let (fs, hand) = Fs::with_clock();
    let info = fs.volume_info();
    assert_eq!(info.created, Time::new(1000, 0));
    hand.forward(5);
    let later = fs.view_of(fs.main()).volume_info();
    assert_eq!((later.id, later.serial, later.created), (info.id, info.serial, info.created));
    assert!(info.serial != 0 && info.id != Fs::new().volume_info().id);
    let id = Some([7; 16]);
    let given = |id| Fs::of(Config { id, ..Config::default() }).volume_info();
    assert_eq!((given(id).id, given(id).serial), ([7; 16], given(id).serial));
}

#[test]
fn space_is_that_of_statfs() {
    let fs = Fs::of(Config { memory_bytes: Some(4 << 20), root_mode: 0o777, ..Config::default() });
    let before = fs.volume_info();
    fs.write_file("file", vec![1; 1 << 20]);
    let (after, space) = (fs.volume_info(), fs.fs_stats());
    assert!(before.free_bytes - after.free_bytes >= 1 << 20);
    assert_eq!(after.total_bytes, space.blocks * u64::from(space.block_bytes));
    assert_eq!(after.free_bytes, space.blocks_free * u64::from(space.block_bytes));
}

/// Whether a volume does what a capability says, tried.
fn does(fs: &Fs, capability: Capabilities) -> bool {
    fs.write_file("Try", "content");
    let node = fs.node("Try");
    let both = OpenOptions { read: true, write: true, ..OpenOptions::default() };
    let answer = match capability {
        Capabilities::CASE_SENSITIVE => !fs.exists("tRY"),
        Capabilities::CASE_PRESERVED => fs.names("/") == ["Try"],
        Capabilities::UNICODE => fs.make(&ROOT, NodeId::ROOT, b"\xff", 0, NewNode::File).is_err(),
        Capabilities::NORMALIZATION_INSENSITIVE => {
            fs.write_file("\u{e9}", "");
            fs.exists("e\u{301}")
        }
        Capabilities::NAMED_STREAMS => fs.open_stream(&ROOT, node, b"s", both, true).is_ok(),
        Capabilities::XATTRS => fs.path_set_xattr(&ROOT, at("Try"), b"user.x", b"", XattrMode::Set).is_ok(),
        Capabilities::SYMLINKS => fs.path_make(&ROOT, at("link"), 0, NewNode::Symlink(b"Try")).is_ok(),
        Capabilities::HARD_LINKS => fs.path_link(&ROOT, at("Try"), at("second")).is_ok(),
        Capabilities::SPARSE_FILES => {
            fs.truncate("Try", 1 << 30);
            fs.stat("Try").allocated < 1 << 20
        }
        Capabilities::ZERO_RUNS => {
            fs.truncate("Try", 1 << 20);
            fs.read_file("Try")[7..].iter().all(|&byte| byte == 0)
        }
        Capabilities::POSIX_UNLINK_RENAME => {
            let handle = fs.open("Try", both);
            fs.path_unlink(&ROOT, at("Try")).is_ok() && fs.get(handle, 0, 7) == b"content"
        }
        Capabilities::LARGE_FILES => {
            let handle = fs.open("Try", both);
            fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(3 << 40), b"x") == Ok(1)
        }
        Capabilities::PERSISTENT_IDS => fs.stat("Try").inode == fs.frozen("s").stat("Try").inode,
        Capabilities::HIDDEN_FILES => {
            fs.set_flags("Try", bough::flags::HIDDEN);
            fs.stat("Try").flags & bough::flags::HIDDEN != 0
        }
        Capabilities::IMMUTABLE_FILES => {
            fs.set_flags("Try", bough::flags::IMMUTABLE);
            fs.path_unlink(&ROOT, at("Try")).is_err()
        }
        Capabilities::SETTABLE_PERMISSIONS => {
            fs.chmod("Try", 0o123);
            fs.stat("Try").mode == 0o123
        }
        _ => panic!("not tried here"),
    };
    fs.list(&ROOT, NodeId::ROOT, None, 0, ListOptions::default(), &mut |_| true).unwrap();
    answer
}

#[test]
fn capabilities_tell_the_truth() {
    let tried = [
        Capabilities::CASE_SENSITIVE,
        Capabilities::CASE_PRESERVED,
        Capabilities::UNICODE,
        Capabilities::NORMALIZATION_INSENSITIVE,
        Capabilities::NAMED_STREAMS,
        Capabilities::XATTRS,
        Capabilities::SYMLINKS,
        Capabilities::HARD_LINKS,
        Capabilities::SPARSE_FILES,
        Capabilities::ZERO_RUNS,
        Capabilities::POSIX_UNLINK_RENAME,
        Capabilities::LARGE_FILES,
        Capabilities::PERSISTENT_IDS,
        Capabilities::HIDDEN_FILES,
        Capabilities::IMMUTABLE_FILES,
        Capabilities::SETTABLE_PERMISSIONS,
    ];
    for names in [NamePolicy::Posix, NamePolicy::PosixCaseInsensitive, NamePolicy::Windows, NamePolicy::MacOs] {
        for capability in tried {
            let fs = Fs::of(Config { names, root_mode: 0o777, memory_bytes: Some(1 << 30), ..Config::default() });
            let told = fs.volume_info().capabilities.has(capability);
            assert_eq!(told, does(&fs, capability), "{capability:?} with {names:?}");
        }
    }
}

#[test]
fn a_view_that_refuses_changes_says_so_and_windows_is_told_by_its_own_flags() {
    let fs = Fs::new();
    let read_only = |info: bough::VolumeInfo| info.capabilities.has(Capabilities::READ_ONLY);
    let options = ViewOptions { read_only: true, ..ViewOptions::default() };
    assert!(!read_only(fs.volume_info()) && read_only(fs.frozen("s").volume_info()));
    let closed = fs.volume.view(fs.main(), "ro", options).unwrap();
    assert!(read_only(closed.volume_info()));
    let flags = |fs: &Fs| fs.volume_info().capabilities.windows_flags();
    let windows = Fs::of(Config { names: NamePolicy::Windows, ..Config::default() });
    assert_eq!((flags(&fs) & 0x7, flags(&windows) & 0x7), (0x1 | 0x2, 0x2 | 0x4));
    let all = 0x8 | 0x40 | 0x80 | 0x400 | 0x4_0000 | 0x40_0000 | 0x80_0000 | 0x800_0000;
    assert_eq!(flags(&windows) & !0x7, all);
    assert_eq!(closed.volume_info().capabilities.windows_flags() & 0x8_0000, 0x8_0000);
    windows.volume.latch_read_only();
    assert!(read_only(windows.volume_info()), "latched");
}

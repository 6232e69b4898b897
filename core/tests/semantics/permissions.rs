//! Who may: mode bits, owners, groups, privileges, set-id and sticky bits, umask, flags.

use bough::{
    Error, Mask, NewNode, NodeId, OpenOptions, Privileges, RenameMode, SetAttr, SetTime, Time, WriteAt, flags,
};

use crate::support::*;

const NONE: SetAttr = SetAttr {
    mode: None,
    uid: None,
    gid: None,
    size: None,
    accessed: None,
    modified: None,
    changed: None,
    born: None,
    flags: None,
};
const OWNER: u32 = 10;
const GROUP: u32 = 20;

/// A file of OWNER and GROUP with this mode.
fn file(fs: &Fs, mode: u32) {
    if !fs.exists("file") {
        fs.write_file("file", "x");
        fs.chown("file", OWNER, GROUP);
    }
    fs.chmod("file", mode);
}

fn dir(fs: &Fs, path: &str, uid: u32, gid: u32, mode: u32) {
    fs.mkdir_p(path);
    fs.chown(path, uid, gid);
    fs.chmod(path, mode);
}

#[test]
fn the_first_class_that_a_caller_is_in_decides() {
    let fs = Fs::new();
    let groups = [GROUP];
    let (owner, member, supplementary, other) = (user(OWNER, 1), user(1, GROUP), member(1, 1, &groups), user(1, 1));
    let table = [
        (0o700, [true, false, false, false]),
        (0o070, [false, true, true, false]),
        (0o007, [false, false, false, true]),
        (0o770, [true, true, true, false]),
    ];
    for (mode, allowed) in table {
        file(&fs, mode);
        for (caller, allowed) in [owner, member, supplementary, other].iter().zip(allowed) {
            for want in [Mask::READ, Mask::WRITE, Mask::EXECUTE, Mask::READ.with(Mask::WRITE).with(Mask::EXECUTE)] {
                let expected = if allowed { Ok(()) } else { Err(Error::AccessDenied) };
                assert_eq!(fs.path_access(caller, at("file"), want), expected, "{mode:o} {caller:?} {want:?}");
            }
            assert_eq!(fs.path_access(caller, at("file"), Mask::NONE), Ok(()));
        }
    }
}

#[test]
fn opening_asks_for_what_the_handle_may_do() {
    let fs = Fs::new();
    let other = user(1, 1);
    let open = |options| fs.path_open(&other, at("file"), options, None).map(|handle| fs.release(handle).unwrap());
    file(&fs, 0o004);
    assert_eq!((open(READ), open(WRITE), open(BOTH)), (Ok(()), Err(Error::AccessDenied), Err(Error::AccessDenied)));
    let truncating = OpenOptions { truncate: true, ..READ };
    assert_eq!(open(truncating), Err(Error::AccessDenied));
    assert_eq!(fs.read_text("file"), "x");
    file(&fs, 0o002);
    assert_eq!((open(READ), open(WRITE), open(APPEND)), (Err(Error::AccessDenied), Ok(()), Ok(())));
}

#[test]
fn a_handle_keeps_what_it_was_opened_for() {
    let fs = Fs::new();
    file(&fs, 0o600);
    let owner = user(OWNER, GROUP);
    let handle = fs.path_open(&owner, at("file"), BOTH, None).unwrap();
    fs.chmod("file", 0);
    assert_eq!(fs.write(&owner, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"y"), Ok(1));
    assert_eq!(fs.read(&owner, NodeId::ROOT, Some(handle), 0, &mut [0; 4]), Ok(1));
    let set = SetAttr { size: Some(0), ..NONE };
    assert!(fs.set_attr(&owner, NodeId::ROOT, Some(handle), &set).is_ok(), "ftruncate");
    assert_eq!(fs.path_set_attr(&owner, at("file"), &set), Err(Error::AccessDenied), "truncate");
}

#[test]
fn a_creator_may_write_what_the_mode_forbids() {
    let fs = Fs::new();
    let caller = user(1, 1);
    let handle = fs.path_open(&caller, at("new"), WRITE, Some(0o444)).unwrap();
    assert_eq!(fs.write(&caller, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"y"), Ok(1));
    assert_eq!(fs.path_open(&caller, at("new"), WRITE, Some(0o666)), Err(Error::AccessDenied));
}

#[test]
fn without_a_handle_content_is_checked_at_every_call() {
    let fs = Fs::new();
    file(&fs, 0o400);
    let (node, owner) = (fs.node("file"), user(OWNER, GROUP));
    assert_eq!(fs.read(&owner, node, None, 0, &mut [0; 4]), Ok(1));
    assert_eq!(fs.write(&owner, node, None, WriteAt::Offset(0), b"y"), Err(Error::AccessDenied));
    assert_eq!(fs.read(&user(1, 1), node, None, 0, &mut [0; 4]), Err(Error::AccessDenied));
}

#[test]
fn every_directory_of_a_path_must_be_searchable() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/b/file", "x");
    let caller = user(1, 1);
    assert!(fs.path_read(&caller, at("a/b/file")).is_ok());
    fs.chmod("a", 0o644);
    assert_eq!(fs.path_read(&caller, at("a/b/file")), Err(Error::AccessDenied));
    assert_eq!(fs.path_attr(&caller, at("a/b")), Err(Error::AccessDenied));
    assert_eq!(fs.path_attr(&caller, at("a/none")), Err(Error::AccessDenied), "nor is told what is not there");
    assert_eq!(fs.path_rename(&caller, at("a/none"), at("x"), RenameMode::Replace), Err(Error::AccessDenied));
    assert_eq!(fs.path_unlink(&caller, at("a/none")), Err(Error::AccessDenied));
    fs.chmod("a", 0o711);
    assert!(fs.path_read(&caller, at("a/b/file")).is_ok(), "searching needs no reading");
}

#[test]
fn listing_needs_read_permission_and_opening_for_it_too() {
    let fs = Fs::new();
    dir(&fs, "dir", OWNER, GROUP, 0o711);
    let (node, caller) = (fs.node("dir"), user(1, 1));
    let list = |handle| fs.list(&caller, node, handle, 0, Default::default(), &mut |_| true);
    assert_eq!(list(None), Err(Error::AccessDenied));
    assert_eq!(fs.open_node(&caller, node, READ), Err(Error::AccessDenied));
    fs.chmod("dir", 0o744);
    let handle = fs.open_node(&caller, node, READ).unwrap();
    fs.chmod("dir", 0o700);
    assert_eq!(list(Some(handle)), Ok(()));
}

#[test]
fn entries_come_and_go_with_write_and_search_permission_on_the_directory() {
    let fs = Fs::new();
    for mode in [0o775, 0o771, 0o776] {
        dir(&fs, "dir", OWNER, GROUP, 0o777);
        fs.write_file("dir/old", "");
        dir(&fs, "dir", OWNER, GROUP, mode);
        let caller = user(1, 1);
        let denied = Err(Error::AccessDenied);
        assert_eq!(fs.path_make(&caller, at("dir/new"), 0o644, NewNode::File).map(drop), denied, "{mode:o}");
        assert_eq!(fs.path_unlink(&caller, at("dir/old")), denied, "{mode:o}");
        assert_eq!(fs.path_rename(&caller, at("dir/old"), at("x"), RenameMode::Replace), denied, "{mode:o}");
        fs.write_file("mine", "");
        assert_eq!(fs.path_rename(&caller, at("mine"), at("dir/x"), RenameMode::Replace), denied, "{mode:o}");
        assert_eq!(fs.path_link(&caller, at("mine"), at("dir/x")).map(drop), denied, "{mode:o}");
    }
}

#[test]
fn removing_a_file_asks_nothing_of_the_file() {
    let fs = Fs::new();
    file(&fs, 0);
    assert_eq!(fs.path_unlink(&user(1, 1), at("file")), Ok(()));
}

#[test]
fn in_a_sticky_directory_only_owners_remove_and_rename() {
    let fs = Fs::new();
    dir(&fs, "tmp", OWNER, GROUP, 0o1777);
    let (mine, stranger, dir_owner) = (user(1, 1), user(2, 2), user(OWNER, 1));
    let make = |name| fs.path_make(&mine, at(name), 0o666, NewNode::File).map(drop).unwrap();
    let denied = Err(Error::NotPermitted);
    make("tmp/file");
    fs.path_make(&stranger, at("tmp/theirs"), 0o666, NewNode::File).unwrap();
    assert_eq!(fs.path_unlink(&stranger, at("tmp/file")), denied);
    assert_eq!(fs.path_rename(&stranger, at("tmp/file"), at("tmp/x"), RenameMode::Replace), denied);
    assert_eq!(fs.path_rename(&stranger, at("tmp/theirs"), at("tmp/file"), RenameMode::Replace), denied, "replaces");
    assert_eq!(fs.path_rename(&stranger, at("tmp/theirs"), at("tmp/file"), RenameMode::Exchange), denied);
    fs.path_make(&mine, at("tmp/sub"), 0o777, NewNode::Directory).unwrap();
    assert_eq!(fs.path_rmdir(&stranger, at("tmp/sub")), denied);
    assert_eq!(fs.path_rename(&mine, at("tmp/file"), at("tmp/mine"), RenameMode::Replace), Ok(()));
    assert_eq!(fs.path_unlink(&mine, at("tmp/mine")), Ok(()));
    make("tmp/again");
    assert_eq!(fs.path_unlink(&dir_owner, at("tmp/again")), Ok(()), "the directory's owner may");
    make("tmp/again");
    assert_eq!(fs.path_unlink(&privileged(3, 3, Privileges::OWNER), at("tmp/again")), Ok(()));
}

#[test]
fn the_umask_takes_bits_from_new_files_and_directories() {
    let fs = Fs::new();
    for (umask, file, directory) in [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0, 0o666, 0o777)] {
        let caller = bough::Caller { umask, ..user(1, 1) };
        let made = fs.path_make(&caller, at("file"), 0o666, NewNode::File).unwrap();
        let dir = fs.path_make(&caller, at("dir"), 0o777, NewNode::Directory).unwrap();
        let link = fs.path_make(&caller, at("link"), 0, NewNode::Symlink(b"x")).unwrap();
        assert_eq!((made.mode, dir.mode, link.mode), (file, directory, 0o777));
        assert_eq!((made.uid, made.gid), (1, 1));
        for name in ["file", "link"] {
            fs.remove_file(name);
        }
        fs.remove_dir("dir");
    }
    let handle = fs.path_open(&user(1, 1), at("opened"), WRITE, Some(0o777)).unwrap();
    assert_eq!(fs.stat("opened").mode, 0o755);
    fs.release(handle).unwrap();
}

#[test]
fn new_entries_of_a_setgid_directory_take_its_group() {
    let fs = Fs::new();
    dir(&fs, "dir", OWNER, GROUP, 0o2777);
    let caller = user(1, 1);
    let made = fs.path_make(&caller, at("dir/file"), 0o644, NewNode::File).unwrap();
    assert_eq!((made.uid, made.gid, made.mode), (1, GROUP, 0o644));
    let sub = fs.path_make(&caller, at("dir/sub"), 0o755, NewNode::Directory).unwrap();
    assert_eq!((sub.gid, sub.mode), (GROUP, 0o2755), "and directories the bit");
    let link = fs.path_make(&caller, at("dir/link"), 0, NewNode::Symlink(b"x")).unwrap();
    assert_eq!(link.gid, GROUP);
    let program = fs.path_make(&caller, at("dir/program"), 0o2755, NewNode::File).unwrap();
    assert_eq!(program.mode, 0o755, "the group's rights are not handed out");
    let member = fs.path_make(&user(1, GROUP), at("dir/members"), 0o2755, NewNode::File).unwrap();
    assert_eq!(member.mode, 0o2755);
}

#[test]
fn only_the_owner_and_the_privileged_change_the_mode() {
    let fs = Fs::new();
    file(&fs, 0o666);
    let set = SetAttr { mode: Some(0o600), ..NONE };
    for caller in [user(1, GROUP), privileged(1, 1, Privileges::DAC_OVERRIDE), privileged(1, 1, Privileges::CHOWN)] {
        assert_eq!(fs.path_set_attr(&caller, at("file"), &set), Err(Error::NotPermitted));
    }
    for caller in [user(OWNER, 1), privileged(1, 1, Privileges::OWNER), ROOT] {
        assert!(fs.path_set_attr(&caller, at("file"), &set).is_ok());
    }
}

#[test]
fn chmod_by_an_owner_outside_the_group_drops_setgid() {
    let fs = Fs::new();
    file(&fs, 0o755);
    let set = SetAttr { mode: Some(0o6755), ..NONE };
    assert_eq!(fs.path_set_attr(&user(OWNER, 1), at("file"), &set).unwrap().mode, 0o4755);
    let groups = [GROUP];
    assert_eq!(fs.path_set_attr(&member(OWNER, 1, &groups), at("file"), &set).unwrap().mode, 0o6755);
}

#[test]
fn owners_give_files_to_groups_they_are_in_and_only_privilege_gives_them_away() {
    let fs = Fs::new();
    file(&fs, 0o644);
    let groups = [30];
    let owner = member(OWNER, GROUP, &groups);
    let set = |caller: &_, uid, gid| fs.path_set_attr(caller, at("file"), &SetAttr { uid, gid, ..NONE }).map(drop);
    let denied = Err(Error::NotPermitted);
    assert_eq!(set(&owner, Some(1), None), denied);
    assert_eq!(set(&owner, None, Some(99)), denied);
    assert_eq!(set(&owner, Some(OWNER), Some(30)), Ok(()));
    assert_eq!(set(&owner, None, Some(GROUP)), Ok(()));
    assert_eq!(set(&user(1, GROUP), None, Some(GROUP)), denied);
    assert_eq!(set(&privileged(1, 1, Privileges::OWNER), Some(1), None), denied);
    assert_eq!(set(&privileged(1, 1, Privileges::CHOWN), Some(1), Some(99)), Ok(()));
    assert_eq!((fs.stat("file").uid, fs.stat("file").gid), (1, 99));
}

#[test]
fn a_change_of_owner_takes_setuid_and_setgid() {
    let fs = Fs::new();
    for (mode, after) in [(0o6755, 0o755), (0o6745, 0o2745), (0o4711, 0o711), (0o1644, 0o1644)] {
        file(&fs, mode);
        fs.set("file", SetAttr { uid: Some(OWNER), ..NONE });
        assert_eq!(fs.stat("file").mode, after, "{mode:o} by the superuser as well");
    }
    dir(&fs, "dir", 0, 0, 0o6755);
    fs.set("dir", SetAttr { uid: Some(OWNER), ..NONE });
    assert_eq!(fs.stat("dir").mode, 0o6755, "a directory keeps them");
}

#[test]
fn a_change_of_content_takes_setuid_and_setgid_from_the_unprivileged() {
    let fs = Fs::new();
    let owner = user(OWNER, GROUP);
    let write = |caller: &bough::Caller<'_>| fs.path_write(caller, at("file"), b"new").unwrap();
    for (mode, after) in [(0o6777, 0o777), (0o6767, 0o2767), (0o4777, 0o777)] {
        file(&fs, mode);
        write(&owner);
        assert_eq!(fs.stat("file").mode, after, "{mode:o}");
    }
    file(&fs, 0o6777);
    fs.path_set_attr(&owner, at("file"), &SetAttr { size: Some(1), ..NONE }).unwrap();
    assert_eq!(fs.stat("file").mode, 0o777, "truncation");
    file(&fs, 0o6777);
    let handle = fs.path_open(&owner, at("file"), WRITE, None).unwrap();
    let reserve = bough::Allocation::Reserve { keep_size: false };
    fs.allocate(&owner, NodeId::ROOT, Some(handle), 0, 10, reserve).unwrap();
    assert_eq!(fs.stat("file").mode, 0o777, "allocation");
    file(&fs, 0o6777);
    write(&privileged(1, 1, Privileges::KEEP_SETID));
    assert_eq!(fs.stat("file").mode, 0o6777);
}

#[test]
fn times_are_set_by_owners_and_touched_by_writers() {
    let fs = Fs::new();
    file(&fs, 0o666);
    let both = |time| SetAttr { accessed: Some(time), modified: Some(time), ..NONE };
    let past = SetTime::At(Time(5));
    let (owner, writer) = (user(OWNER, 1), user(1, 1));
    assert!(fs.path_set_attr(&owner, at("file"), &both(past)).is_ok());
    assert!(fs.path_set_attr(&writer, at("file"), &both(SetTime::Now)).is_ok());
    assert_eq!(fs.path_set_attr(&writer, at("file"), &both(past)), Err(Error::NotPermitted));
    let one = SetAttr { accessed: Some(SetTime::Now), ..NONE };
    assert_eq!(fs.path_set_attr(&writer, at("file"), &one), Err(Error::NotPermitted), "one of them is not touching");
    assert!(fs.path_set_attr(&owner, at("file"), &one).is_ok());
    fs.chmod("file", 0o444);
    assert_eq!(fs.path_set_attr(&writer, at("file"), &both(SetTime::Now)), Err(Error::AccessDenied));
    assert!(fs.path_set_attr(&owner, at("file"), &both(SetTime::Now)).is_ok(), "an owner needs no write permission");
}

#[test]
fn privileges_override_as_capabilities_do() {
    let fs = Fs::new();
    file(&fs, 0);
    let access = |privileges, want| fs.path_access(&privileged(1, 1, privileges), at("file"), want);
    let denied = Err(Error::AccessDenied);
    assert_eq!(access(Privileges::DAC_OVERRIDE, Mask::READ.with(Mask::WRITE)), Ok(()));
    assert_eq!(access(Privileges::DAC_OVERRIDE, Mask::EXECUTE), denied, "nobody may execute it");
    assert_eq!(access(Privileges::DAC_READ_SEARCH, Mask::READ), Ok(()));
    assert_eq!(access(Privileges::DAC_READ_SEARCH, Mask::WRITE), denied);
    assert_eq!(access(Privileges::CHECKED, Mask::READ.with(Mask::WRITE).with(Mask::EXECUTE)), Ok(()));
    assert_eq!(fs.path_access(&ROOT, at("file"), Mask::EXECUTE), denied);
    fs.chmod("file", 0o001);
    assert_eq!(access(Privileges::DAC_OVERRIDE, Mask::EXECUTE), Ok(()));
}

#[test]
fn what_a_host_has_checked_is_not_checked_twice() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.chmod("dir", 0);
    let checked = privileged(1, 1, Privileges::CHECKED);
    assert!(fs.path_make(&checked, at("dir/file"), 0o600, NewNode::File).is_ok());
    assert!(fs.path_set_attr(&checked, at("dir"), &SetAttr { mode: Some(0o1000), ..NONE }).is_ok());
    assert_eq!(fs.path_unlink(&checked, at("dir/file")), Ok(()));
}

#[test]
fn an_immutable_file_changes_in_nothing() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let before_open = fs.open("file", WRITE);
    fs.set_flags("file", flags::IMMUTABLE);
    let denied = Error::NotPermitted;
    assert_eq!(fs.path_open(&ROOT, at("file"), WRITE, None), Err(denied.clone()));
    assert_eq!(fs.path_open(&ROOT, at("file"), APPEND, None), Err(denied.clone()));
    let write = |at| fs.write(&ROOT, NodeId::ROOT, Some(before_open), at, b"y");
    assert_eq!((write(WriteAt::Offset(0)), write(WriteAt::End)), (Err(denied.clone()), Err(denied.clone())));
    assert_eq!(fs.path_unlink(&ROOT, at("file")), Err(denied.clone()));
    assert_eq!(fs.move_as("file", "x", RenameMode::Replace), Err(denied.clone()));
    fs.write_file("other", "");
    assert_eq!(fs.move_as("other", "file", RenameMode::Replace), Err(denied.clone()));
    assert_eq!(fs.path_link(&ROOT, at("file"), at("x")), Err(denied.clone()));
    let touch = SetAttr { accessed: Some(SetTime::Now), modified: Some(SetTime::Now), ..NONE };
    for set in [SetAttr { mode: Some(0), ..NONE }, SetAttr { size: Some(0), ..NONE }, touch] {
        assert_eq!(fs.path_set_attr(&ROOT, at("file"), &set), Err(denied.clone()), "{set:?}");
    }
    let xattr = fs.path_set_xattr(&ROOT, at("file"), b"user.x", b"", bough::XattrMode::Set);
    assert_eq!(xattr, Err(denied.clone()));
    assert_eq!(fs.path_access(&ROOT, at("file"), Mask::WRITE), Err(denied));
    assert_eq!(fs.read_text("file"), "x");
    fs.set_flags("file", 0);
    assert_eq!(write(WriteAt::End), Ok(1));
}

#[test]
fn an_immutable_directory_keeps_its_entries() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "x");
    fs.set_flags("dir", flags::IMMUTABLE);
    let denied = Err(Error::NotPermitted);
    assert_eq!(fs.path_make(&ROOT, at("dir/new"), 0, NewNode::File).map(drop), denied);
    assert_eq!(fs.path_unlink(&ROOT, at("dir/file")), denied);
    assert_eq!(fs.move_as("dir/file", "x", RenameMode::Replace), denied);
    fs.write_file("dir/file", "y");
    assert_eq!(fs.path_rmdir(&ROOT, at("dir")), denied);
}

#[test]
fn an_append_only_file_only_grows() {
    let fs = Fs::new();
    fs.write_file("file", "one");
    fs.set_flags("file", flags::APPEND);
    let denied = Err(Error::NotPermitted);
    assert_eq!(fs.path_open(&ROOT, at("file"), WRITE, None).map(drop), denied);
    let truncating = OpenOptions { truncate: true, ..APPEND };
    assert_eq!(fs.path_open(&ROOT, at("file"), truncating, None).map(drop), denied);
    let handle = fs.open("file", APPEND);
    fs.put(handle, 0, " two");
    assert_eq!(fs.read_text("file"), "one two");
    for set in [SetAttr { size: Some(0), ..NONE }, SetAttr { mode: Some(0), ..NONE }] {
        assert_eq!(fs.path_set_attr(&ROOT, at("file"), &set).map(drop), denied, "{set:?}");
    }
    assert_eq!(fs.path_unlink(&ROOT, at("file")), denied);
    assert_eq!(fs.move_as("file", "x", RenameMode::Replace), denied);
    assert_eq!(fs.path_link(&ROOT, at("file"), at("x")).map(drop), denied);
    assert_eq!(fs.allocate(&ROOT, NodeId::ROOT, Some(handle), 0, 2, bough::Allocation::Punch), denied);
    let before = fs.stat("file");
    let zero = bough::Allocation::Zero { keep_size: false };
    // More than is set aside in one step.
    assert_eq!(fs.allocate(&ROOT, NodeId::ROOT, Some(handle), 0, 300 << 20, zero), denied);
    assert_eq!(fs.stat("file"), before, "not even begun");
}

#[test]
fn an_append_only_file_takes_whole_pages_written_back_if_they_only_append() {
    let fs = Fs::new();
    fs.write_file("file", "one");
    fs.set_flags("file", flags::APPEND);
    let node = fs.node("file");
    let kernel = privileged(1, 1, Privileges::CHECKED.with(Privileges::KEEP_TIMES));
    let write = |offset, page: &[u8]| fs.write(&kernel, node, None, WriteAt::Offset(offset), page);
    assert_eq!((write(0, b"one two"), write(4, b"two")), (Ok(7), Ok(3)));
    assert_eq!(fs.read_text("file"), "one two");
    let denied = Err(Error::NotPermitted);
    assert_eq!((write(0, b"ONE two three"), write(0, b"x"), write(4, b"to")), (denied.clone(), denied.clone(), denied));
    assert_eq!(fs.read_text("file"), "one two");
    let time = Time::new(9, 0);
    let of_an_append = SetAttr { modified: Some(SetTime::At(time)), changed: Some(time), ..NONE };
    assert_eq!(fs.set_attr(&kernel, node, None, &of_an_append).map(|attr| attr.modified), Ok(time));
}

#[test]
fn an_append_only_directory_only_gains_entries() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/old", "x");
    fs.set_flags("dir", flags::APPEND);
    fs.write_file("dir/new", "");
    let denied = Err(Error::NotPermitted);
    assert_eq!(fs.path_unlink(&ROOT, at("dir/old")), denied);
    assert_eq!(fs.move_as("dir/old", "dir/x", RenameMode::Replace), denied);
}

#[test]
fn flags_are_set_by_owners_and_the_strict_ones_by_privilege() {
    let fs = Fs::new();
    file(&fs, 0o666);
    let set =
        |caller: &_, flags| fs.path_set_attr(caller, at("file"), &SetAttr { flags: Some(flags), ..NONE }).map(drop);
    let (owner, denied) = (user(OWNER, 1), Err(Error::NotPermitted));
    assert_eq!(set(&owner, flags::NO_DUMP), Ok(()));
    assert_eq!(set(&user(1, 1), 0), denied);
    for flag in [flags::IMMUTABLE, flags::APPEND] {
        assert_eq!(set(&owner, flag), denied);
        assert_eq!(set(&privileged(OWNER, 1, Privileges::IMMUTABLE), flag), Ok(()));
        assert_eq!(set(&owner, 0), denied, "nor cleared");
        assert_eq!(set(&ROOT, 0), Ok(()));
    }
    let checked = privileged(1, 1, Privileges::CHECKED.with(Privileges::OWNER));
    assert_eq!(set(&checked, flags::IMMUTABLE), denied, "a host checks no flags");
}

//! Opens as Windows makes them: disposition, options, sharing.

use bough::windows::{create_options as options, rights};
use bough::{
    Config, Disposition, Error, NamePolicy, NodeId, OpenFrom, OpenOutcome, ViewOptions, WindowsOpen, WriteAt, flags,
};

use crate::support::windows::*;
use crate::support::*;

const HIDDEN: u32 = 2;

fn outcome(fs: &Fs, path: &str, disposition: Disposition) -> bough::Result<OpenOutcome> {
    let opened = fs.ask(path, WindowsOpen { disposition, ..ALL })?;
    fs.close(opened.handle);
    Ok(opened.outcome)
}

#[test]
fn each_disposition_does_its_work_and_says_what_it_did() {
    use Disposition::*;
    for (disposition, missing, there) in [
        (Supersede, Ok(OpenOutcome::Created), Ok(OpenOutcome::Superseded)),
        (Open, Err(Error::NotFound), Ok(OpenOutcome::Opened)),
        (Create, Ok(OpenOutcome::Created), Err(Error::Exists)),
        (OpenIf, Ok(OpenOutcome::Created), Ok(OpenOutcome::Opened)),
        (Overwrite, Err(Error::NotFound), Ok(OpenOutcome::Overwritten)),
        (OverwriteIf, Ok(OpenOutcome::Created), Ok(OpenOutcome::Overwritten)),
    ] {
        let fs = Fs::new();
        assert_eq!(outcome(&fs, "new", disposition), missing, "{disposition:?}");
        assert_eq!(fs.exists("new"), missing.is_ok());
        fs.write_file("old", "content");
        assert_eq!(outcome(&fs, "old", disposition), there, "{disposition:?}");
        let emptied = matches!(there, Ok(OpenOutcome::Overwritten | OpenOutcome::Superseded));
        assert_eq!(fs.read_text("old"), if emptied { "" } else { "content" }, "{disposition:?}");
    }
}

#[test]
fn a_missing_parent_is_told_from_a_missing_file() {
    let fs = Fs::new();
    fs.write_file("file", "");
    assert_eq!(fs.ask("none", READING), Err(Error::NotFound));
    assert_eq!(fs.ask("none/file", READING), Err(Error::PathNotFound));
    assert_eq!(fs.ask("file/file", READING), Err(Error::PathNotFound));
    assert_eq!(fs.ask("none/file", ALL), Err(Error::PathNotFound));
}

#[test]
fn a_directory_is_made_and_opened_where_one_is_asked_for() {
    let fs = Fs::new();
    let made = fs.ask("dir", DIRECTORY).unwrap();
    assert_eq!((made.outcome, made.attr.kind), (OpenOutcome::Created, bough::FileKind::Directory));
    fs.write_file("file", "");
    assert_eq!(fs.ask("file", DIRECTORY), Err(Error::NotADirectory));
    let file_wanted = WindowsOpen { options: options::NON_DIRECTORY_FILE, ..READING };
    assert_eq!(fs.ask("dir", file_wanted), Err(Error::IsADirectory));
    assert_eq!(
        fs.ask("dir/", file_wanted).unwrap_err(),
        Error::BadName("a path that ends in a separator means a directory")
    );
    assert!(matches!(fs.ask("file/", READING), Err(Error::BadName(_))));
    assert!(fs.ask("dir/", READING).is_ok());
    let both = options::DIRECTORY_FILE | options::NON_DIRECTORY_FILE;
    assert!(matches!(fs.ask("dir", WindowsOpen { options: both, ..READING }), Err(Error::Invalid(_))));
}

#[test]
fn the_root_is_opened_and_nothing_else() {
    let fs = Fs::new();
    assert_eq!(outcome(&fs, "/", Disposition::Open), Ok(OpenOutcome::Opened));
    assert_eq!(outcome(&fs, "/", Disposition::Create), Err(Error::AccessDenied));
    assert_eq!(outcome(&fs, "/", Disposition::Supersede), Err(Error::AccessDenied));
    let deleting = WindowsOpen { options: options::DELETE_ON_CLOSE, ..DELETING };
    assert_eq!(fs.ask("/", deleting), Err(Error::CannotDelete));
    let root = fs.wopen("/", ALL);
    assert_eq!(fs.windows_dispose(root, DELETE), Err(Error::CannotDelete));
    assert!(matches!(fs.rename_handle(root, "other", MOVE), Err(Error::Invalid(_))));
}

#[test]
fn opens_agree_when_each_shares_what_the_other_does() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let accesses = [rights::READ_DATA, rights::WRITE_DATA, rights::DELETE, rights::READ_DATA | rights::WRITE_DATA];
    let needs = [1, 2, 4, 3];
    for (first, first_needs) in accesses.into_iter().zip(needs) {
        for first_share in 0..8 {
            let held = fs.wopen("file", WindowsOpen { access: first, share: first_share, ..READING });
            for (second, second_needs) in accesses.into_iter().zip(needs) {
                for second_share in 0..8 {
                    let agree = first_share & second_needs == second_needs && second_share & first_needs == first_needs;
                    let answer = fs.ask("file", WindowsOpen { access: second, share: second_share, ..READING });
                    match answer {
                        Ok(opened) => fs.close(opened.handle),
                        Err(ref error) => assert_eq!(*error, Error::SharingViolation),
                    }
                    assert_eq!(answer.is_ok(), agree, "{first:x}/{first_share} {second:x}/{second_share}");
                }
            }
            fs.close(held);
        }
    }
}

#[test]
fn an_open_for_attributes_only_takes_no_part_in_sharing() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let _alone = fs.wopen("file", WindowsOpen { share: 0, ..ALL });
    assert_eq!(fs.ask("file", READING), Err(Error::SharingViolation));
    assert!(fs.ask("file", WindowsOpen { access: rights::READ_ATTRIBUTES, share: 0, ..READING }).is_ok());
}

#[test]
fn overwriting_must_be_shared_as_writing_and_superseding_as_deletion() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let held = fs.wopen("file", WindowsOpen { share: 1, ..READING });
    for disposition in [Disposition::Overwrite, Disposition::OverwriteIf, Disposition::Supersede] {
        assert_eq!(fs.ask("file", WindowsOpen { disposition, ..READING }), Err(Error::SharingViolation));
    }
    fs.close(held);
    let _held = fs.wopen("file", WindowsOpen { share: 3, ..READING });
    assert_eq!(fs.ask("file", with(READING, Disposition::Supersede, 0)), Err(Error::SharingViolation));
    assert_eq!(fs.read_text("file"), "content", "what was refused changed nothing");
    assert!(fs.ask("file", with(READING, Disposition::Overwrite, 0)).is_ok());
}

#[test]
fn sharing_is_one_for_all_views_of_a_branch_and_none_of_another_branchs() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let branch = fs.branch("other", fs.main());
    let (same, other) = (fs.view_of(fs.main()), fs.view_of(bough::RefId::Branch(branch)));
    let alone = fs.wopen("file", WindowsOpen { share: 0, ..READING });
    assert_eq!(same.ask("file", READING), Err(Error::SharingViolation));
    assert!(other.ask("file", READING).is_ok());
    fs.close(alone);
    assert!(same.ask("file", READING).is_ok());
}

#[test]
fn a_view_that_ends_gives_back_what_its_handles_excluded() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let other = fs.view_of(fs.main());
    other.wopen("file", WindowsOpen { share: 0, ..READING });
    assert_eq!(fs.ask("file", READING), Err(Error::SharingViolation));
    drop(other);
    assert!(fs.ask("file", READING).is_ok());
}

#[test]
fn posix_opens_neither_ask_for_sharing_nor_give_it() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let _alone = fs.wopen("file", WindowsOpen { share: 0, ..ALL });
    let posix = fs.open("file", BOTH);
    assert_eq!(fs.get(posix, 0, 7), b"content");
    fs.remove_file("file");
    assert!(!fs.exists("file"));
    fs.write_file("file", "another");
    assert!(fs.ask("file", WindowsOpen { share: 0, ..ALL }).is_ok(), "another file, which nobody has open that way");
}

#[test]
fn a_handle_does_what_it_was_granted_and_nothing_else() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let node = NodeId::ROOT;
    let reading = fs.wopen("file", WindowsOpen { access: rights::READ_DATA, ..READING });
    let mut buffer = [0; 8];
    assert_eq!(fs.read(&ROOT, node, Some(reading), 0, &mut buffer), Ok(7));
    assert_eq!(fs.write(&ROOT, node, Some(reading), WriteAt::Offset(0), b"x"), Err(Error::AccessDenied));
    let size = bough::SetAttr { size: Some(1), ..Default::default() };
    let times = bough::SetAttr { modified: Some(bough::SetTime::Now), ..Default::default() };
    for set in [size, times] {
        assert_eq!(fs.set_attr(&ROOT, node, Some(reading), &set), Err(Error::AccessDenied));
    }
    assert_eq!(fs.windows_dispose(reading, DELETE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(reading, "other", MOVE), Err(Error::AccessDenied));
    let writing = fs.wopen("file", WRITING);
    assert_eq!(fs.read(&ROOT, node, Some(writing), 0, &mut buffer), Err(Error::AccessDenied));
    assert!(fs.set_attr(&ROOT, node, Some(writing), &size).is_ok());
    assert!(fs.set_attr(&user(9, 9), node, Some(writing), &times).is_ok(), "the handle was granted it");
}

#[test]
fn a_handle_for_appending_only_writes_at_the_end() {
    let fs = Fs::new();
    fs.write_file("file", "abc");
    let handle = fs.wopen("file", WindowsOpen { access: rights::APPEND_DATA, ..READING });
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"d"), Ok(1));
    assert_eq!(fs.read_text("file"), "abcd");
}

#[test]
fn maximum_allowed_is_all_that_can_be_had() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let most = WindowsOpen { access: rights::MAXIMUM_ALLOWED, ..READING };
    let root = fs.ask("file", most).unwrap();
    assert_eq!(root.granted & rights::FILE_WRITE, rights::FILE_WRITE);
    fs.chmod("file", 0o644);
    let other = fs.ask_as(&user(9, 9), "file", most).unwrap();
    assert_eq!(other.granted & rights::FILE_READ, rights::FILE_READ);
    assert_eq!(other.granted & (rights::WRITE_DATA | rights::WRITE_DAC), 0);
    let frozen = fs.frozen("snapshot");
    assert_eq!(frozen.ask("file", most).unwrap().granted & (rights::WRITE_DATA | rights::DELETE), 0);
}

#[test]
fn permission_bits_decide_for_callers_without_a_token() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.chmod("file", 0o640);
    let stranger = user(9, 9);
    assert_eq!(fs.ask_as(&stranger, "file", READING), Err(Error::AccessDenied));
    fs.chmod("file", 0o644);
    assert!(fs.ask_as(&stranger, "file", READING).is_ok());
    for access in [rights::WRITE_DATA, rights::WRITE_DAC, rights::WRITE_ATTRIBUTES, rights::WRITE_OWNER] {
        assert_eq!(fs.ask_as(&stranger, "file", WindowsOpen { access, ..READING }), Err(Error::AccessDenied));
    }
    assert!(fs.ask_as(&stranger, "file", DELETING).is_ok(), "everybody may change the root directory here");
    let security = WindowsOpen { access: rights::SYSTEM_SECURITY, ..READING };
    assert_eq!(fs.ask_as(&stranger, "file", security), Err(Error::PrivilegeNotHeld));
    assert_eq!(fs.ask("file", WindowsOpen { access: 0, ..READING }), Err(Error::AccessDenied));
}

#[test]
fn a_snapshot_and_a_read_only_view_are_write_protected() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let frozen = fs.frozen("snapshot");
    let options = ViewOptions { read_only: true, ..ViewOptions::default() };
    let read_only = fs.volume.view(fs.main(), "ro", options).unwrap();
    for view in [frozen, read_only] {
        for open in
            [WRITING, DELETING, with(READING, Disposition::Overwrite, 0), with(READING, Disposition::Supersede, 0)]
        {
            assert_eq!(view.ask("file", open), Err(Error::ReadOnly));
        }
        assert_eq!(view.ask("new", ALL), Err(Error::ReadOnly));
        let handle = view.wopen("file", READING);
        assert_eq!(view.get(handle, 0, 7), b"content");
        assert_eq!(view.windows_info(handle).map(|info| info.delete_pending), Ok(false));
        view.close(handle);
    }
}

#[test]
fn handles_on_a_snapshot_exclude_nobody() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let frozen = fs.frozen("snapshot");
    let alone = WindowsOpen { share: 0, ..READING };
    let (one, two) = (frozen.wopen("file", alone), frozen.wopen("file", alone));
    assert_eq!(frozen.windows_lock(one, 0, 1, true, 0), Err(Error::NotSupported));
    frozen.close(one);
    frozen.close(two);
}

#[test]
fn hidden_and_system_files_are_overwritten_only_by_who_says_so() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    fs.set_flags("file", flags::HIDDEN);
    for disposition in [Disposition::Overwrite, Disposition::Supersede, Disposition::OverwriteIf] {
        assert_eq!(fs.ask("file", with(ALL, disposition, 0)), Err(Error::AccessDenied));
        assert_eq!(fs.read_text("file"), "content");
        assert!(fs.ask("file", with(ALL, disposition, HIDDEN)).is_ok());
        fs.write_file("file", "content");
    }
}

#[test]
fn an_overwritten_file_keeps_its_identity_loses_its_content_and_is_to_be_archived() {
    let (fs, hand) = Fs::with_clock();
    fs.write_file("file", "content");
    let before = fs.stat("file");
    fs.set_flags("file", flags::ARCHIVED);
    let now = hand.forward(10);
    fs.ask("file", with(ALL, Disposition::Overwrite, HIDDEN)).unwrap();
    let after = fs.stat("file");
    assert_eq!((after.inode, after.size, after.born), (before.inode, 0, before.born));
    assert_eq!((after.modified, after.changed), (now, now));
    assert_eq!(after.flags, flags::HIDDEN);
    fs.ask("file", with(ALL, Disposition::Supersede, HIDDEN)).unwrap();
    assert_eq!(fs.stat("file").flags, flags::HIDDEN);
}

#[test]
fn overwriting_leaves_a_snapshot_as_it_was() {
    let fs = Fs::new();
    fs.write_file("file", vec![7; 3 * CHUNK as usize]);
    let frozen = fs.frozen("snapshot");
    fs.ask("file", with(ALL, Disposition::Overwrite, 0)).unwrap();
    assert_eq!((fs.read_file("file").len(), frozen.read_file("file").len()), (0, 3 * CHUNK as usize));
}

#[test]
fn a_mapped_file_is_not_overwritten_and_one_that_runs_is_not_written() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let mapped = WindowsOpen { mapped_data: true, ..ALL };
    assert_eq!(fs.ask("file", with(mapped, Disposition::Overwrite, 0)), Err(Error::UserMapped));
    assert!(fs.ask("file", mapped).is_ok());
    let runs = WindowsOpen { mapped_image: true, ..READING };
    assert!(fs.ask("file", runs).is_ok());
    assert_eq!(fs.ask("file", WindowsOpen { access: rights::FILE_WRITE, ..runs }), Err(Error::SharingViolation));
    let deletes = WindowsOpen { access: rights::DELETE, options: options::DELETE_ON_CLOSE, ..runs };
    assert_eq!(fs.ask("file", deletes), Err(Error::CannotDelete));
}

#[test]
fn a_path_from_a_handle_begins_at_what_it_has_open() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "content");
    let dir = fs.wopen("dir", READING);
    let from = |path: &str| fs.windows_open(&ROOT, OpenFrom::Handle(dir), path.as_bytes(), &READING);
    let file = from("file").unwrap();
    assert_eq!(fs.get(file.handle, 0, 7), b"content");
    assert!(matches!(from("/dir/file"), Err(Error::BadName(_))));
    assert_eq!(from("none"), Err(Error::NotFound));
    // An empty path opens the same once more.
    let again = fs.windows_open(&ROOT, OpenFrom::Handle(file.handle), b"", &READING).unwrap();
    assert_eq!(again.node, file.node);
    let inside = fs.windows_open(&ROOT, OpenFrom::Handle(file.handle), b"below", &READING);
    assert_eq!(inside, Err(Error::PathNotFound));
}

#[test]
fn opening_once_more_by_handle_is_shared_as_any_other() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let alone = fs.wopen("file", WindowsOpen { share: 0, ..READING });
    let again = fs.windows_open(&ROOT, OpenFrom::Handle(alone), b"", &READING);
    assert_eq!(again, Err(Error::SharingViolation));
}

#[test]
fn links_are_followed_unless_the_link_itself_is_opened() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "content");
    fs.symlink("dir/file", "link");
    fs.symlink("link", "further");
    fs.symlink("loop", "loop");
    let opened = fs.ask("further", READING).unwrap();
    assert_eq!(opened.attr.kind, bough::FileKind::File);
    let itself = fs.ask("further", WindowsOpen { options: options::OPEN_REPARSE_POINT, ..READING }).unwrap();
    assert_eq!(itself.attr.kind, bough::FileKind::Symlink);
    assert_eq!(fs.ask("loop", READING), Err(Error::TooManySymlinks));
    // A link that leads nowhere: what it leads to is made.
    fs.symlink("dir/new", "dangling");
    assert_eq!(fs.ask("dangling", ALL).map(|opened| opened.outcome), Ok(OpenOutcome::Created));
    assert!(fs.exists("dir/new"));
}

#[test]
fn a_volume_with_windows_names_takes_backslashes_between_them() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, ..Config::default() });
    fs.mkdir_p("Dir");
    fs.write_file("Dir/File", "content");
    assert!(fs.ask("\\dir\\FILE", READING).is_ok());
    assert_eq!(fs.ask("dir\\none", READING), Err(Error::NotFound));
    assert!(matches!(fs.ask("dir\\a?", ALL), Err(Error::BadName(_))));
}

#[test]
fn unknown_numbers_are_refused() {
    let fs = Fs::new();
    fs.write_file("file", "");
    assert!(matches!(fs.ask("file", WindowsOpen { share: 8, ..READING }), Err(Error::Invalid(_))));
    assert!(matches!(fs.ask("file", WindowsOpen { options: 1 << 24, ..READING }), Err(Error::Invalid(_))));
    let by_number = WindowsOpen { options: options::OPEN_BY_FILE_ID, ..READING };
    assert_eq!(fs.ask("file", by_number), Err(Error::NotSupported));
    let temporary = WindowsOpen { attributes: 0x100, ..DIRECTORY };
    assert!(matches!(fs.ask("dir", temporary), Err(Error::Invalid(_))));
    assert!(!fs.exists("dir"));
}

#[test]
fn a_handle_that_was_not_opened_so_has_no_part_in_it() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let posix = fs.open("file", BOTH);
    assert!(matches!(fs.windows_info(posix), Err(Error::Invalid(_))));
    assert!(matches!(fs.windows_dispose(posix, DELETE), Err(Error::Invalid(_))));
    assert_eq!(fs.windows_clean_up(posix), Ok(()));
    assert_eq!(fs.windows_info(bough::HandleId(0)), Err(Error::BadHandle));
}

const READONLY: u32 = 1;
const SYSTEM: u32 = 4;
const ARCHIVE: u32 = 0x20;

fn attributes(fs: &Fs, path: &str) -> u32 {
    fs.file_info(fs.node(path), None).unwrap().attributes
}

fn set_attributes(fs: &Fs, path: &str, attributes: u32) {
    let set = bough::SetFileInfo { attributes, ..Default::default() };
    fs.set_file_info(&ROOT, fs.node(path), None, &set).unwrap();
}

/// A list of one extended attribute, `A` with this value.
fn ea(value: u8) -> [u8; 11] {
    [0, 0, 0, 0, 0, 1, 1, 0, b'A', 0, value]
}

#[test]
fn a_read_only_file_is_neither_written_nor_deleted_on_close() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    set_attributes(&fs, "file", READONLY);
    for access in [rights::WRITE_DATA, rights::APPEND_DATA, rights::GENERIC_WRITE] {
        assert_eq!(fs.ask("file", WindowsOpen { access, ..READING }), Err(Error::AccessDenied));
    }
    assert_eq!(fs.ask("file", with(READING, Disposition::Overwrite, READONLY)), Err(Error::AccessDenied));
    let on_close = WindowsOpen { options: options::DELETE_ON_CLOSE, ..DELETING };
    assert_eq!(fs.ask("file", on_close), Err(Error::CannotDelete));
    let most = fs.ask("file", WindowsOpen { access: rights::MAXIMUM_ALLOWED, ..READING }).unwrap();
    assert_eq!(most.granted & (rights::WRITE_DATA | rights::APPEND_DATA), 0);
    assert_ne!(most.granted & rights::WRITE_ATTRIBUTES, 0);
    // Who makes one may write it by the handle that made it.
    let made = fs.wopen("new", with(ALL, Disposition::Create, READONLY));
    fs.put(made, 0, "content");
    let doomed = WindowsOpen { options: options::DELETE_ON_CLOSE, attributes: READONLY, ..ALL };
    assert_eq!(fs.ask("doomed", doomed), Err(Error::CannotDelete));
}

#[test]
fn what_is_made_carries_its_attributes_descriptor_and_extended_attributes() {
    let fs = Fs::new();
    let list = ea(7);
    let open = WindowsOpen { attributes: HIDDEN | SYSTEM, extended_attributes: &list, allocation: 5000, ..ALL };
    let made = fs.ask("file", open).unwrap();
    assert_eq!(attributes(&fs, "file"), HIDDEN | SYSTEM | ARCHIVE);
    let info = fs.file_info(made.node, Some(made.handle)).unwrap();
    assert_eq!((info.size, info.allocation), (0, 8192));
    assert_eq!(fs.get_eas(&ROOT, made.node, Some(made.handle), b"").unwrap()[8..], list[8..]);
    fs.close(made.handle);
    assert_eq!(fs.file_info(fs.node("file"), None).unwrap().allocation, 0, "given back with the last handle");
    let bad = WindowsOpen { extended_attributes: &list[..9], ..ALL };
    assert!(matches!(fs.ask("bad", bad), Err(Error::BadEaList(_))));
    let security = bough::NewSecurity::Inherit(b"malformed");
    assert!(matches!(fs.ask("bad", WindowsOpen { security, ..ALL }), Err(Error::BadSecurity(_))));
    assert!(!fs.exists("bad"));
}

#[test]
fn overwriting_adds_attributes_superseding_replaces_them_and_both_replace_extended_attributes() {
    let fs = Fs::new();
    fs.close(fs.wopen("file", WindowsOpen { attributes: HIDDEN, extended_attributes: &ea(1), ..ALL }));
    let replaced = ea(2);
    let open = WindowsOpen { extended_attributes: &replaced, ..with(ALL, Disposition::Overwrite, HIDDEN | SYSTEM) };
    fs.close(fs.wopen("file", open));
    assert_eq!(attributes(&fs, "file"), HIDDEN | SYSTEM | ARCHIVE);
    assert_eq!(fs.get_eas(&ROOT, fs.node("file"), None, b"").unwrap()[8..], replaced[8..]);
    fs.write_file("file", "content");
    let bad = WindowsOpen { extended_attributes: &replaced[..9], ..open };
    assert!(matches!(fs.ask("file", bad), Err(Error::BadEaList(_))));
    assert_eq!(fs.read_text("file"), "content", "what was refused changed nothing");
    fs.close(fs.wopen("file", with(ALL, Disposition::Supersede, HIDDEN | SYSTEM)));
    assert_eq!(attributes(&fs, "file"), HIDDEN | SYSTEM | ARCHIVE);
    assert!(fs.get_eas(&ROOT, fs.node("file"), None, b"").unwrap().is_empty());
}

#[test]
fn rights_of_a_handle_hold_for_what_files_carry_too() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let node = fs.node("file");
    let reading = fs.wopen("file", WindowsOpen { access: rights::READ_DATA, ..READING });
    assert_eq!(fs.get_eas(&ROOT, node, Some(reading), b""), Err(Error::AccessDenied));
    assert_eq!(fs.set_eas(&ROOT, node, Some(reading), &ea(1)), Err(Error::AccessDenied));
    let set = bough::SetFileInfo { attributes: HIDDEN, ..Default::default() };
    assert_eq!(fs.set_file_info(&ROOT, node, Some(reading), &set), Err(Error::AccessDenied));
    let writing = fs.wopen("file", WRITING);
    assert!(fs.set_file_info(&user(9, 9), node, Some(writing), &set).is_ok());
}

#[test]
fn an_overwrite_after_the_open_does_what_an_open_that_overwrites_does() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    set_attributes(&fs, "file", HIDDEN);
    fs.close(fs.wopen("file", WindowsOpen { stream: b"side", ..ALL }));
    let reading = fs.wopen("file", READING);
    let list = ea(3);
    let how = WindowsOpen { extended_attributes: &list, ..with(READING, Disposition::Overwrite, SYSTEM | HIDDEN) };
    assert_eq!(fs.windows_overwrite(&ROOT, reading, &how), Err(Error::AccessDenied), "not granted");
    let host = bough::Caller { privileges: bough::Privileges::CHECKED, ..ROOT };
    let plain = WindowsOpen { attributes: 0, ..how };
    assert_eq!(fs.windows_overwrite(&host, reading, &plain), Err(Error::AccessDenied), "hidden");
    assert_eq!(fs.read_text("file"), "content");
    assert_eq!(fs.windows_overwrite(&host, reading, &how), Ok(()));
    assert_eq!((fs.read_text("file"), attributes(&fs, "file")), (String::new(), HIDDEN | SYSTEM | ARCHIVE));
    assert!(fs.list_streams(fs.node("file")).unwrap().is_empty());
    assert_eq!(fs.get_eas(&ROOT, fs.node("file"), None, b"").unwrap()[8..], list[8..]);
    let side = fs.wopen("file", WindowsOpen { stream: b"side", ..ALL });
    fs.put(side, 0, "beside");
    assert_eq!(fs.windows_overwrite(&ROOT, side, &how), Ok(()));
    assert_eq!(fs.get(side, 0, 9), b"");
    fs.mkdir_p("dir");
    let dir = fs.wopen("dir", ALL);
    assert_eq!(fs.windows_overwrite(&ROOT, dir, &how), Err(Error::IsADirectory));
}

#[test]
fn what_is_immutable_or_append_only_is_neither_overwritten_nor_superseded() {
    use Disposition::{Overwrite, OverwriteIf, Supersede};
    for flag in [flags::IMMUTABLE, flags::APPEND, flags::USER_IMMUTABLE, flags::USER_APPEND] {
        for disposition in [Supersede, Overwrite, OverwriteIf] {
            let fs = Fs::new();
            fs.write_file("file", "content");
            let how = WindowsOpen { access: rights::READ_ATTRIBUTES, disposition, ..READING };
            let handle = fs.wopen("file", ALL);
            fs.set_flags("file", flag);
            assert_eq!(fs.ask("file", how), Err(Error::NotPermitted), "{disposition:?}");
            assert_eq!(fs.windows_overwrite(&ROOT, handle, &how), Err(Error::NotPermitted), "{disposition:?}");
            assert_eq!(fs.read_text("file"), "content");
        }
    }
}

#[test]
fn a_handle_that_may_only_append_takes_nothing_away() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    fs.write_file("source", "x");
    let file = fs.node("file");
    let handle = fs.wopen("file", WindowsOpen { access: rights::APPEND_DATA, ..READING });
    assert_eq!(fs.set_allocation(&ROOT, file, Some(handle), 0), Err(Error::AccessDenied));
    assert_eq!(fs.allocate(&ROOT, file, Some(handle), 0, 7, bough::Allocation::Punch), Err(Error::AccessDenied));
    let source = fs.node("source");
    assert_eq!(fs.copy_range(&ROOT, source, None, 0, file, Some(handle), 0, 1), Err(Error::AccessDenied));
    assert_eq!(fs.write(&ROOT, file, Some(handle), WriteAt::Offset(0), b"!"), Ok(1));
    assert_eq!(fs.write(&ROOT, file, Some(handle), WriteAt::Within(0), b"C"), Ok(1), "pages of a kernel come back");
    assert_eq!(fs.read_text("file"), "Content!");
}

//! Renames and links as Windows has them: by a handle, with its own refusals.

use bough::windows::rights;
use bough::{Config, Disposition, Error, NamePolicy, OpenFrom, RenameTo, Renaming, WindowsOpen, flags};

use crate::support::windows::*;
use crate::support::*;

fn fixture() -> Fs {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    fs.write_file("file", "source");
    fs.write_file("dir/file", "target");
    fs
}

#[test]
fn a_rename_moves_the_name_and_its_handles_stay_open() {
    let fs = fixture();
    let (handle, reader) = (fs.wopen("file", ALL), fs.wopen("file", READING));
    assert_eq!(fs.rename_handle(handle, "dir/new", MOVE), Ok(()));
    assert_eq!((fs.exists("file"), fs.read_text("dir/new")), (false, "source".into()));
    assert_eq!(fs.get(reader, 0, 6), b"source");
    // Relative to the directory that it is in.
    let within = RenameTo { from: None, path: b"newer" };
    assert_eq!(fs.windows_rename(&ROOT, handle, within, MOVE), Ok(()));
    assert!(fs.exists("dir/newer"));
    let dir = fs.wopen("dir/sub", READING);
    let below = RenameTo { from: Some(OpenFrom::Handle(dir)), path: b"newest" };
    assert_eq!(fs.windows_rename(&ROOT, handle, below, MOVE), Ok(()));
    assert!(fs.exists("dir/sub/newest"));
}

#[test]
fn what_has_the_name_is_replaced_only_when_asked() {
    let fs = fixture();
    let handle = fs.wopen("file", DELETING);
    assert_eq!(fs.rename_handle(handle, "dir/file", MOVE), Err(Error::Exists));
    assert_eq!(fs.read_text("dir/file"), "target");
    assert_eq!(fs.rename_handle(handle, "dir/file", REPLACE), Ok(()));
    assert_eq!((fs.exists("file"), fs.read_text("dir/file")), (false, "source".into()));
}

#[test]
fn an_open_target_is_not_replaced_but_with_posix_semantics_if_all_share_its_deletion() {
    let fs = fixture();
    let handle = fs.wopen("file", DELETING);
    let reader = fs.wopen("dir/file", WindowsOpen { share: 3, ..READING });
    assert_eq!(fs.rename_handle(handle, "dir/file", REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(handle, "dir/file", POSIX_REPLACE), Err(Error::SharingViolation));
    fs.close(reader);
    let reader = fs.wopen("dir/file", READING);
    assert_eq!(fs.rename_handle(handle, "dir/file", REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(handle, "dir/file", POSIX_REPLACE), Ok(()));
    assert_eq!(fs.read_text("dir/file"), "source");
    assert_eq!(fs.get(reader, 0, 6), b"target", "the old node lives on unnamed");
    assert!(fs.windows_info(reader).unwrap().delete_pending);
    fs.close(reader);
    fs.close(handle);
    assert_eq!(fs.read_text("dir/file"), "source");
}

#[test]
fn a_target_directory_is_access_denied_unless_posix_semantics_replace_an_empty_one_by_another() {
    let fs = fixture();
    let file = fs.wopen("file", DELETING);
    assert_eq!(fs.rename_handle(file, "dir", REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(file, "dir/sub", POSIX_REPLACE), Err(Error::AccessDenied));
    fs.mkdir_p("other");
    let other = fs.wopen("other", DELETING);
    assert_eq!(fs.rename_handle(other, "dir/sub", REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(other, "dir", POSIX_REPLACE), Err(Error::NotEmpty));
    assert_eq!(fs.rename_handle(other, "dir/sub", POSIX_REPLACE), Ok(()));
    assert!(!fs.exists("other"));
}

#[test]
fn a_directory_with_open_descendants_is_not_renamed_but_with_posix_semantics_if_they_share_deletion() {
    let fs = fixture();
    let dir = fs.wopen("dir", DELETING);
    let below = fs.wopen("dir/sub", WindowsOpen { share: 3, ..READING });
    assert_eq!(fs.rename_handle(dir, "moved", MOVE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(dir, "moved", Renaming { posix: true, ..MOVE }), Err(Error::SharingViolation));
    fs.close(below);
    let below = fs.wopen("dir/sub", READING);
    assert_eq!(fs.rename_handle(dir, "moved", MOVE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(dir, "moved", Renaming { posix: true, ..MOVE }), Ok(()));
    fs.close(below);
    assert_eq!(fs.rename_handle(dir, "dir", MOVE), Ok(()));
    assert!(fs.exists("dir/sub"));
}

#[test]
fn other_handles_of_the_file_itself_do_not_stand_in_the_way() {
    let fs = fixture();
    let (handle, _reader, _second) = (fs.wopen("file", DELETING), fs.wopen("file", READING), fs.wopen("file", WRITING));
    assert_eq!(fs.rename_handle(handle, "moved", MOVE), Ok(()));
    let (dir, _again) = (fs.wopen("dir", DELETING), fs.wopen("dir", READING));
    assert_eq!(fs.rename_handle(dir, "elsewhere", MOVE), Ok(()));
}

#[test]
fn the_exact_same_name_is_success_and_changes_nothing() {
    let (fs, hand) = Fs::with_clock();
    fs.write_file("file", "");
    let before = fs.stat("file");
    hand.forward(10);
    let handle = fs.wopen("file", DELETING);
    assert_eq!(fs.rename_handle(handle, "file", MOVE), Ok(()));
    assert_eq!(fs.stat("file"), before);
}

#[test]
fn a_rename_that_changes_the_case_only_works_without_replacing() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, ..Config::default() });
    fs.write_file("File", "content");
    let handle = fs.wopen("file", DELETING);
    assert_eq!(fs.rename_handle(handle, "FILE", MOVE), Ok(()));
    assert_eq!(fs.names("/"), ["FILE"]);
    fs.write_file("other", "");
    let other = fs.wopen("other", DELETING);
    fs.close(handle);
    assert_eq!(fs.rename_handle(other, "fIlE", REPLACE), Ok(()));
    assert_eq!(fs.names("/"), ["fIlE"], "the name is spelled as it was given");
}

#[test]
fn immutable_targets_and_mapped_ones_are_not_replaced() {
    let fs = fixture();
    let handle = fs.wopen("file", DELETING);
    assert_eq!(
        fs.rename_handle(handle, "dir/file", Renaming { mapped_image: true, ..REPLACE }),
        Err(Error::AccessDenied)
    );
    fs.set_flags("dir/file", flags::IMMUTABLE);
    assert_eq!(fs.rename_handle(handle, "dir/file", REPLACE), Err(Error::NotPermitted));
    assert_eq!(fs.read_text("dir/file"), "target");
}

#[test]
fn a_directory_is_not_moved_below_itself() {
    let fs = fixture();
    let dir = fs.wopen("dir", DELETING);
    assert_eq!(fs.rename_handle(dir, "dir/sub/dir", MOVE), Err(Error::IntoItself));
    assert_eq!(fs.rename_handle(dir, "none/dir", MOVE), Err(Error::PathNotFound));
}

#[test]
fn who_may_not_delete_what_is_replaced_or_make_in_the_directory_does_not_rename_there() {
    let fs = fixture();
    fs.chmod("dir", 0o755);
    let caller = user(9, 9);
    fs.chown("file", 9, 9);
    let handle = fs.ask_as(&caller, "file", DELETING).unwrap().handle;
    let to = |path: &'static [u8]| RenameTo { from: None, path };
    assert_eq!(fs.windows_rename(&caller, handle, to(b"dir/new"), MOVE), Err(Error::AccessDenied));
    fs.chmod("/", 0o1777);
    fs.write_file("roots", "");
    assert_eq!(fs.windows_rename(&caller, handle, to(b"roots"), REPLACE), Err(Error::AccessDenied), "it is root's");
    assert_eq!(fs.windows_rename(&caller, handle, to(b"mine"), REPLACE), Ok(()));
}

#[test]
fn a_pending_file_is_neither_renamed_nor_linked_nor_replaced() {
    let fs = fixture();
    let (handle, target) = (fs.wopen("file", DELETING), fs.wopen("dir/file", DELETING));
    fs.windows_dispose(target, DELETE).unwrap();
    assert_eq!(fs.rename_handle(handle, "dir/file", POSIX_REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(target, "elsewhere", MOVE), Err(Error::AccessDenied));
    assert_eq!(fs.link_handle(target, "elsewhere", MOVE), Err(Error::AccessDenied));
}

#[test]
fn what_was_deleted_or_replaced_gets_no_name_again() {
    for posix in [true, false] {
        let fs = fixture();
        let made = fs.wopen("made", WindowsOpen { disposition: Disposition::Create, ..ALL });
        match posix {
            true => fs.move_to("file", "made"),
            false => fs.rename_handle(fs.wopen("file", DELETING), "made", POSIX_REPLACE).unwrap(),
        }
        for (name, how) in [("file", MOVE), ("made", POSIX_REPLACE), ("dir/file", POSIX_REPLACE)] {
            assert_eq!(fs.link_handle(made, name, how), Err(Error::AccessDenied), "{name}");
            assert_eq!(fs.rename_handle(made, name, how), Err(Error::AccessDenied), "{name}");
        }
        assert_eq!((fs.exists("file"), fs.read_text("made")), (false, "source".into()));
        fs.close(made);
        assert!(fs.volume.check_invariants(false).problems.is_empty());
    }
}

#[test]
fn a_link_gives_a_further_name_and_replaces_when_asked() {
    let fs = fixture();
    let handle = fs.wopen("file", READING);
    assert_eq!(fs.link_handle(handle, "dir/new", MOVE), Ok(()));
    assert_eq!((fs.stat("file").links, fs.read_text("dir/new")), (2, "source".into()));
    assert_eq!(fs.link_handle(handle, "dir/file", MOVE), Err(Error::Exists));
    let reader = fs.wopen("dir/file", READING);
    assert_eq!(fs.link_handle(handle, "dir/file", REPLACE), Err(Error::AccessDenied));
    assert_eq!(fs.link_handle(handle, "dir/file", POSIX_REPLACE), Ok(()));
    assert_eq!(fs.get(reader, 0, 6), b"target");
    assert_eq!((fs.stat("file").links, fs.read_text("dir/file")), (3, "source".into()));
    assert_eq!(fs.link_handle(handle, "dir/file", REPLACE), Ok(()), "it has that name already");
    assert_eq!(fs.stat("file").links, 3);
    let dir = fs.wopen("dir", READING);
    assert_eq!(fs.link_handle(dir, "further", MOVE), Err(Error::IsADirectory));
}

#[test]
fn a_name_takes_the_place_of_another_name_of_the_same_file() {
    let fs = fixture();
    fs.hard_link("file", "dir/second");
    let handle = fs.wopen("file", DELETING);
    assert_eq!(fs.rename_handle(handle, "dir/second", MOVE), Err(Error::Exists));
    assert_eq!(fs.rename_handle(handle, "dir/second", REPLACE), Ok(()));
    assert_eq!((fs.exists("file"), fs.stat("dir/second").links), (false, 1));
    fs.windows_dispose(handle, DELETE).unwrap();
    fs.close(handle);
    assert!(!fs.exists("dir/second"));
}

#[test]
fn handles_of_one_switch_do_not_rename_into_another() {
    let fs = fixture();
    let handle = fs.wopen("file", DELETING);
    let branch = fs.branch("other", fs.main());
    fs.switch(bough::RefId::Branch(branch)).unwrap();
    assert_eq!(fs.rename_handle(handle, "moved", MOVE), Err(Error::CrossesVolumes));
    assert_eq!(fs.windows_rename(&ROOT, handle, RenameTo { from: None, path: b"moved" }, MOVE), Ok(()));
    assert!(fs.exists("file") && !fs.exists("moved"));
    assert!(fs.view_of(fs.main()).exists("moved"));
}

#[test]
fn a_renamed_file_is_in_the_snapshot_by_its_new_name() {
    let fs = fixture();
    let handle = fs.wopen("file", WindowsOpen { access: rights::DELETE | rights::WRITE_DATA, ..READING });
    let before = fs.frozen("before");
    fs.rename_handle(handle, "dir/file", REPLACE).unwrap();
    let after = fs.frozen("after");
    assert_eq!((before.read_text("file"), before.read_text("dir/file")), ("source".into(), "target".into()));
    assert_eq!((after.exists("file"), after.read_text("dir/file")), (false, "source".into()));
}

#[test]
fn a_read_only_target_is_replaced_only_when_that_is_ignored() {
    let fs = fixture();
    let set = bough::SetFileInfo { attributes: 1, ..Default::default() };
    fs.set_file_info(&ROOT, fs.node("dir/file"), None, &set).unwrap();
    let handle = fs.wopen("file", DELETING);
    for how in [REPLACE, POSIX_REPLACE] {
        assert_eq!(fs.rename_handle(handle, "dir/file", how), Err(Error::AccessDenied));
        assert_eq!(fs.link_handle(handle, "dir/file", how), Err(Error::AccessDenied));
    }
    assert_eq!(fs.rename_handle(handle, "dir/file", Renaming { ignore_readonly: true, ..REPLACE }), Ok(()));
    assert_eq!(fs.read_text("dir/file"), "source");
}

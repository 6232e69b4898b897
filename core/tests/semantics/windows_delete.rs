//! Deletion as Windows has it: by a mark that a handle sets, when the last handle goes.

use bough::windows::{create_options as options, rights};
use bough::{Disposal, Disposition, Error, NodeId, WindowsOpen, WriteAt, flags};

use crate::support::windows::*;
use crate::support::*;

const ON_CLOSE: WindowsOpen<'static> = WindowsOpen { options: options::DELETE_ON_CLOSE, ..DELETING };

#[test]
fn a_file_goes_with_the_last_handle_of_those_that_have_it_open() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let (one, two) = (fs.wopen("file", DELETING), fs.wopen("file", READING));
    assert_eq!(fs.windows_dispose(one, DELETE), Ok(()));
    assert!(fs.windows_info(two).unwrap().delete_pending);
    fs.close(one);
    assert!(fs.exists("file"));
    assert_eq!(fs.get(two, 0, 7), b"content");
    fs.close(two);
    assert!(!fs.exists("file"));
}

#[test]
fn opens_of_a_delete_pending_name_are_refused_and_it_is_not_taken() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let handle = fs.wopen("file", DELETING);
    fs.windows_dispose(handle, DELETE).unwrap();
    for disposition in [Disposition::Open, Disposition::Create, Disposition::OpenIf, Disposition::Supersede] {
        assert_eq!(fs.ask("file", with(ALL, disposition, 0)), Err(Error::DeletePending), "{disposition:?}");
    }
    assert_eq!(fs.ask("file", WindowsOpen { access: rights::READ_ATTRIBUTES, ..READING }), Err(Error::DeletePending));
    fs.close(handle);
    assert!(fs.ask("file", with(ALL, Disposition::Create, 0)).is_ok());
}

#[test]
fn a_mark_is_taken_back() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let handle = fs.wopen("file", DELETING);
    fs.windows_dispose(handle, DELETE).unwrap();
    fs.windows_dispose(handle, KEEP).unwrap();
    assert!(!fs.windows_info(handle).unwrap().delete_pending);
    assert!(fs.ask("file", READING).is_ok());
    fs.close(handle);
    assert!(fs.exists("file"));
}

#[test]
fn delete_on_close_deletes_when_the_handle_and_all_others_are_closed() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let (one, two) = (fs.wopen("file", ON_CLOSE), fs.wopen("file", READING));
    assert!(fs.windows_info(one).unwrap().delete_on_close);
    assert!(!fs.windows_info(one).unwrap().delete_pending, "not before it is closed");
    fs.close(one);
    assert!(fs.exists("file"));
    assert_eq!(fs.ask("file", READING), Err(Error::DeletePending));
    fs.close(two);
    assert!(!fs.exists("file"));
}

#[test]
fn delete_on_close_is_set_and_cleared_by_disposition() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let on_close = Disposal { on_close: true, ..DELETE };
    let handle = fs.wopen("file", DELETING);
    fs.windows_dispose(handle, on_close).unwrap();
    fs.windows_dispose(handle, Disposal { delete: false, ..on_close }).unwrap();
    fs.close(handle);
    assert!(fs.exists("file"));
    let handle = fs.wopen("file", DELETING);
    fs.windows_dispose(handle, on_close).unwrap();
    assert!(!fs.windows_info(handle).unwrap().delete_pending);
    fs.close(handle);
    assert!(!fs.exists("file"));
}

#[test]
fn cleanup_does_not_delete_a_directory_that_is_not_empty() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "");
    assert_eq!(fs.delete_path("dir", DELETE), Err(Error::NotEmpty));
    let handle = fs.wopen("dir", ON_CLOSE);
    fs.close(handle);
    assert!(fs.exists("dir/file"));
    fs.close(fs.wopen("dir", READING));
    fs.remove_file("dir/file");
    assert_eq!(fs.delete_path("dir", DELETE), Ok(()));
    assert!(!fs.exists("dir"));
}

#[test]
fn nothing_is_made_in_a_directory_that_is_to_be_deleted() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    let dir = fs.wopen("dir", DELETING);
    fs.windows_dispose(dir, DELETE).unwrap();
    assert_eq!(fs.ask("dir/new", ALL), Err(Error::DeletePending));
    let file = fs.wopen("file", ALL);
    assert_eq!(fs.rename_handle(file, "dir/file", MOVE), Err(Error::DeletePending));
    assert_eq!(fs.link_handle(file, "dir/file", MOVE), Err(Error::DeletePending));
    // A POSIX program is not kept from it, and the directory stays.
    fs.write_file("dir/posix", "");
    fs.close(dir);
    assert!(fs.exists("dir/posix"));
}

#[test]
fn posix_deletion_takes_the_name_at_once_and_handles_go_on() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let (one, two) = (fs.wopen("file", DELETING), fs.wopen("file", ALL));
    fs.windows_dispose(one, POSIX_DELETE).unwrap();
    assert!(fs.exists("file"), "until the handle goes");
    assert_eq!(fs.ask("file", READING), Err(Error::DeletePending));
    fs.close(one);
    assert!(!fs.exists("file"));
    assert_eq!(fs.get(two, 0, 7), b"content");
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(two), WriteAt::Offset(0), b"C"), Ok(1));
    // The name is free for another file.
    let new = fs.ask("file", with(ALL, Disposition::Create, 0)).unwrap();
    assert_ne!(new.node, fs.windows_info(two).unwrap().node);
    assert!(fs.windows_info(two).unwrap().delete_pending);
    assert_eq!(fs.windows_dispose(two, DELETE), Err(Error::Deleted));
    assert_eq!(fs.rename_handle(two, "other", MOVE), Err(Error::AccessDenied));
    assert_eq!(fs.link_handle(two, "other", MOVE), Err(Error::AccessDenied));
    fs.close(two);
    assert!(fs.exists("file"), "the new one");
}

#[test]
fn after_cleanup_content_is_read_and_written_until_close() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let handle = fs.wopen("file", ALL);
    fs.windows_dispose(handle, DELETE).unwrap();
    fs.windows_clean_up(handle).unwrap();
    assert!(!fs.exists("file"));
    assert_eq!(fs.get(handle, 0, 7), b"content");
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"C"), Ok(1));
    assert_eq!(fs.windows_dispose(handle, KEEP), Err(Error::BadHandle));
    assert_eq!(fs.rename_handle(handle, "other", MOVE), Err(Error::BadHandle));
    assert_eq!(fs.windows_clean_up(handle), Ok(()));
    fs.close(handle);
}

#[test]
fn cleanup_ends_what_the_handle_excluded() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let alone = fs.wopen("file", WindowsOpen { share: 0, ..ALL });
    fs.windows_lock(alone, 0, 10, true, 0).unwrap();
    fs.windows_clean_up(alone).unwrap();
    let other = fs.wopen("file", ALL);
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(other), WriteAt::Offset(0), b"x"), Ok(1));
}

#[test]
fn a_mapped_image_is_not_deleted_with_posix_semantics_or_without() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let handle = fs.wopen("file", DELETING);
    for how in [DELETE, POSIX_DELETE] {
        let mapped = Disposal { mapped_image: true, ..how };
        assert_eq!(fs.windows_dispose(handle, mapped), Err(Error::CannotDelete));
    }
    assert!(!fs.windows_info(handle).unwrap().delete_pending);
}

#[test]
fn what_is_not_shared_for_deletion_is_not_deleted() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let _reader = fs.wopen("file", WindowsOpen { share: 3, ..READING });
    assert_eq!(fs.ask("file", DELETING), Err(Error::SharingViolation));
    assert_eq!(fs.ask("file", ON_CLOSE), Err(Error::SharingViolation));
}

#[test]
fn immutable_files_are_not_deleted() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.set_flags("file", flags::IMMUTABLE);
    assert_eq!(fs.delete_path("file", DELETE), Err(Error::NotPermitted));
    assert!(fs.exists("file"));
}

#[test]
fn each_name_of_a_file_is_deleted_by_itself() {
    let fs = Fs::new();
    fs.write_file("one", "content");
    fs.hard_link("one", "two");
    let (one, two) = (fs.wopen("one", DELETING), fs.wopen("two", READING));
    fs.windows_dispose(one, DELETE).unwrap();
    assert!(!fs.windows_info(two).unwrap().delete_pending);
    assert!(fs.ask("two", READING).is_ok());
    fs.close(one);
    assert_eq!((fs.exists("one"), fs.exists("two")), (false, true));
    assert_eq!(fs.stat("two").links, 1);
}

#[test]
fn a_file_that_was_renamed_meanwhile_is_deleted_where_it_is() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("file", "");
    let (one, two) = (fs.wopen("file", ON_CLOSE), fs.wopen("file", DELETING));
    fs.rename_handle(two, "dir/other", MOVE).unwrap();
    fs.close(two);
    fs.close(one);
    assert!(!fs.exists("dir/other"));
    // By a POSIX program too.
    fs.write_file("file", "");
    let one = fs.wopen("file", ON_CLOSE);
    fs.move_to("file", "dir/other");
    fs.write_file("file", "another");
    fs.close(one);
    assert_eq!((fs.exists("dir/other"), fs.exists("file")), (false, true));
}

#[test]
fn a_posix_unlink_of_an_open_file_leaves_nothing_to_delete() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let handle = fs.wopen("file", ALL);
    fs.windows_dispose(handle, DELETE).unwrap();
    fs.remove_file("file");
    fs.write_file("file", "another");
    assert_eq!(fs.get(handle, 0, 7), b"content");
    fs.close(handle);
    assert_eq!(fs.read_text("file"), "another");
}

#[test]
fn a_deleted_file_is_in_no_snapshot_and_an_earlier_one_keeps_it() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let before = fs.frozen("before");
    let (one, two) = (fs.wopen("file", DELETING), fs.wopen("file", ALL));
    fs.windows_dispose(one, POSIX_DELETE).unwrap();
    let pending = fs.frozen("pending");
    fs.close(one);
    let after = fs.frozen("after");
    assert_eq!((before.exists("file"), pending.exists("file"), after.exists("file")), (true, true, false));
    assert!(pending.ask("file", READING).is_ok(), "a snapshot knows no mark");
    assert_eq!(fs.get(two, 0, 7), b"content");
    fs.close(two);
}

#[test]
fn deletion_by_handle_is_told_as_any_other() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let events = fs.events(16, false).unwrap();
    fs.delete_path("file", DELETE).unwrap();
    let bough::Next::Event(event) = events.next(std::time::Duration::ZERO) else { panic!("no event") };
    assert_eq!((event.kind, &*event.name), (bough::EventKind::Removed, &b"file"[..]));
}

#[test]
fn a_read_only_file_is_deleted_only_when_that_is_ignored() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let set = bough::SetFileInfo { attributes: 1, ..Default::default() };
    fs.set_file_info(&ROOT, fs.node("file"), None, &set).unwrap();
    assert_eq!(fs.delete_path("file", DELETE), Err(Error::CannotDelete));
    assert_eq!(fs.delete_path("file", POSIX_DELETE), Err(Error::CannotDelete));
    assert_eq!(fs.delete_path("file", Disposal { ignore_readonly: true, ..DELETE }), Ok(()));
    assert!(!fs.exists("file"));
}

#[test]
fn what_is_immutable_or_append_only_is_not_deleted_on_close() {
    for flag in [flags::IMMUTABLE, flags::APPEND, flags::USER_IMMUTABLE, flags::USER_APPEND] {
        let fs = Fs::new();
        fs.write_file("file", "content");
        let handle = fs.wopen("file", ON_CLOSE);
        fs.set_flags("file", flag);
        assert_eq!(fs.ask("file", ON_CLOSE), Err(Error::NotPermitted));
        fs.close(handle);
        assert_eq!(fs.read_text("file"), "content", "a handle from before does not delete it either");
        assert!(fs.ask("file", READING).is_ok(), "and no mark stays behind");
    }
}

#[test]
fn a_handle_deletes_no_other_name_than_that_it_was_opened_by() {
    let gone: [fn(&Fs); 2] = [|fs| fs.remove_file("one"), |fs| fs.move_to("other", "one")];
    for gone in gone {
        let fs = Fs::new();
        fs.write_file("one", "content");
        fs.write_file("other", "other");
        fs.hard_link("one", "two");
        let handle = fs.wopen("one", ON_CLOSE);
        gone(&fs);
        fs.close(handle);
        assert_eq!(fs.read_text("two"), "content");
    }
}

//! Named streams opened the Windows way, beside their file.

use bough::windows::{create_options as options, rights};
use bough::{Config, Disposition, Error, NamePolicy, NodeId, OpenFrom, OpenOutcome, RenameTo, WindowsOpen, WriteAt};

use crate::support::windows::*;
use crate::support::*;

fn stream(name: &'static str, open: WindowsOpen<'static>) -> WindowsOpen<'static> {
    WindowsOpen { stream: name.as_bytes(), ..open }
}

fn names(fs: &Fs, path: &str) -> Vec<String> {
    let listed = fs.list_streams(fs.node(path)).unwrap();
    listed.into_iter().map(|stream| String::from_utf8(stream.name.into()).unwrap()).collect()
}

#[test]
fn a_stream_is_opened_made_and_emptied_beside_its_file() {
    use Disposition::*;
    let fs = Fs::new();
    fs.write_file("file", "content");
    assert_eq!(fs.ask("file", stream("side", READING)), Err(Error::NotFound));
    let opened = fs.ask("file", stream("side", with(ALL, Create, 0))).unwrap();
    assert_eq!(opened.outcome, OpenOutcome::Created);
    fs.put(opened.handle, 0, "beside");
    fs.close(opened.handle);
    for (disposition, wanted) in [
        (Create, Err(Error::Exists)),
        (OpenIf, Ok(OpenOutcome::Opened)),
        (Overwrite, Ok(OpenOutcome::Overwritten)),
        (Supersede, Ok(OpenOutcome::Superseded)),
    ] {
        let answer = fs.ask("file", stream("side", with(ALL, disposition, 0)));
        assert_eq!(answer.as_ref().map(|opened| opened.outcome).map_err(Clone::clone), wanted);
        if let Ok(opened) = answer {
            assert_eq!(opened.attr.size, if wanted == Ok(OpenOutcome::Opened) { 6 } else { 0 });
            fs.close(opened.handle);
        }
    }
    assert_eq!(fs.read_text("file"), "content", "the file's own content is another matter");
    assert_eq!(fs.ask("file", stream("side", DIRECTORY)), Err(Error::NotADirectory));
    assert!(matches!(fs.ask("file", stream("a:b", ALL)), Err(Error::BadName(_))));
}

#[test]
fn a_file_is_made_for_its_stream() {
    let fs = Fs::new();
    assert_eq!(fs.ask("file", stream("side", READING)), Err(Error::NotFound));
    assert!(!fs.exists("file"));
    let opened = fs.ask("file", stream("side", ALL)).unwrap();
    assert_eq!((opened.outcome, names(&fs, "file")), (OpenOutcome::Created, vec!["side".into()]));
    fs.close(opened.handle);
    assert_eq!(fs.delete_path("file", DELETE), Ok(()));
    assert!(!fs.exists("file"));
}

#[test]
fn directories_have_streams_too() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    let handle = fs.wopen("dir", stream("side", ALL));
    fs.put(handle, 0, "beside");
    assert_eq!(fs.get(handle, 0, 9), b"beside");
    assert_eq!(fs.windows_lock(handle, 0, 1, true, 0), Ok(()));
}

#[test]
fn streams_are_shared_by_themselves_but_deleted_with_their_file() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.close(fs.wopen("file", stream("side", ALL)));
    let alone = fs.wopen("file", stream("side", WindowsOpen { share: 0, ..READING }));
    assert_eq!(fs.ask("file", stream("side", READING)), Err(Error::SharingViolation));
    assert_eq!(fs.ask("file", DELETING), Err(Error::SharingViolation), "it holds the file against deletion");
    fs.close(fs.wopen("file", WindowsOpen { share: 0, ..READING }));
    fs.close(alone);
    let _deleting = fs.wopen("file", DELETING);
    let denies = WindowsOpen { share: 3, ..READING };
    assert_eq!(fs.ask("file", stream("side", denies)), Err(Error::SharingViolation));
    assert!(fs.ask("file", stream("side", READING)).is_ok());
}

#[test]
fn a_stream_is_deleted_by_its_last_handle_and_its_file_stays() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let (one, two) = (fs.wopen("file", stream("side", ALL)), fs.wopen("file", stream("side", ALL)));
    fs.put(one, 0, "beside");
    fs.windows_dispose(one, DELETE).unwrap();
    assert!(fs.windows_info(two).unwrap().delete_pending);
    assert_eq!(fs.ask("file", stream("side", READING)), Err(Error::DeletePending));
    assert!(fs.ask("file", READING).is_ok());
    fs.close(one);
    assert_eq!(names(&fs, "file"), ["side"]);
    assert_eq!(fs.get(two, 0, 9), b"beside");
    fs.close(two);
    assert!(names(&fs, "file").is_empty());
    let on_close = WindowsOpen { options: options::DELETE_ON_CLOSE, ..ALL };
    fs.close(fs.wopen("file", stream("side", on_close)));
    assert!(names(&fs, "file").is_empty());
    assert_eq!(fs.read_text("file"), "content");
}

#[test]
fn deleting_a_file_deletes_its_streams() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let handle = fs.wopen("file", stream("side", ALL));
    fs.put(handle, 0, "beside");
    fs.delete_path("file", DELETE).unwrap();
    assert!(fs.exists("file"), "a stream of it is open");
    assert_eq!(fs.ask("file", stream("side", READING)), Err(Error::DeletePending));
    fs.close(handle);
    assert!(!fs.exists("file"));
}

#[test]
fn overwriting_a_file_removes_its_streams_but_those_that_are_open() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    fs.close(fs.wopen("file", stream("closed", ALL)));
    let open = fs.wopen("file", stream("open", ALL));
    fs.put(open, 0, "beside");
    fs.close(fs.wopen("file", with(ALL, Disposition::Overwrite, 0)));
    assert_eq!(names(&fs, "file"), ["open"]);
    assert_eq!(fs.get(open, 0, 9), b"beside");
    assert!(!fs.windows_info(open).unwrap().delete_pending);
    let again = fs.wopen("file", stream("open", READING));
    fs.close(open);
    fs.close(again);
    assert_eq!(names(&fs, "file"), ["open"], "it stays without its handles as well");
    fs.close(fs.wopen("file", with(ALL, Disposition::Supersede, 0)));
    assert!(names(&fs, "file").is_empty());
    // To empty a stream leaves the others.
    fs.close(fs.wopen("file", stream("one", ALL)));
    fs.close(fs.wopen("file", stream("two", with(ALL, Disposition::Supersede, 0))));
    assert_eq!(names(&fs, "file"), ["one", "two"]);
}

#[test]
fn open_streams_stand_against_the_rename_of_their_file() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let handle = fs.wopen("file", DELETING);
    let side = fs.wopen("file", stream("side", ALL));
    assert_eq!(fs.rename_handle(handle, "other", MOVE), Err(Error::AccessDenied));
    assert_eq!(fs.rename_handle(handle, "other", POSIX_REPLACE), Ok(()));
    fs.close(side);
    assert_eq!(fs.rename_handle(handle, "file", MOVE), Ok(()));
}

#[test]
fn a_stream_is_renamed_within_its_file() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let side = fs.wopen("file", stream("side", ALL));
    fs.close(fs.wopen("file", stream("taken", ALL)));
    let to = |path: &'static str| RenameTo { from: None, path: path.as_bytes() };
    assert_eq!(fs.windows_rename(&ROOT, side, to(":new"), MOVE), Ok(()));
    assert_eq!(names(&fs, "file"), ["new", "taken"]);
    assert_eq!(fs.windows_rename(&ROOT, side, to(":taken:$DATA"), MOVE), Err(Error::Exists));
    assert_eq!(fs.windows_rename(&ROOT, side, to(":taken:$DATA"), REPLACE), Ok(()));
    assert_eq!(names(&fs, "file"), ["taken"]);
    assert!(matches!(fs.windows_rename(&ROOT, side, to("other"), MOVE), Err(Error::Invalid(_))));
    let file = fs.wopen("file", ALL);
    assert!(matches!(fs.windows_rename(&ROOT, file, to(":side"), MOVE), Err(Error::Invalid(_))));
    assert!(matches!(fs.link_handle(side, "link", MOVE), Err(Error::Invalid(_))));
}

#[test]
fn locks_on_a_stream_are_not_on_its_file() {
    let fs = Fs::new();
    fs.write_file("file", "content");
    let (file, side, again) =
        (fs.wopen("file", ALL), fs.wopen("file", stream("side", ALL)), fs.wopen("file", stream("side", ALL)));
    fs.windows_lock(side, 0, 10, true, 0).unwrap();
    assert_eq!(fs.windows_lock(file, 0, 10, true, 0), Ok(()));
    assert_eq!(fs.windows_lock(again, 0, 10, true, 0), Err(Error::WouldBlock));
    let write = fs.write(&ROOT, NodeId::ROOT, Some(again), WriteAt::Offset(0), b"x");
    assert_eq!(write, Err(Error::LockConflict));
    fs.close(side);
    assert_eq!(fs.windows_lock(again, 0, 10, true, 0), Ok(()));
}

#[test]
fn on_a_volume_with_windows_names_a_colon_names_a_stream() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, ..Config::default() });
    fs.close(fs.wopen("\\file:side", ALL));
    fs.close(fs.wopen("FILE:Side:$data", READING));
    assert_eq!(names(&fs, "file"), ["side"]);
    let content = fs.ask("file::$DATA", READING).unwrap();
    assert_eq!(content.outcome, OpenOutcome::Opened);
    for bad in ["file:", "file:side:$OTHER", "file:a\\b"] {
        assert!(matches!(fs.ask(bad, ALL), Err(Error::BadName(_))), "{bad}");
    }
    // From a handle, without a name: a stream of what it has open.
    let from = fs.windows_open(&ROOT, OpenFrom::Handle(content.handle), b":side", &READING).unwrap();
    assert_eq!((from.node, from.attr.size), (content.node, 0));
}

#[test]
fn a_stream_needs_the_rights_that_its_file_asks() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.close(fs.wopen("file", stream("side", ALL)));
    fs.chmod("file", 0o644);
    let stranger = user(9, 9);
    assert!(fs.ask_as(&stranger, "file", stream("side", READING)).is_ok());
    assert_eq!(fs.ask_as(&stranger, "file", stream("side", WRITING)), Err(Error::AccessDenied));
    let make = WindowsOpen { access: rights::READ_DATA, disposition: Disposition::OpenIf, ..READING };
    assert_eq!(fs.ask_as(&stranger, "file", stream("new", make)), Err(Error::AccessDenied));
    assert_eq!(names(&fs, "file"), ["side"]);
    let frozen = fs.frozen("snapshot");
    assert!(frozen.ask("file", stream("side", READING)).is_ok());
    assert_eq!(frozen.ask("file", stream("new", ALL)), Err(Error::ReadOnly));
}

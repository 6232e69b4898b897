//! What watchers of Windows and macOS need of change events: filters, paths, subtrees, streams, what they call it.

use std::time::Duration;

use bough::{
    Changes, Config, Disposition, Error, Event, EventKind, Events, NamePolicy, Next, OpenOptions, RenameMode, SetAttr,
    Watch, WindowsOpen, XattrMode,
};

use crate::support::windows::{ALL, Windows, with};
use crate::support::*;

const PATHS: Watch =
    Watch { capacity: 64, others_only: false, filter: Changes::ALL, directory: None, subtree: false, paths: true };

fn drained(events: &Events) -> Vec<Event> {
    std::iter::from_fn(|| match events.next(Duration::ZERO) {
        Next::Event(event) => Some(event),
        _ => None,
    })
    .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Kind, path and new path of what was told.
fn told(events: &Events) -> Vec<(EventKind, String, String)> {
    drained(events).iter().map(|event| (event.kind, text(&event.path), text(&event.new_path))).collect()
}

fn one(kind: EventKind, path: &str) -> (EventKind, String, String) {
    (kind, path.into(), String::new())
}

fn moved(path: &str, new_path: &str) -> (EventKind, String, String) {
    (EventKind::Renamed, path.into(), new_path.into())
}

#[test]
fn a_filter_leaves_out_what_touches_nothing_of_it() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let watch = |filter| fs.watch(Watch { filter, ..Watch::default() }).unwrap();
    let (sizes, names, dirs, security) = (
        watch(Changes::SIZE),
        watch(Changes::FILE_NAME),
        watch(Changes::DIRECTORY_NAME),
        watch(Changes::SECURITY.with(Changes::XATTRS)),
    );
    let kinds = |events: &Events| drained(events).iter().map(|event| event.kind).collect::<Vec<_>>();
    let handle = fs.open("file", WRITE);
    fs.put(handle, 0, "y");
    assert_eq!(kinds(&sizes), [], "overwritten in place");
    fs.put(handle, 1, "z");
    fs.truncate("file", 0);
    fs.mkdir_p("dir");
    fs.move_to("file", "dir/file");
    fs.chmod("dir/file", 0o600);
    fs.path_set_xattr(&ROOT, at("dir"), b"user.x", b"", XattrMode::Set).unwrap();
    assert_eq!(kinds(&sizes), [EventKind::Content, EventKind::Content]);
    assert_eq!(kinds(&names), [EventKind::Renamed]);
    assert_eq!(kinds(&dirs), [EventKind::Created]);
    assert_eq!(kinds(&security), [EventKind::Attributes, EventKind::Attributes]);
    assert!(matches!(fs.watch(Watch { filter: Changes::NONE, ..PATHS }).err(), Some(Error::Invalid(_))));
}

#[test]
fn every_attribute_that_is_set_is_told_by_its_own_bit() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let events = fs.watch(Watch { capacity: 64, ..Watch::default() }).unwrap();
    let now = Some(bough::SetTime::Now);
    let time = Some(bough::Time(5));
    let cases = [
        (SetAttr { mode: Some(0o600), ..SetAttr::default() }, Changes::SECURITY),
        (SetAttr { uid: Some(1), ..SetAttr::default() }, Changes::SECURITY.with(Changes::OWNER)),
        (SetAttr { accessed: now, ..SetAttr::default() }, Changes::LAST_ACCESS),
        (SetAttr { modified: now, ..SetAttr::default() }, Changes::LAST_WRITE),
        (SetAttr { born: time, ..SetAttr::default() }, Changes::CREATION),
        (SetAttr { flags: Some(bough::flags::HIDDEN), ..SetAttr::default() }, Changes::ATTRIBUTES),
        (SetAttr { size: Some(9), ..SetAttr::default() }, Changes::SIZE.with(Changes::LAST_WRITE)),
    ];
    for (set, changes) in cases {
        fs.set("file", set);
        assert_eq!(drained(&events).iter().map(|event| event.changes).collect::<Vec<_>>(), [changes], "{set:?}");
    }
}

#[test]
fn paths_are_those_at_the_time_of_the_change_whatever_moved_since() {
    let fs = Fs::new();
    fs.mkdir_p("a/b");
    fs.write_file("a/b/file", "");
    let events = fs.watch(PATHS).unwrap();
    fs.chmod("a/b/file", 0o600);
    fs.write_file("a/b/new", "content");
    fs.move_to("a", "c");
    fs.chmod("c/b/file", 0o644);
    fs.move_to("c/b/file", "file");
    fs.remove_file("c/b/new");
    fs.remove_dir("c/b");
    fs.move_as("c", "file", RenameMode::Exchange).unwrap();
    let expected = [
        one(EventKind::Attributes, "/a/b/file"),
        one(EventKind::Created, "/a/b/new"),
        one(EventKind::Content, "/a/b/new"),
        moved("/a", "/c"),
        one(EventKind::Attributes, "/c/b/file"),
        moved("/c/b/file", "/file"),
        one(EventKind::Removed, "/c/b/new"),
        one(EventKind::Removed, "/c/b"),
        (EventKind::Exchanged, "/c".into(), "/file".into()),
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn paths_are_right_while_directories_move_all_the_time() {
    let fs = Fs::new();
    fs.mkdir_p("x/sub");
    fs.write_file("x/sub/file", "");
    let events = fs.watch(Watch { capacity: 1 << 16, ..PATHS }).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300 {
                let (from, to) = if round % 2 == 0 { ("x", "y") } else { ("y", "x") };
                fs.path_write(&ROOT, at(&format!("{from}/sub/{round}")), b"").unwrap();
                fs.move_to(from, to);
            }
        });
        let (mut at_x, mut round) = (true, 0);
        while round < 300 {
            let Next::Event(event) = events.next(Duration::from_secs(120)) else { panic!("no event") };
            let here = if at_x { "/x" } else { "/y" };
            match event.kind {
                EventKind::Created => assert_eq!(text(&event.path), format!("{here}/sub/{round}")),
                EventKind::Renamed => {
                    assert_eq!(text(&event.path), here);
                    (at_x, round) = (!at_x, round + 1);
                }
                other => assert_eq!(other, EventKind::Content),
            }
        }
    });
}

#[test]
fn a_watch_of_a_directory_tells_of_its_entries_and_with_subtree_of_all_below() {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    fs.mkdir_p("other");
    let directory = Some(fs.node("dir"));
    let (flat, deep) = (
        fs.watch(Watch { directory, ..PATHS }).unwrap(),
        fs.watch(Watch { directory, subtree: true, ..PATHS }).unwrap(),
    );
    fs.write_file("other/no", "");
    fs.write_file("dir/yes", "");
    fs.write_file("dir/sub/deep", "");
    fs.chmod("dir/sub", 0o700);
    fs.chmod("dir", 0o700);
    let near = [one(EventKind::Created, "/dir/yes"), one(EventKind::Attributes, "/dir/sub")];
    assert_eq!(told(&flat), near);
    let [yes, sub] = near;
    assert_eq!(told(&deep), [yes, one(EventKind::Created, "/dir/sub/deep"), sub]);
    fs.write_file("file", "");
    assert_eq!(fs.watch(Watch { directory: Some(fs.node("file")), ..PATHS }).err(), Some(Error::NotADirectory));
}

#[test]
fn a_move_across_the_border_of_a_watch_is_told_as_a_name_that_appears_or_goes() {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    fs.write_file("file", "");
    let watch = Watch { directory: Some(fs.node("dir")), subtree: true, ..PATHS };
    let events = fs.watch(watch).unwrap();
    fs.move_to("file", "dir/sub/file");
    fs.move_to("dir/sub/file", "dir/file");
    fs.move_to("dir/file", "out");
    let expected = [
        one(EventKind::Created, "/dir/sub/file"),
        moved("/dir/sub/file", "/dir/file"),
        one(EventKind::Removed, "/dir/file"),
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn changes_of_named_streams_are_told_with_their_names() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let node = fs.node("file");
    let events = fs.watch(PATHS).unwrap();
    let options = OpenOptions { read: true, write: true, ..OpenOptions::default() };
    let handle = fs.open_stream(&ROOT, node, b"Name", options, true).unwrap();
    fs.put(handle, 0, "content");
    fs.put(handle, 0, "C");
    fs.release(handle).unwrap();
    fs.rename_stream(&ROOT, node, b"Name", b"new", false).unwrap();
    fs.remove_stream(&ROOT, node, b"new").unwrap();
    let told: Vec<_> = drained(&events)
        .iter()
        .map(|event| (event.kind, text(&event.path), text(&event.stream), event.changes))
        .collect();
    let (written, named) = (Changes::STREAM_WRITE, Changes::STREAM_NAME);
    let expected = [
        (EventKind::StreamCreated, "Name", named),
        (EventKind::StreamContent, "Name", written.with(Changes::STREAM_SIZE)),
        (EventKind::StreamContent, "Name", written),
        (EventKind::StreamRemoved, "Name", named),
        (EventKind::StreamCreated, "new", named),
        (EventKind::StreamRemoved, "new", named),
    ];
    assert_eq!(told, expected.map(|(kind, stream, changes)| (kind, "/file".into(), stream.into(), changes)));
}

#[test]
fn streams_that_go_with_an_overwritten_file_are_told_of() {
    let fs = Fs::new();
    let beside = |name: &'static str| WindowsOpen { stream: name.as_bytes(), ..ALL };
    fs.write_file("file", "content");
    for name in ["one", "open", "two"] {
        fs.close(fs.wopen("file", beside(name)));
    }
    let open = fs.wopen("file", beside("open"));
    let events = fs.watch(PATHS).unwrap();
    fs.close(fs.wopen("file", with(ALL, Disposition::Overwrite, 0)));
    let told = drained(&events);
    let removed = told.iter().filter(|event| event.kind == EventKind::StreamRemoved);
    let removed: Vec<_> = removed.map(|event| (&event.path[..], &event.stream[..], event.changes)).collect();
    let gone = |name| (&b"/file"[..], name, Changes::STREAM_NAME);
    assert_eq!(removed, [gone(&b"one"[..]), gone(&b"two"[..])]);
    fs.close(open);
    assert!(drained(&events).iter().all(|event| event.kind != EventKind::StreamRemoved));
}

#[test]
fn names_are_told_as_they_are_stored() {
    let fs = Fs::of(Config { names: NamePolicy::Windows, root_mode: 0o777, ..Config::default() });
    fs.mkdir_p("Dir");
    fs.write_file("Dir/File", "");
    fs.write_file("Dir/Other", "");
    let events = fs.watch(PATHS).unwrap();
    fs.chmod("dir/FILE", 0o600);
    fs.move_to("DIR/file", "dir/OTHER");
    fs.remove_file("dir/other");
    let expected = [
        one(EventKind::Attributes, "/Dir/File"),
        one(EventKind::Removed, "/Dir/Other"),
        moved("/Dir/File", "/Dir/OTHER"),
        one(EventKind::Removed, "/Dir/OTHER"),
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn a_watch_with_paths_that_overflows_says_so_at_once() {
    let fs = Fs::new();
    let events = fs.watch(Watch { capacity: 3, ..PATHS }).unwrap();
    (0..5).for_each(|number| fs.mkdir_p(&format!("d{number}")));
    assert_eq!(events.next(Duration::ZERO), Next::Overflow, "what waited has no certain place any more");
    fs.mkdir_p("after");
    assert_eq!(told(&events), [one(EventKind::Created, "/after")]);
}

#[test]
fn what_is_done_through_the_view_itself_can_be_left_out_and_paths_stay_right() {
    let fs = Fs::new();
    let second = fs.view_of(fs.main());
    fs.mkdir_p("dir");
    let events = fs.watch(Watch { others_only: true, ..PATHS }).unwrap();
    second.write_file("dir/file", "");
    fs.move_to("dir", "mine");
    second.chmod("mine/file", 0o600);
    assert_eq!(told(&events), [one(EventKind::Created, "/dir/file"), one(EventKind::Attributes, "/mine/file")]);
}

#[test]
fn events_say_what_windows_and_macos_call_them() {
    let fs = Fs::new();
    let events = fs.watch(PATHS).unwrap();
    fs.mkdir_p("dir");
    fs.write_file("file", "x");
    fs.move_to("file", "dir/file");
    fs.chown("dir/file", 1, 1);
    fs.path_set_xattr(&ROOT, at("dir/file"), b"com.apple.FinderInfo", &[0; 32], XattrMode::Set).ok();
    fs.path_set_xattr(&ROOT, at("dir/file"), b"user.x", b"", XattrMode::Set).unwrap();
    fs.remove_file("dir/file");
    let told: Vec<_> = drained(&events).iter().map(|event| (event.windows_action(), event.fsevents_flags())).collect();
    let (file, dir) = (0x1_0000, 0x2_0000);
    let mut expected = vec![
        (1, 0x100 | dir),
        (1, 0x100 | file),
        (3, 0x1000 | file),
        (4, 0x800 | file),
        (3, 0x4000 | 0x400 | file),
        (3, 0x8000 | file),
        (2, 0x200 | file),
    ];
    if told.len() > expected.len() {
        // Where Finder info can be stored.
        expected.insert(5, (3, 0x8000 | 0x2000 | file));
    }
    assert_eq!(told, expected);
}

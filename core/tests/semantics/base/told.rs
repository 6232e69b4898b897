//! What those who watch a branch are told of changes in the base beneath it, and what directories say of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime};

use bough::{EventKind, Events, Next, SetAttr, SetTime, Time, Watch};

use super::Place;
use crate::support::*;

/// Told within seconds, whatever else is told.
fn hears(events: &Events, kind: EventKind, path: &str) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(120) {
        if let Next::Event(event) = events.next(Duration::from_millis(50))
            && (event.kind, &*event.path) == (kind, path.as_bytes())
        {
            return true;
        }
    }
    false
}

#[test]
fn a_watcher_that_asks_for_paths_is_told_those_of_changes_in_the_base() {
    let place = Place::new();
    let watch = |path: Option<&str>| {
        let directory = path.map(|path| place.node(path));
        place.watch(Watch { directory, subtree: true, paths: true, ..Watch::default() }).unwrap()
    };
    let (all, dir, empty) = (watch(None), watch(Some("dir")), watch(Some("empty")));
    // Directories are watched from when they are looked at.
    for path in ["file", "dir/inner", "dir/sub/deep"] {
        place.read_text(path);
    }
    place.move_to("dir", "moved");
    fs::write(place.host("dir/sub/new"), "new").unwrap();
    fs::write(place.host("dir/sub/deep"), "deeper").unwrap();
    fs::remove_file(place.host("file")).unwrap();
    assert!(hears(&dir, EventKind::Created, "/moved/sub/new"), "by the path that it has in the branch");
    assert!(hears(&all, EventKind::Content, "/moved/sub/deep"));
    assert!(hears(&all, EventKind::Removed, "/file"));
    assert!(matches!(empty.next(Duration::ZERO), Next::Timeout), "nothing happened there");
}

#[test]
fn a_watcher_is_not_told_of_what_the_branch_hides_or_has_changed_itself() {
    let place = Place::new();
    let events = place.watch(Watch { paths: true, ..Watch::default() }).unwrap();
    place.read_text("dir/inner");
    place.write_file("file", "ours");
    place.remove_file("dir/sub/deep");
    while matches!(events.next(Duration::ZERO), Next::Event(_)) {}
    fs::write(place.host("file"), "theirs").unwrap();
    fs::remove_file(place.host("dir/sub/deep")).unwrap();
    fs::write(place.host("dir/sub/deep"), "again").unwrap();
    fs::write(place.host("dir/last"), "").unwrap();
    let mut paths = Vec::new();
    while !paths.contains(&"/dir/last".to_owned()) {
        match events.next(Duration::from_secs(120)) {
            Next::Event(event) => paths.push(String::from_utf8_lossy(&event.path).into_owned()),
            next => panic!("{next:?} after {paths:?}"),
        }
    }
    assert!(!paths.contains(&"/file".to_owned()) && !paths.contains(&"/dir/sub/deep".to_owned()), "{paths:?}");
}

#[test]
fn a_directory_that_was_copied_up_tells_of_what_comes_and_goes_beneath_it() {
    let place = Place::new();
    place.chmod("dir/sub/deep", 0o600);
    let before = place.stat("dir");
    assert_eq!(before.links, 3);
    std::thread::sleep(Duration::from_millis(60));
    fs::create_dir(place.host("dir/more")).unwrap();
    let host = fs::metadata(place.host("dir")).unwrap();
    let now = place.stat("dir");
    assert_eq!((now.links, now.modified), (4, Time::new(host.mtime(), host.mtime_nsec() as u32)));
    assert!(now.changed > before.changed && now.inode == before.inode);
    place.remove_dir("dir/more");
    assert_eq!(place.stat("dir").links, 3, "what is hidden does not count");
    fs::remove_dir_all(place.host("dir/sub")).unwrap();
    assert_eq!(place.stat("dir").links, 3, "what was copied up stays");
    // What is set here is what it is, until the base changes once more. (The clock of these tests is not the host's.)
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Time::new(now.as_secs() as i64, now.subsec_nanos());
    let old = SetAttr { modified: Some(SetTime::At(Time::new(5, 6))), changed: Some(now), ..SetAttr::default() };
    place.set_attr(&ROOT, place.node("dir"), None, &old).unwrap();
    assert_eq!(place.stat("dir").modified, Time::new(5, 6));
    std::thread::sleep(Duration::from_millis(60));
    fs::write(place.host("dir/late"), "").unwrap();
    assert!(place.stat("dir").modified > Time::new(5, 6));
}

#[test]
fn what_is_looked_at_of_a_base_costs_little_and_what_is_only_listed_next_to_nothing() {
    let place = Place::new();
    for number in 0..3_000 {
        fs::write(place.host(&format!("empty/a-name-that-takes-some-bytes-{number}")), "").unwrap();
    }
    let used = || place.volume.stats().used_bytes;
    let before = used();
    let names = place.names("empty");
    assert_eq!(names.len(), 3_000);
    let listed = used().saturating_sub(before);
    assert!(listed < 3_000 * 200, "{listed} bytes for a listing of 3,000 names");
    for name in &names {
        place.stat(&format!("empty/{name}"));
    }
    let looked_at = used().saturating_sub(before);
    assert!((3_000 * 100..3_000 * 600).contains(&looked_at), "{looked_at} bytes for 3,000 files that were looked at");
    // Nor does it grow by looking again.
    for name in &names {
        place.stat(&format!("empty/{name}"));
    }
    assert!(used().saturating_sub(before) <= looked_at + (64 << 10), "{} after {looked_at}", used() - before);
}

#[test]
fn what_a_frozen_base_remembers_is_counted() {
    let place = Place::frozen();
    for number in 0..3_000 {
        fs::write(place.host(&format!("empty/a-name-that-takes-some-bytes-{number}")), "").unwrap();
    }
    let used = || place.volume.stats().used_bytes;
    let before = used();
    assert_eq!(place.names("empty").len(), 3_000);
    let listed = used() - before;
    assert!(listed > 3_000 * 60, "{listed} bytes for 3,000 names");
    for name in place.names("empty") {
        place.stat(&format!("empty/{name}"));
    }
    assert!(used() - before > listed + 3_000 * 200, "and for what was looked at");
}

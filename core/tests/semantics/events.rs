//! Change events: what is told, to whom, and what happens when nobody listens for long.

use std::time::Duration;

use bough::limits::EVENT_QUEUE;
use bough::{Config, Error, Event, EventKind, Events, InodeId, NodeId, RefId, RenameMode, Watch, XattrMode};

use crate::support::*;

fn next(events: &Events) -> bough::Next {
    events.next(Duration::ZERO)
}

fn drained(events: &Events) -> Vec<Event> {
    std::iter::from_fn(|| match next(events) {
        bough::Next::Event(event) => Some(event),
        _ => None,
    })
    .collect()
}

fn told(events: &Events) -> Vec<(EventKind, InodeId, String)> {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    drained(events).iter().map(|event| (event.kind, event.parent, text(&event.name))).collect()
}

#[test]
fn every_change_is_told_with_inode_parent_and_name() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    let dir = fs.stat("dir").inode;
    let (none, root) = (InodeId(0), InodeId::ROOT);
    let events = fs.events(64, false).unwrap();
    fs.mkdir_p("dir/sub");
    fs.symlink("x", "dir/link");
    assert_eq!(told(&events), [(EventKind::Created, dir, "sub".into()), (EventKind::Created, dir, "link".into())]);
    let handle = fs.path_open(&ROOT, at("file"), BOTH, Some(0o644)).unwrap();
    fs.put(handle, 0, "x");
    assert_eq!(told(&events), [(EventKind::Created, root, "file".into()), (EventKind::Content, none, "".into())]);
    fs.truncate("file", 0);
    fs.chmod("file", 0o600);
    fs.path_set_xattr(&ROOT, at("file"), b"user.x", b"", XattrMode::Set).unwrap();
    fs.path_remove_xattr(&ROOT, at("file"), b"user.x").unwrap();
    let kinds: Vec<EventKind> = told(&events).into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, [EventKind::Content, EventKind::Attributes, EventKind::Attributes, EventKind::Attributes]);
    fs.hard_link("file", "dir/second");
    fs.remove_file("file");
    fs.remove_dir("dir/sub");
    let expected =
        [(EventKind::Created, dir, "second"), (EventKind::Removed, root, "file"), (EventKind::Removed, dir, "sub")];
    assert_eq!(told(&events), expected.map(|(kind, parent, name)| (kind, parent, name.into())));
}

#[test]
fn a_rename_tells_both_names_and_an_exchange_too() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.write_file("a", "");
    fs.write_file("dir/b", "");
    let (dir, a, b) = (fs.stat("dir").inode, fs.stat("a").inode, fs.stat("dir/b").inode);
    let events = fs.events(64, false).unwrap();
    fs.move_as("a", "dir/b", RenameMode::Exchange).unwrap();
    fs.move_to("dir/b", "c");
    let told = drained(&events);
    let names = |event: &Event| (event.parent, event.name.to_vec(), event.new_parent, event.new_name.to_vec());
    assert_eq!((told[0].kind, told[0].inode, told[0].other, told[0].origin), (EventKind::Exchanged, a, b, fs.id()));
    assert_eq!(names(&told[0]), (InodeId::ROOT, b"a".to_vec(), dir, b"b".to_vec()));
    assert_eq!((told[1].kind, told[1].inode), (EventKind::Renamed, a));
    assert_eq!(names(&told[1]), (dir, b"b".to_vec(), InodeId::ROOT, b"c".to_vec()));
    assert_eq!(told.len(), 2);
}

#[test]
fn reading_and_failing_are_not_told() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let events = fs.events(64, false).unwrap();
    fs.read_file("file");
    fs.names("/");
    drop(fs.path_unlink(&ROOT, at("none")));
    drop(fs.path_rmdir(&ROOT, at("file")));
    fs.move_to("file", "file");
    fs.snapshot("s");
    assert_eq!(next(&events), bough::Next::Timeout);
}

#[test]
fn a_full_queue_says_that_it_overflowed_and_goes_on() {
    let fs = Fs::new();
    let events = fs.events(3, false).unwrap();
    (0..5).for_each(|number| fs.mkdir_p(&format!("d{number}")));
    let names: Vec<String> = told(&events).into_iter().map(|(.., name)| name).collect();
    assert_eq!(names, ["d0", "d1", "d2"], "what came before the overflow");
    // `told` took the one overflow that was there; nothing is lost after it.
    fs.mkdir_p("after");
    assert_eq!(told(&events).len(), 1);
    (0..4).for_each(|number| fs.mkdir_p(&format!("e{number}")));
    (0..3).for_each(|_| assert!(matches!(next(&events), bough::Next::Event(_))));
    assert_eq!(next(&events), bough::Next::Overflow);
    assert_eq!(next(&events), bough::Next::Timeout);
}

#[test]
fn others_only_leaves_out_what_the_view_itself_does() {
    let fs = Fs::new();
    let second = fs.view_of(fs.main());
    let (others, all) = (fs.events(64, true).unwrap(), fs.events(64, false).unwrap());
    fs.mkdir_p("mine");
    second.mkdir_p("theirs");
    let told = drained(&others);
    assert_eq!(told.len(), 1);
    assert_eq!((&*told[0].name, told[0].origin), (&b"theirs"[..], second.id()));
    assert_eq!(drained(&all).len(), 2);
    drop(all);
    fs.mkdir_p("mine again");
    second.mkdir_p("theirs again");
    assert_eq!(drained(&others).len(), 1, "as the only subscriber too");
}

#[test]
fn other_branches_are_not_told_of() {
    let fs = Fs::new();
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    let (here, there) = (fs.events(8, false).unwrap(), branch.events(8, false).unwrap());
    branch.mkdir_p("x");
    assert_eq!((next(&here), drained(&there).len()), (bough::Next::Timeout, 1));
}

#[test]
fn a_subscription_waits_for_the_next_change() {
    let fs = Fs::new();
    let events = fs.events(8, false).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| events.next(Duration::from_secs(120)));
        std::thread::sleep(Duration::from_millis(20));
        fs.mkdir_p("x");
        assert!(matches!(waiter.join().unwrap(), bough::Next::Event(_)));
    });
    assert_eq!(events.next(Duration::from_millis(5)), bough::Next::Timeout);
}

#[test]
fn a_subscription_ends_when_it_is_closed_or_the_branch_has_no_views_any_more() {
    let fs = Fs::new();
    let events = fs.events(8, false).unwrap();
    fs.mkdir_p("x");
    events.close();
    assert!(matches!(next(&events), bough::Next::Event(_)), "what was told before stays");
    assert_eq!(next(&events), bough::Next::Closed);
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    let events = branch.events(8, false).unwrap();
    drop(branch);
    assert_eq!(events.next(Duration::from_secs(120)), bough::Next::Closed);
}

#[test]
fn a_queue_holds_1_to_1_048_576_events() {
    let fs = Fs::new();
    for capacity in [0, EVENT_QUEUE + 1] {
        assert!(matches!(fs.events(capacity, false).err(), Some(Error::Invalid(_))));
    }
    assert!(fs.events(EVENT_QUEUE, false).is_ok());
    let one = fs.events(1, false).unwrap();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    assert!(matches!(next(&one), bough::Next::Event(_)));
    assert_eq!(next(&one), bough::Next::Overflow);
}

#[test]
fn events_that_wait_count_as_memory_and_a_queue_takes_a_sixteenth_of_it_at_most() {
    const LIMIT: u64 = 16 << 20;
    let fs = Fs::of(Config { memory_bytes: Some(LIMIT), ..Config::default() });
    fs.write_file("file", "x");
    let used = || fs.volume.stats().used_bytes;
    let before = used();
    let events = fs.events(EVENT_QUEUE, false).unwrap();
    (0..20_000).for_each(|round| fs.chmod("file", 0o600 + round % 8));
    let waiting = used() - before;
    assert!(waiting > LIMIT / 32 && waiting < LIMIT / 8, "{waiting}");
    let told =
        std::iter::repeat_with(|| next(&events)).take_while(|next| matches!(next, bough::Next::Event(_))).count();
    assert!(told > 500 && told < 20_000, "{told}");
    assert!(used().abs_diff(before) < 64 << 10, "{} of {before} once they are taken", used());
    fs.chmod("file", 0o700);
    assert!(matches!(next(&events), bough::Next::Event(_)), "it goes on after the overflow was told");
}

#[test]
fn a_queue_that_nobody_empties_goes_with_its_subscription() {
    let fs = Fs::new();
    let used = || fs.volume.stats().used_bytes;
    fs.mkdir_p("a");
    let before = used();
    for places in [false, true] {
        let events = fs.watch(Watch { paths: places, ..Watch::default() }).unwrap();
        for _ in 0..500 {
            fs.move_to("a", "b");
            fs.move_to("b", "a");
        }
        assert!(used() - before > 1000 * 100, "{}", used() - before);
        drop(events);
        assert!(used().abs_diff(before) < 8 << 10, "{} of {before}", used());
    }
}

#[test]
fn a_snapshot_has_no_events() {
    let fs = Fs::new();
    assert_eq!(fs.frozen("s").events(8, false).err(), Some(Error::NotSupported));
}

#[test]
fn unnamed_files_are_told_when_they_get_a_name() {
    let fs = Fs::new();
    let events = fs.events(8, false).unwrap();
    let (entry, _handle) = fs.create_unnamed(&ROOT, NodeId::ROOT, 0o600, BOTH).unwrap();
    assert_eq!(next(&events), bough::Next::Timeout);
    fs.link(&ROOT, entry.node, NodeId::ROOT, b"named").unwrap();
    assert_eq!(told(&events), [(EventKind::Created, InodeId::ROOT, "named".into())]);
}

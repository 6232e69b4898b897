//! Control messages: every request, and what is refused.

use std::sync::atomic::{AtomicI64, Ordering};

use bough::control::messages::*;
use bough::control::{self, Message, filled, message, text_of};
use bough::error::tables::code;
use bough::{Caller, Clock, Config, DiffKind, Error, OPERATIONS, Privileges, RefId, Time, ViewOptions};
use bytemuck::Zeroable;

use crate::support::*;

/// Sends a message; what goes wrong in carrying it out stands in its header.
fn send<M: Message>(fs: &Fs, message: &mut M) -> Result<(), (u32, String)> {
    fs.view.control(&ROOT, M::REQUEST, bytemuck::bytes_of_mut(message)).unwrap();
    let header = *message.header();
    if header.result == 0 { Ok(()) } else { Err((header.result, text_of(&header.text))) }
}

fn result_of<M: Message>(fs: &Fs, message: &mut M) -> u32 {
    send(fs, message).map_or_else(|(result, _)| result, |()| 0)
}

fn name(text: &str) -> fs_control_name {
    fs_control_name { bytes: filled(text.as_bytes()) }
}

fn text(name: &fs_control_name) -> String {
    text_of(&name.bytes)
}

fn unterminated() -> fs_control_name {
    fs_control_name { bytes: [b'x'; FS_CONTROL_NAME_BYTES] }
}

fn bad_name() -> u32 {
    code(&Error::BadRefName(""))
}

fn snapshot(fs: &Fs, called: &str) -> fs_control_snapshot {
    let mut request = fs_control_snapshot { name: name(called), ..message() };
    send(fs, &mut request).unwrap();
    request
}

#[test]
fn info_says_what_volume_and_view_are() {
    let fs = Fs::of(Config { name: "vol".into(), endpoint: "/run/x.sock".into(), ..Config::default() });
    let mut info: fs_control_info = message();
    send(&fs, &mut info).unwrap();
    assert_eq!((text(&info.volume), text(&info.shows)), ("vol".into(), "main".into()));
    assert_eq!((info.shows_id, info.shows_kind, info.flags), (fs.volume.first_branch().0, FS_REF_BRANCH, 0));
    assert_eq!((info.view, info.pid, info.ignores_case), (fs.id().0, std::process::id(), 0));
    assert_eq!((text_of(&info.label.bytes), text_of(&info.endpoint.bytes)), ("test".into(), "/run/x.sock".into()));
    let options = ViewOptions { read_only: true, no_access_time: true, confined: false };
    let view = fs.volume.view(fs.main(), "ro", options).unwrap();
    view.control(&ROOT, fs_control_info::REQUEST, bytemuck::bytes_of_mut(&mut info)).unwrap();
    assert_eq!(info.flags, FS_CONTROL_READ_ONLY | FS_CONTROL_NO_ACCESS_TIME);
}

#[test]
fn a_confined_view_answers_what_it_is_and_nothing_else() {
    let fs = Fs::of(Config { endpoint: "/run/x.sock".into(), ..Config::default() });
    fs.branch("other", fs.main());
    let options = ViewOptions { confined: true, ..ViewOptions::default() };
    let view = fs.volume.view(fs.main(), "in", options).unwrap();
    let mut info: fs_control_info = message();
    view.control(&ROOT, fs_control_info::REQUEST, bytemuck::bytes_of_mut(&mut info)).unwrap();
    assert_eq!((info.flags, text_of(&info.endpoint.bytes)), (FS_CONTROL_CONFINED, String::new()));
    let refused = |request: u32, bytes: &mut [u8]| view.control(&ROOT, request, bytes).unwrap_err();
    let mut switch = fs_control_switch { to: name("other"), ..message() };
    assert_eq!(refused(fs_control_switch::REQUEST, bytemuck::bytes_of_mut(&mut switch)), Error::NotPermitted);
    for request in (0..64).filter(|request| *request != fs_control_info::REQUEST) {
        assert_eq!(refused(request, &mut [0; 16]), Error::NotPermitted);
    }
    assert_eq!(view.info().shows, RefId::Branch(fs.volume.first_branch()));
}

#[test]
fn a_snapshot_is_taken_of_what_the_view_shows_or_of_a_named_branch() {
    let fs = Fs::new();
    fs.branch("other", fs.main());
    assert_eq!(text(&snapshot(&fs, "").name), "main@1");
    let taken = snapshot(&fs, "named");
    assert_eq!(
        (fs.volume.find("named").unwrap(), text(&taken.name)),
        (RefId::Snapshot(bough::SnapshotId(taken.id)), "named".into())
    );
    let mut of_other = fs_control_snapshot { branch: name("other"), ..message() };
    send(&fs, &mut of_other).unwrap();
    assert_eq!(text(&of_other.name), "other@1");
    let refused = |called: &str, branch: &str| {
        result_of(&fs, &mut fs_control_snapshot { name: name(called), branch: name(branch), ..message() })
    };
    assert_eq!(refused("named", ""), code(&Error::RefExists));
    assert_eq!(refused("x", "none"), code(&Error::NoSuchRef));
    assert_eq!(refused("x", "named"), code(&Error::Invalid("")), "a snapshot of a snapshot");
    assert_eq!(refused("a/b", ""), bad_name());
}

#[test]
fn refusals_say_why_in_words() {
    let fs = Fs::new();
    snapshot(&fs, "s");
    let (result, text) = send(&fs, &mut fs_control_snapshot { name: name("s"), ..message() }).unwrap_err();
    assert_eq!((result, text), (code(&Error::RefExists), Error::RefExists.to_string()));
}

#[test]
fn the_list_comes_in_pages_of_forty() {
    let fs = Fs::new();
    (0..60).for_each(|number| assert_ne!(snapshot(&fs, &format!("s{number}")).id, 0));
    fs.branch("b", fs.volume.find("s3").unwrap());
    let mut list: fs_control_list = message();
    send(&fs, &mut list).unwrap();
    assert_eq!((list.count as usize, text(&list.entries[0].name)), (FS_CONTROL_LIST_ENTRIES, "main".into()));
    let main = list.entries[0];
    assert_eq!((main.kind, main.views, main.inodes, main.parent_kind), (FS_REF_BRANCH, 1, 1, FS_REF_SNAPSHOT));
    assert_eq!((list.entries[4].kind, list.entries[4].children), (FS_REF_SNAPSHOT, 2));
    let last = list.entries[FS_CONTROL_LIST_ENTRIES - 1];
    let mut rest = fs_control_list { after_id: last.id, after_kind: last.kind, ..message() };
    send(&fs, &mut rest).unwrap();
    assert_eq!((rest.count, text(&rest.entries[21].name)), (22, "b".into()));
    assert_eq!(rest.entries[21].parent_id, list.entries[4].id);
    let end = rest.entries[21];
    let mut none = fs_control_list { after_id: end.id, after_kind: end.kind, ..message() };
    send(&fs, &mut none).unwrap();
    assert_eq!(none.count, 0);
}

#[test]
fn branches_are_grown_switched_renamed_and_deleted() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let mut grown = fs_control_branch { name: name("b"), ..message() };
    send(&fs, &mut grown).unwrap();
    assert_eq!(fs.volume.find("b"), Ok(RefId::Branch(bough::BranchId(grown.id))));
    assert_eq!(send(&fs, &mut fs_control_switch { to: name("b"), ..message() }), Ok(()));
    assert_eq!(fs.info().shows, fs.volume.find("b").unwrap());
    let rename =
        |from, to, kind| result_of(&fs, &mut fs_control_rename { from: name(from), to: name(to), kind, ..message() });
    assert_eq!(rename("b", "c", FS_REF_SNAPSHOT), code(&Error::Invalid("")), "a branch is no snapshot");
    assert_eq!((rename("b", "c", FS_REF_BRANCH), rename("main", "old", 0)), (0, 0));
    assert_eq!((rename("b", "x", 0), rename("c", "old", 0)), (code(&Error::NoSuchRef), code(&Error::RefExists)));
    let delete = |called, kind| result_of(&fs, &mut fs_control_delete { name: name(called), kind, ..message() });
    assert_eq!(delete("c", 0), code(&Error::Busy("")));
    assert_eq!(delete("old", FS_REF_SNAPSHOT), code(&Error::Invalid("")));
    assert_eq!((delete("old", FS_REF_BRANCH), delete("old", 0)), (0, code(&Error::NoSuchRef)));
    assert_eq!(result_of(&fs, &mut fs_control_switch { to: name("old"), ..message() }), code(&Error::NoSuchRef));
    let mut from_named = fs_control_branch { name: name("d"), from: name("c"), ..message() };
    assert_eq!(send(&fs, &mut from_named), Ok(()));
    assert_eq!(result_of(&fs, &mut from_named), code(&Error::RefExists));
}

#[test]
fn a_branch_is_deleted_as_a_list_had_it_or_not_at_all() {
    let fs = Fs::new();
    let id = RefId::Branch(fs.branch("b", fs.main()));
    let mut list: fs_control_list = message();
    send(&fs, &mut list).unwrap();
    let seen = list.entries.iter().find(|entry| text(&entry.name) == "b").unwrap().changes;
    drop(fs.view_of(id));
    let delete = |changes| result_of(&fs, &mut fs_control_delete { name: name("b"), changes, ..message() });
    assert_eq!(delete(seen), code(&Error::Stale));
    assert_eq!((delete(seen + 1), delete(0)), (0, code(&Error::NoSuchRef)));
}

#[test]
fn names_that_are_missing_unterminated_or_no_text_are_refused() {
    let fs = Fs::new();
    let bad = bad_name();
    let mut no_text = name("x");
    no_text.bytes[0] = 0xff;
    for wrong in [unterminated(), no_text] {
        assert_eq!(result_of(&fs, &mut fs_control_snapshot { name: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_snapshot { branch: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_branch { name: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_branch { name: name("x"), from: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_switch { to: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_rename { from: wrong, to: name("x"), ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_rename { from: name("main"), to: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_delete { name: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_diff_open { before: wrong, ..message() }), bad);
        assert_eq!(result_of(&fs, &mut fs_control_diff_open { after: wrong, ..message() }), bad);
    }
    assert_eq!(result_of(&fs, &mut message::<fs_control_branch>()), bad);
    assert_eq!(result_of(&fs, &mut message::<fs_control_switch>()), bad);
    assert_eq!(result_of(&fs, &mut message::<fs_control_rename>()), bad);
    assert_eq!(result_of(&fs, &mut message::<fs_control_delete>()), bad);
    assert_eq!(fs.volume.list_refs(None, 9).len(), 1);
    let longest = "x".repeat(255);
    assert_eq!(result_of(&fs, &mut fs_control_branch { name: name(&longest), ..message() }), 0);
}

#[test]
fn stats_and_views_tell_what_there_is() {
    let fs = Fs::new();
    fs.write_file("file", vec![1; CHUNK as usize]);
    fs.snapshot("s");
    let _node = fs.node("file");
    let more: Vec<_> =
        (0..10).map(|number| fs.volume.view(fs.main(), &format!("v{number}"), ViewOptions::default())).collect();
    let mut stats: fs_control_stats = message();
    send(&fs, &mut stats).unwrap();
    assert_eq!((stats.branches, stats.snapshots, stats.views, stats.nodes), (1, 1, 11, 1));
    assert_eq!((stats.chunks, stats.spill_bytes), (1, 0));
    assert!((CHUNK..2 * CHUNK).contains(&stats.used_bytes), "a chunk and metadata: {}", stats.used_bytes);
    assert_eq!((stats.memory_bytes, stats.capacity_bytes), (1 << 30, 1 << 30));
    let mut views: fs_control_views = message();
    send(&fs, &mut views).unwrap();
    assert_eq!(views.count as usize, FS_CONTROL_VIEWS_ENTRIES);
    let first = views.entries[0];
    assert_eq!((first.id, text(&first.shows), text_of(&first.label.bytes)), (fs.id().0, "main".into(), "test".into()));
    let mut rest = fs_control_views { after: views.entries[FS_CONTROL_VIEWS_ENTRIES - 1].id, ..message() };
    send(&fs, &mut rest).unwrap();
    assert_eq!((rest.count, text_of(&rest.entries[2].label.bytes)), (3, "v9".into()));
    drop(more);
}

fn open_diff(fs: &Fs, before: &str, after: &str) -> u64 {
    let mut open = fs_control_diff_open { before: name(before), after: name(after), ..message() };
    send(fs, &mut open).unwrap();
    open.id
}

fn read_diff(fs: &Fs, id: u64) -> Vec<(fs_control_diff_record, String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = fs_control_diff_read { id, ..message() };
        send(fs, &mut part).unwrap();
        if part.count == 0 {
            break;
        }
        bytes.extend_from_slice(&part.data[..part.count as usize]);
    }
    let (mut records, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let (head, after) = rest.split_at(size_of::<fs_control_diff_record>());
        let record: fs_control_diff_record = bytemuck::pod_read_unaligned(head);
        let (path, after) = after.split_at(record.path_bytes as usize);
        let (old, after) = after.split_at(record.old_path_bytes as usize);
        records.push((record, text_of(path), text_of(old)));
        rest = after;
    }
    records
}

/// A clock on which each look at it takes a third of a second.
struct Hurried(AtomicI64);

impl Clock for Hurried {
    fn now(&self) -> Time {
        Time(self.0.fetch_add(333_000_000, Ordering::Relaxed))
    }
}

#[test]
fn a_part_of_a_diff_that_takes_long_is_given_before_it_is_full() {
    let fs = Fs::of(Config { clock: Box::new(Hurried(AtomicI64::new(0))), ..Config::default() });
    fs.snapshot("s");
    (0..20).for_each(|number| fs.write_file(&format!("file{number}"), ""));
    let id = open_diff(&fs, "s", "main");
    let mut part = fs_control_diff_read { id, ..message() };
    send(&fs, &mut part).unwrap();
    let one = size_of::<fs_control_diff_record>() as u32;
    assert!((one..6 * one).contains(&part.count), "{} bytes", part.count);
    send(&fs, &mut fs_control_diff_close { id, ..message() }).unwrap();
    assert_eq!(read_diff(&fs, open_diff(&fs, "s", "main")).len(), 20, "none is lost");
}

#[test]
fn a_diff_is_read_in_parts() {
    let fs = Fs::new();
    fs.write_file("moves", "");
    fs.snapshot("s");
    let long = "n".repeat(200);
    (0..500).for_each(|number| fs.write_file(&format!("{long}{number}"), ""));
    fs.move_to("moves", "moved");
    let records = read_diff(&fs, open_diff(&fs, "s", "main"));
    assert_eq!(records.len(), 501, "more than fits in one part");
    let (renamed, path, old) = records.iter().find(|(_, path, _)| path == "moved").unwrap();
    assert_eq!((renamed.kind, path.as_str(), old.as_str()), (DiffKind::Renamed as u32, "moved", "moves"));
    assert_eq!((renamed.inode, renamed.file_kind, renamed.aspects), (fs.stat("moved").inode.0, 1, 0));
    assert_eq!(records.iter().filter(|(record, ..)| record.kind == DiffKind::Added as u32).count(), 500);
}

#[test]
fn a_diff_without_names_compares_what_is_shown_with_what_it_grew_from() {
    let fs = Fs::new();
    let id = code(&Error::Invalid(""));
    assert_eq!(result_of(&fs, &mut message::<fs_control_diff_open>()), id, "it grew from nothing");
    fs.snapshot("s");
    fs.write_file("new", "");
    let records = read_diff(&fs, open_diff(&fs, "", ""));
    assert_eq!(records.iter().map(|(_, path, _)| path.as_str()).collect::<Vec<_>>(), ["new"]);
    assert_eq!(
        result_of(&fs, &mut fs_control_diff_open { before: name("none"), ..message() }),
        code(&Error::NoSuchRef)
    );
}

#[test]
fn a_closed_diff_is_unknown_and_closing_twice_is_fine() {
    let fs = Fs::new();
    let id = open_diff(&fs, "main", "main");
    for _ in 0..2 {
        assert_eq!(send(&fs, &mut fs_control_diff_close { id, ..message() }), Ok(()));
    }
    let unknown = code(&Error::Invalid(""));
    assert_eq!(result_of(&fs, &mut fs_control_diff_read { id, ..message() }), unknown);
    assert_eq!(result_of(&fs, &mut fs_control_diff_read { id: 0, ..message() }), unknown);
}

#[test]
fn the_65th_open_diff_ends_the_one_that_was_read_longest_ago() {
    let fs = Fs::new();
    let read = |id| result_of(&fs, &mut fs_control_diff_read { id, ..message() });
    let ids: Vec<u64> = (0..64).map(|_| open_diff(&fs, "main", "main")).collect();
    assert_eq!(read(ids[0]), 0);
    let newest = open_diff(&fs, "main", "main");
    assert_ne!(read(ids[1]), 0, "never read, and opened first");
    assert_eq!((read(ids[0]), read(ids[2]), read(newest)), (0, 0, 0));
}

#[test]
fn messages_of_another_size_or_version_and_unknown_requests_are_refused_untouched() {
    let fs = Fs::new();
    let refused = |request, bytes: &mut Vec<u8>| {
        let before = bytes.clone();
        let answer = fs.view.control(&ROOT, request, bytes);
        assert!(matches!(answer, Err(Error::BadStructure(_))), "{answer:?}");
        assert_eq!(*bytes, before, "nothing is written");
    };
    let good = fs_control_snapshot { name: name("s"), ..message() };
    let bytes = bytemuck::bytes_of(&good).to_vec();
    for request in [0, 14, 99, u32::MAX] {
        refused(request, &mut bytes.clone());
    }
    refused(fs_control_attach::REQUEST, &mut bytemuck::bytes_of(&message::<fs_control_attach>()).to_vec());
    let request = fs_control_snapshot::REQUEST;
    refused(request, &mut Vec::new());
    refused(request, &mut bytes[..bytes.len() - 1].to_vec());
    refused(request, &mut [&bytes[..], &[0]].concat());
    refused(fs_control_list::REQUEST, &mut bytes.clone());
    for (size, version) in [(good.header.size, 0), (good.header.size, 2), (0, 1), (good.header.size + 1, 1)] {
        let header = fs_control_header { size, version, ..fs_control_header::zeroed() };
        let mut wrong = bytemuck::bytes_of(&fs_control_snapshot { header, ..good }).to_vec();
        refused(request, &mut wrong);
    }
    assert_eq!(fs.volume.stats().snapshots, 0);
}

#[test]
fn only_the_owner_of_the_volume_and_the_administrator_may_control_it() {
    let fs = Fs::of(Config { root_uid: 5, ..Config::default() });
    let ask = |caller: &Caller<'_>| {
        let mut info: fs_control_info = message();
        fs.view.control(caller, fs_control_info::REQUEST, bytemuck::bytes_of_mut(&mut info))
    };
    assert_eq!((ask(&user(5, 5)), ask(&ROOT), ask(&privileged(6, 6, Privileges::ADMIN))), (Ok(()), Ok(()), Ok(())));
    for caller in [user(6, 5), user(0, 0), privileged(6, 6, Privileges::OWNER.with(Privileges::CHECKED))] {
        assert_eq!(ask(&caller), Err(Error::NotPermitted));
        let unknown = fs.view.control(&caller, 99, &mut []);
        assert_eq!(unknown, Err(Error::NotPermitted), "nor learn what there is");
    }
}

#[test]
fn ioctl_numbers_are_those_of_the_macro() {
    let number = control::ioctl_number::<fs_control_diff_close>();
    assert_eq!(number, 0xc000_420a | (size_of::<fs_control_diff_close>() as u32) << 16);
}

#[test]
fn any_bytes_are_answered_and_none_harms() {
    let fs = Fs::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let sizes = [size_of::<fs_control_snapshot>(), size_of::<fs_control_branch>(), size_of::<fs_control_list>()];
    for round in 0..3000_u32 {
        let mut bytes: Vec<u8> = (0..sizes[round as usize % 3]).map(|_| random() as u8).collect();
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_ne_bytes());
        bytes[4..8].copy_from_slice(&FS_CONTROL_VERSION.to_ne_bytes());
        drop(fs.view.control(&ROOT, 1 + round % 13, &mut bytes));
    }
    assert_eq!(fs.names("/"), [""; 0]);
}

fn operation(activity: &fs_activity, called: &str) -> fs_operation {
    *activity.operations.iter().find(|operation| text_of(&operation.name) == called).unwrap()
}

#[test]
fn operations_are_counted_and_timed_by_their_names() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    for _ in 0..200 {
        fs.read_file("file");
    }
    snapshot(&fs, "s");
    let mut answer: fs_control_activity = message();
    send(&fs, &mut answer).unwrap();
    let activity = answer.activity;
    let (read, snapshot) = (operation(&activity, "read"), operation(&activity, "snapshot"));
    assert_eq!((read.count, snapshot.count, snapshot.timed), (200, 1, 1));
    assert!((1..=200 / 64 + 1).contains(&read.timed), "{}", read.timed);
    for known in [read, snapshot] {
        assert_eq!(known.buckets.iter().sum::<u64>(), known.timed);
        assert!(known.slowest_ns > 0 && known.slowest_ns <= known.total_ns);
    }
    assert_eq!((operation(&activity, "rename").count, operation(&activity, "rename").timed), (0, 0));
    assert_eq!(activity.operations[OPERATIONS].name, [0; 16], "the rest is empty");
    assert_eq!((activity.faults, activity.stalls, activity.spill_written_bytes), (0, 0, 0));
}

fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(10));
}

#[test]
fn what_waits_for_memory_and_disk_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { memory_bytes: Some(4 << 20), spill_dir: Some(folder.path().into()), ..Config::default() };
    let fs = Fs::of(config);
    let content = vec![7; 16 << 20];
    fs.write_file("file", &content);
    assert!(fs.read_file("file") == content);
    let activity = fs.volume.activity();
    assert!(activity.evictions >= 12 * 16 && activity.spill_written_bytes >= 12 << 20, "{activity:?}");
    assert!(activity.spill_read_bytes >= 12 << 20, "{activity:?}");
    assert!(activity.faults + activity.ahead_hits > 0 && activity.chunk_reads >= 16 * 16, "{activity:?}");
    // What was being read ahead when the reader came to the end may take a moment more.
    let settled = || {
        (0..12_000).any(|_| {
            fs.volume.activity().resident_bytes <= 4 << 20 || {
                pause();
                false
            }
        })
    };
    assert!(settled(), "{:?}", fs.volume.activity());
}

//! Named streams: made, opened, listed, renamed, removed; shared, copied on write, in snapshots and diffs.

use bough::limits::{STREAM_NAME_UNITS, STREAMS};
use bough::{
    Aspects, Config, DiffKind, Error, HandleId, NamePolicy, NewNode, NodeId, OpenOptions, Seek, SetAttr, StreamInfo,
    WriteAt,
};

use crate::support::*;

const NEW: OpenOptions = OpenOptions { exclusive: true, ..BOTH };

fn windows() -> Fs {
    Fs::of(Config { root_mode: 0o777, names: NamePolicy::Windows, ..Config::default() })
}

/// A volume with a file, and the file's node.
fn with_file() -> (Fs, NodeId) {
    let fs = windows();
    fs.write_file("file", "content");
    let node = fs.node("file");
    (fs, node)
}

fn make(fs: &Fs, node: NodeId, name: &str, data: &[u8]) -> HandleId {
    let handle = fs.open_stream(&ROOT, node, name.as_bytes(), NEW, true).unwrap();
    fs.put(handle, 0, data);
    handle
}

fn read(fs: &bough::View, node: NodeId, name: &str) -> bough::Result<Vec<u8>> {
    let handle = fs.open_stream(&ROOT, node, name.as_bytes(), READ, false)?;
    let size = fs.handle_attr(handle)?.size;
    let data = fs.get(handle, 0, size as usize + 1);
    fs.release(handle).map(|()| data)
}

fn names(fs: &bough::View, node: NodeId) -> Vec<String> {
    let all = fs.list_streams(node).unwrap();
    all.iter().map(|stream| String::from_utf8_lossy(&stream.name).into_owned()).collect()
}

#[test]
fn a_stream_is_written_and_read_apart_from_the_content_of_its_file() {
    let (fs, node) = with_file();
    let handle = make(&fs, node, "Zone.Identifier", b"[ZoneTransfer]");
    fs.put(handle, 20, b"end");
    assert_eq!(fs.get(handle, 0, 99), b"[ZoneTransfer]\0\0\0\0\0\0end");
    fs.release(handle).unwrap();
    assert_eq!(read(&fs, node, "Zone.Identifier").unwrap().len(), 23);
    assert_eq!(fs.read_text("file"), "content");
    assert_eq!(fs.stat("file").size, 7);
}

#[test]
fn a_directory_has_named_streams_and_none_without_a_name() {
    let fs = windows();
    fs.mkdir_p("dir");
    let node = fs.node("dir");
    fs.release(make(&fs, node, "s", b"of the directory")).unwrap();
    assert_eq!(read(&fs, node, "s").unwrap(), b"of the directory");
    assert_eq!(fs.read(&ROOT, node, None, 0, &mut [0; 1]), Err(Error::IsADirectory));
    assert_eq!(fs.stat("dir").size, 0);
}

#[test]
fn only_files_and_directories_have_named_streams() {
    let fs = windows();
    fs.symlink("target", "link");
    fs.make_at("fifo", NewNode::Fifo);
    for path in ["link", "fifo"] {
        let open = fs.open_stream(&ROOT, fs.node(path), b"s", BOTH, true);
        assert_eq!(open, Err(Error::NotSupported), "{path}");
    }
}

#[test]
fn get_stream_info_lists_bare_names_with_sizes_in_the_order_of_their_making() {
    let (fs, node) = with_file();
    make(&fs, node, "b", b"12345");
    make(&fs, node, "A", &vec![7; 2 * CHUNK as usize]);
    let listed = fs.list_streams(node).unwrap();
    let shown = |stream: &StreamInfo| (String::from_utf8(stream.name.to_vec()).unwrap(), stream.size);
    assert_eq!(listed.iter().map(shown).collect::<Vec<_>>(), [("b".into(), 5), ("A".into(), 2 * CHUNK)]);
    assert_eq!(listed[1].allocated, 2 * CHUNK);
    assert!(listed[0].id != listed[1].id);
}

#[test]
fn streams_count_in_what_their_file_occupies() {
    let (fs, node) = with_file();
    let before = fs.stat("file").allocated;
    make(&fs, node, "s", &vec![1; CHUNK as usize]);
    assert_eq!(fs.stat("file").allocated, before + CHUNK);
    fs.remove_stream(&ROOT, node, b"s").unwrap();
}

#[test]
fn names_of_streams_are_found_whatever_their_case_and_keep_their_spelling() {
    let (fs, node) = with_file();
    make(&fs, node, "Größe", b"1");
    assert_eq!(read(&fs, node, "GRÖßE").unwrap(), b"1");
    assert_eq!(fs.open_stream(&ROOT, node, "gRÖßE".as_bytes(), NEW, true), Err(Error::Exists));
    fs.open_stream(&ROOT, node, "gRÖßE".as_bytes(), BOTH, true).unwrap();
    assert_eq!(names(&fs, node), ["Größe"]);
    let posix = Fs::new();
    posix.write_file("file", "");
    let node = posix.node("file");
    make(&posix, node, "a", b"");
    make(&posix, node, "A", b"");
    assert_eq!(names(&posix, node), ["a", "A"]);
}

#[test]
fn bad_names_of_streams_are_refused_by_a_text_that_says_why() {
    let (fs, node) = with_file();
    let open = |name: &[u8]| fs.open_stream(&ROOT, node, name, BOTH, true);
    for (name, why) in
        [(&b""[..], "has a name"), (b"a:b", "colon"), (b"a/b", "separate"), (b"a\\b", "separate"), (b"\0", "NUL")]
    {
        assert!(matches!(open(name), Err(Error::BadName(text)) if text.contains(why)), "{name:?}");
    }
    assert_eq!(open(b"\xff"), Err(Error::BadUtf8));
    assert_eq!(open("ö".repeat(STREAM_NAME_UNITS + 1).as_bytes()), Err(Error::NameTooLong));
    assert!(open("ö".repeat(STREAM_NAME_UNITS).as_bytes()).is_ok());
    // Control characters and wildcards are allowed, and so is an unpaired surrogate.
    assert!(open(b"\x01*?<>|\"").is_ok() && open(b"\xed\xa0\x80").is_ok());
    assert_eq!(
        fs.remove_stream(&ROOT, node, b"a:b"),
        Err(Error::BadName("the name of a stream holds no colon: it separates the type"))
    );
}

#[test]
fn an_inode_has_at_most_4096_streams() {
    let (fs, node) = with_file();
    for index in 0..STREAMS {
        let name = format!("s{index}");
        fs.release(fs.open_stream(&ROOT, node, name.as_bytes(), NEW, true).unwrap()).unwrap();
    }
    assert!(matches!(fs.open_stream(&ROOT, node, b"more", NEW, true), Err(Error::Limit(_))));
}

#[test]
fn opening_a_stream_checks_permission_as_opening_its_file_does() {
    let (fs, node) = with_file();
    let (other, owner) = (user(5, 5), user(1, 1));
    fs.chown("file", 1, 1);
    fs.chmod("file", 0o640);
    assert_eq!(fs.open_stream(&other, node, b"s", BOTH, true), Err(Error::AccessDenied));
    fs.open_stream(&owner, node, b"s", BOTH, true).unwrap();
    assert_eq!(fs.open_stream(&other, node, b"s", READ, false), Err(Error::AccessDenied));
    assert_eq!(fs.remove_stream(&other, node, b"s"), Err(Error::AccessDenied));
    assert_eq!(fs.rename_stream(&other, node, b"s", b"t", false), Err(Error::AccessDenied));
    fs.chmod("file", 0o444);
    assert_eq!(fs.open_stream(&owner, node, b"s", WRITE, false), Err(Error::AccessDenied));
    assert!(fs.open_stream(&owner, node, b"s", READ, false).is_ok());
}

#[test]
fn an_immutable_file_keeps_its_streams_as_they_are() {
    let (fs, node) = with_file();
    make(&fs, node, "s", b"1");
    fs.set_flags("file", bough::flags::IMMUTABLE);
    assert_eq!(fs.open_stream(&ROOT, node, b"s", WRITE, false), Err(Error::NotPermitted));
    assert_eq!(fs.open_stream(&ROOT, node, b"t", BOTH, true), Err(Error::NotPermitted));
    assert_eq!(fs.remove_stream(&ROOT, node, b"s"), Err(Error::NotPermitted));
    assert_eq!(fs.rename_stream(&ROOT, node, b"s", b"t", true), Err(Error::NotPermitted));
    assert_eq!(read(&fs, node, "s").unwrap(), b"1");
}

#[test]
fn a_handle_on_a_stream_reads_writes_resizes_allocates_and_seeks_in_it() {
    let (fs, node) = with_file();
    let handle = make(&fs, node, "s", b"abc");
    let set = SetAttr { size: Some(5 * CHUNK), ..SetAttr::default() };
    assert_eq!(fs.set_attr(&ROOT, node, Some(handle), &set).unwrap().size, 5 * CHUNK);
    fs.put(handle, 4 * CHUNK, b"far");
    assert_eq!(fs.handle_seek(handle, CHUNK, Seek::Data), Ok(4 * CHUNK));
    assert_eq!(fs.handle_seek(handle, 0, Seek::Hole), Ok(CHUNK));
    fs.allocate(&ROOT, node, Some(handle), CHUNK, CHUNK, bough::Allocation::Reserve { keep_size: true }).unwrap();
    assert_eq!(fs.handle_seek(handle, CHUNK, Seek::Data), Ok(CHUNK));
    assert_eq!(fs.handle_attr(handle).unwrap().size, 5 * CHUNK);
    let pin = fs.read_pin(&ROOT, node, Some(handle), 0, 3).unwrap();
    assert_eq!(pin.len(), 3);
    let set = SetAttr { size: Some(2), ..SetAttr::default() };
    fs.set_attr(&ROOT, node, Some(handle), &set).unwrap();
    assert_eq!(fs.get(handle, 0, 9), b"ab");
    assert_eq!((fs.stat("file").size, fs.read_text("file")), (7, "content".into()));
}

#[test]
fn a_stream_opened_to_append_grows_and_one_opened_to_truncate_is_emptied() {
    let (fs, node) = with_file();
    make(&fs, node, "s", b"abc");
    let append = fs.open_stream(&ROOT, node, b"s", APPEND, false).unwrap();
    fs.put(append, 0, b"def");
    assert_eq!(read(&fs, node, "s").unwrap(), b"abcdef");
    fs.open_stream(&ROOT, node, b"s", OpenOptions { truncate: true, ..WRITE }, false).unwrap();
    assert_eq!(read(&fs, node, "s").unwrap(), b"");
    assert_eq!(fs.open_stream(&ROOT, node, b"other", READ, false), Err(Error::NotFound));
}

#[test]
fn copying_between_streams_shares_whole_chunks() {
    let (fs, node) = with_file();
    let source = make(&fs, node, "s", &vec![3; 4 * CHUNK as usize]);
    let target = make(&fs, node, "t", b"");
    let before = fs.volume.stats().chunks;
    let copied = fs.copy_range(&ROOT, node, Some(source), 0, node, Some(target), 0, 4 * CHUNK);
    assert_eq!((copied, fs.volume.stats().chunks), (Ok(4 * CHUNK), before));
    // Two streams of one file are two: the ranges may be the same.
    assert_eq!(fs.get(target, 3 * CHUNK, 2), [3, 3]);
    let overlap = fs.copy_range(&ROOT, node, Some(source), 0, node, Some(source), 1, CHUNK);
    assert!(matches!(overlap, Err(Error::Invalid(_))));
}

#[test]
fn a_write_to_a_stream_is_a_change_of_its_file() {
    let (fs, hand) = Fs::with_clock();
    fs.write_file("file", "x");
    let node = fs.node("file");
    let handle = make(&fs, node, "s", b"");
    let before = fs.stat("file");
    let now = hand.forward(10);
    fs.put(handle, 0, b"1");
    let after = fs.stat("file");
    assert_eq!((after.modified, after.changed), (now, now));
    assert!(after.version > before.version);
}

#[test]
fn a_stream_is_renamed_within_its_file() {
    let (fs, node) = with_file();
    make(&fs, node, "one", b"1");
    fs.release(make(&fs, node, "two", b"2")).unwrap();
    assert_eq!(fs.rename_stream(&ROOT, node, b"one", b"TWO", false), Err(Error::Exists));
    assert_eq!(fs.rename_stream(&ROOT, node, b"none", b"x", false), Err(Error::NotFound));
    fs.rename_stream(&ROOT, node, b"one", b"ONE", false).unwrap();
    assert_eq!(names(&fs, node), ["ONE", "two"]);
    // One that is open is not replaced.
    assert_eq!(fs.rename_stream(&ROOT, node, b"two", b"one", true), Err(Error::AccessDenied));
    fs.rename_stream(&ROOT, node, b"one", b"TWO", true).unwrap();
    assert_eq!((names(&fs, node), read(&fs, node, "two").unwrap()), (vec!["TWO".into()], b"1".to_vec()));
}

#[test]
fn a_removed_stream_lives_until_its_last_handle_closes_and_its_name_may_be_taken() {
    let (fs, node) = with_file();
    let first = make(&fs, node, "s", b"old");
    let second = fs.open_stream(&ROOT, node, b"s", READ, false).unwrap();
    fs.remove_stream(&ROOT, node, b"s").unwrap();
    assert_eq!(fs.open_stream(&ROOT, node, b"s", READ, false), Err(Error::NotFound));
    make(&fs, node, "s", b"new");
    fs.put(first, 0, b"OLD");
    fs.release(first).unwrap();
    assert_eq!((fs.get(second, 0, 9), read(&fs, node, "s").unwrap()), (b"OLD".to_vec(), b"new".to_vec()));
    let allocated = fs.stat("file").allocated;
    fs.release(second).unwrap();
    assert!(fs.stat("file").allocated < allocated);
    assert_eq!(names(&fs, node), ["s"]);
}

#[test]
fn streams_go_with_their_file_and_live_while_it_is_held() {
    let fs = windows();
    fs.write_file("file", "");
    let node = fs.node("file");
    let handle = make(&fs, node, "s", &vec![1; 8 * CHUNK as usize]);
    let chunks = fs.volume.stats().chunks;
    fs.remove_file("file");
    assert_eq!(fs.get(handle, 0, 2), [1, 1]);
    fs.forget(node, 1);
    fs.release(handle).unwrap();
    assert_eq!(fs.volume.stats().chunks, chunks - 8);
}

#[test]
fn a_snapshot_keeps_streams_as_they_were_and_shares_what_did_not_change() {
    let (fs, node) = with_file();
    let handle = make(&fs, node, "s", &vec![1; 8 * CHUNK as usize]);
    fs.release(make(&fs, node, "gone", b"later")).unwrap();
    let before = fs.volume.stats().chunks;
    let frozen = fs.frozen("before");
    fs.put(handle, 0, b"2");
    fs.remove_stream(&ROOT, node, b"gone").unwrap();
    assert_eq!(fs.volume.stats().chunks, before + 1);
    let old = frozen.node("file");
    assert_eq!(names(&frozen, old), ["s", "gone"]);
    assert_eq!(read(&frozen, old, "s").unwrap()[..2], [1, 1]);
    assert_eq!(read(&frozen, old, "gone").unwrap(), b"later");
    assert_eq!(fs.get(handle, 0, 2), [b'2', 1]);
    let writes = frozen.open_stream(&ROOT, old, b"s", WRITE, false);
    assert_eq!(writes, Err(Error::ReadOnly));
    assert_eq!(frozen.open_stream(&ROOT, old, b"new", BOTH, true), Err(Error::ReadOnly));
    assert_eq!(frozen.remove_stream(&ROOT, old, b"s"), Err(Error::ReadOnly));
}

#[test]
fn branches_have_their_own_versions_of_a_stream() {
    let (fs, node) = with_file();
    fs.release(make(&fs, node, "s", b"common")).unwrap();
    let other = fs.view_of(bough::RefId::Branch(fs.branch("other", fs.main())));
    let theirs = other.node("file");
    let handle = other.open_stream(&ROOT, theirs, b"s", WRITE, false).unwrap();
    other.put(handle, 0, b"THEIRS");
    assert_eq!((read(&fs, node, "s"), read(&other, theirs, "s")), (Ok(b"common".to_vec()), Ok(b"THEIRS".to_vec())));
}

#[test]
fn a_diff_sees_streams_and_nothing_else_of_what_did_not_change() {
    let (fs, node) = with_file();
    fs.release(make(&fs, node, "s", b"one")).unwrap();
    fs.write_file("untouched", "");
    fs.release(make(&fs, fs.node("untouched"), "t", b"same")).unwrap();
    let before = bough::RefId::Snapshot(fs.snapshot("before"));
    let aspects = |fs: &Fs| {
        let mut diff = fs.volume.diff(before, fs.main()).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = diff.next_entry().unwrap() {
            assert_eq!(entry.kind, DiffKind::Changed);
            found.push((String::from_utf8(entry.path).unwrap(), entry.aspects));
        }
        found
    };
    assert_eq!(aspects(&fs), []);
    let handle = fs.open_stream(&ROOT, node, b"s", BOTH, false).unwrap();
    let times = fs.stat("file").modified;
    fs.put(handle, 0, b"two");
    let keep = SetAttr { modified: Some(bough::SetTime::At(times)), ..SetAttr::default() };
    fs.set("file", keep);
    assert_eq!(aspects(&fs), [("file".into(), Aspects::STREAMS)]);
    // Written back as it was, it differs no more, nor does one that came and went.
    fs.put(handle, 0, b"one");
    fs.release(make(&fs, node, "passing", b"x")).unwrap();
    fs.remove_stream(&ROOT, node, b"passing").unwrap();
    fs.set("file", keep);
    assert_eq!(aspects(&fs), []);
    fs.rename_stream(&ROOT, node, b"s", b"r", false).unwrap();
    assert_eq!(aspects(&fs), [("file".into(), Aspects::STREAMS)]);
}

#[test]
fn a_handle_from_before_a_switch_goes_on_with_its_stream() {
    let (fs, node) = with_file();
    let handle = make(&fs, node, "s", b"main");
    let other = fs.branch("other", fs.main());
    fs.view.switch(bough::RefId::Branch(other)).unwrap();
    let written = fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::End, b" line");
    assert_eq!((written, fs.get(handle, 0, 99)), (Ok(5), b"main line".to_vec()));
    assert_eq!(read(&fs, fs.node("file"), "s").unwrap(), b"main");
    fs.release(handle).unwrap();
}

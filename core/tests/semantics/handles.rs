//! Handles, and inodes that live as long as somebody holds them.

use bough::{Error, HandleId, NodeId, OpenOptions, RefId, SetAttr, WriteAt, flags};

use crate::support::*;

fn read(fs: &Fs, handle: HandleId) -> bough::Result<usize> {
    fs.read(&ROOT, NodeId::ROOT, Some(handle), 0, &mut [0; 8])
}

fn write(fs: &Fs, handle: HandleId) -> bough::Result<usize> {
    fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"y")
}

#[test]
fn a_handle_does_what_it_was_opened_for() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let (reader, writer, both) = (fs.open("file", READ), fs.open("file", WRITE), fs.open("file", BOTH));
    assert_eq!((read(&fs, reader), write(&fs, reader)), (Ok(1), Err(Error::BadHandle)));
    assert_eq!((read(&fs, writer), write(&fs, writer)), (Err(Error::BadHandle), Ok(1)));
    assert_eq!((read(&fs, both), write(&fs, both)), (Ok(1), Ok(1)));
    let pin = fs.read_pin(&ROOT, NodeId::ROOT, Some(writer), 0, 1);
    assert_eq!(pin.err(), Some(Error::BadHandle));
    let reserve = bough::Allocation::Reserve { keep_size: false };
    assert_eq!(fs.allocate(&ROOT, NodeId::ROOT, Some(reader), 0, 9, reserve), Err(Error::BadHandle));
}

#[test]
fn a_closed_handle_and_one_that_never_was_are_bad() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let handle = fs.open("file", BOTH);
    assert_eq!(fs.release(handle), Ok(()));
    for bad in [handle, HandleId(0), HandleId(u64::MAX)] {
        assert_eq!(fs.release(bad), Err(Error::BadHandle));
        assert_eq!((read(&fs, bad), write(&fs, bad)), (Err(Error::BadHandle), Err(Error::BadHandle)));
        let set = fs.set_attr(&ROOT, NodeId::ROOT, Some(bad), &SetAttr::default());
        assert_eq!(set, Err(Error::BadHandle));
    }
}

#[test]
fn handles_are_never_0_and_never_used_again() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let mut seen = std::collections::HashSet::from([HandleId(0)]);
    for _ in 0..100 {
        let handle = fs.open("file", READ);
        assert!(seen.insert(handle));
        fs.release(handle).unwrap();
    }
}

#[test]
fn an_unlinked_file_lives_while_it_is_open_and_ends_then() {
    let fs = Fs::new();
    fs.write_file("file", vec![1; 3 * CHUNK as usize]);
    let handle = fs.open("file", BOTH);
    let node = fs.node("file");
    fs.forget(node, 1);
    fs.remove_file("file");
    assert_eq!(fs.attr(node).unwrap().links, 0);
    assert_eq!(fs.attr(node).unwrap().parent.0, 0);
    fs.put(handle, 0, "still");
    assert_eq!(fs.get(handle, 0, 6), b"still\x01");
    assert_eq!(fs.volume.stats().chunks, 3);
    fs.release(handle).unwrap();
    assert_eq!((fs.attr(node), fs.volume.stats().chunks), (Err(Error::Stale), 0));
}

#[test]
fn an_unlinked_file_lives_while_a_host_knows_it() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let node = fs.node("file");
    fs.remove_file("file");
    let handle = fs.open_node(&ROOT, node, BOTH).unwrap();
    fs.forget(node, 1);
    assert_eq!(read(&fs, handle), Ok(1));
    fs.release(handle).unwrap();
    assert_eq!(fs.open_node(&ROOT, node, READ), Err(Error::Stale));
}

#[test]
fn each_view_of_a_branch_holds_for_itself() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let second = fs.view_of(fs.main());
    let (mine, theirs) = (fs.open("file", READ), second.open("file", READ));
    fs.remove_file("file");
    fs.release(mine).unwrap();
    assert_eq!(second.get(theirs, 0, 9), b"x");
    drop(second);
    assert_eq!(fs.volume.stats().small_bytes, 0, "a view that ends lets go of everything");
}

#[test]
fn a_removed_directory_lives_while_it_is_held() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    let node = fs.node("dir");
    fs.remove_dir("dir");
    assert_eq!(fs.attr(node).unwrap().links, 0);
    assert_eq!(fs.lookup(&ROOT, node, b".").unwrap().node, node);
    fs.forget(node, 2);
    assert_eq!(fs.attr(node), Err(Error::Stale));
}

#[test]
fn a_snapshot_holds_no_file_without_a_name_however_open_it_is() {
    let fs = Fs::new();
    fs.write_file("file", vec![1; CHUNK as usize]);
    let handle = fs.open("file", BOTH);
    let node = fs.node("file");
    fs.remove_file("file");
    let frozen = fs.frozen("s");
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    let inodes = |reference| fs.volume.ref_info(reference).unwrap().inodes;
    assert_eq!(inodes(frozen.info().shows), 1, "the root alone");
    assert_eq!((frozen.attr(node), branch.attr(node)), (Err(Error::Stale), Err(Error::Stale)));
    fs.put(handle, 0, "after");
    fs.forget(node, 1);
    fs.release(handle).unwrap();
    assert_eq!(fs.volume.stats().chunks, 0, "nothing else held it");
}

#[test]
fn a_file_unlinked_after_the_snapshot_lives_on_there() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let handle = fs.open("file", BOTH);
    let frozen = fs.frozen("s");
    fs.remove_file("file");
    fs.put(handle, 0, "y");
    assert_eq!(frozen.read_text("file"), "x");
    assert_eq!(fs.get(handle, 0, 9), b"y");
    fs.release(handle).unwrap();
    assert_eq!(frozen.read_text("file"), "x");
}

#[test]
fn a_file_without_a_name_can_get_its_first() {
    let fs = Fs::new();
    let (entry, handle) = fs.create_unnamed(&user(5, 6), NodeId::ROOT, 0o666, BOTH).unwrap();
    assert_eq!((entry.attr.links, entry.attr.uid, entry.attr.gid, entry.attr.mode), (0, 5, 6, 0o644));
    fs.put(handle, 0, "content");
    assert!(fs.names("/").is_empty());
    let linked = fs.link(&ROOT, entry.node, NodeId::ROOT, b"named").unwrap();
    assert_eq!((linked.node, linked.attr.links), (entry.node, 1));
    fs.release(handle).unwrap();
    fs.forget(entry.node, 2);
    assert_eq!(fs.read_text("named"), "content");
    fs.remove_file("named");
    assert_eq!(fs.attr(entry.node), Err(Error::Stale));
}

#[test]
fn a_file_without_a_name_that_gets_none_is_gone_when_it_is_closed() {
    let fs = Fs::new();
    let (entry, handle) = fs.create_unnamed(&ROOT, NodeId::ROOT, 0o600, BOTH).unwrap();
    fs.put(handle, 0, vec![1; 2 * CHUNK as usize]);
    let frozen = fs.frozen("s");
    assert_eq!(frozen.attr(entry.node), Err(Error::Stale));
    fs.forget(entry.node, 1);
    fs.release(handle).unwrap();
    assert_eq!((fs.attr(entry.node), fs.volume.stats().chunks), (Err(Error::Stale), 0));
}

#[test]
fn making_a_file_without_a_name_needs_permission_on_the_directory() {
    let fs = Fs::new();
    fs.chmod("/", 0o755);
    let made = fs.create_unnamed(&user(5, 5), NodeId::ROOT, 0o600, BOTH);
    assert_eq!(made.err(), Some(Error::AccessDenied));
    fs.write_file("file", "");
    let in_a_file = fs.create_unnamed(&ROOT, fs.node("file"), 0o600, BOTH);
    assert_eq!(in_a_file.err(), Some(Error::NotADirectory));
    fs.set_flags("/", flags::IMMUTABLE);
    let made = fs.create_unnamed(&ROOT, NodeId::ROOT, 0o600, BOTH);
    assert_eq!(made.err(), Some(Error::NotPermitted));
}

#[test]
fn a_file_made_without_a_name_exclusively_never_gets_one() {
    let fs = Fs::new();
    let options = OpenOptions { exclusive: true, ..BOTH };
    let (entry, _handle) = fs.create_unnamed(&ROOT, NodeId::ROOT, 0o600, options).unwrap();
    assert_eq!(fs.link(&ROOT, entry.node, NodeId::ROOT, b"name").err(), Some(Error::NotFound));
}

#[test]
fn create_makes_or_opens_and_counts_one_reference() {
    let fs = Fs::new();
    let create = |options| fs.create(&ROOT, NodeId::ROOT, b"file", 0o644, options);
    let (made, first) = create(BOTH).unwrap();
    fs.put(first, 0, "content");
    let (found, second) = create(BOTH).unwrap();
    assert_eq!((found.node, found.attr.size), (made.node, 7));
    assert_eq!(create(bough::OpenOptions { exclusive: true, ..BOTH }).err(), Some(Error::Exists));
    let (emptied, third) = create(bough::OpenOptions { truncate: true, ..BOTH }).unwrap();
    assert_eq!(emptied.attr.size, 0);
    for handle in [first, second, third] {
        fs.release(handle).unwrap();
    }
    fs.remove_file("file");
    fs.forget(made.node, 2);
    assert!(fs.attr(made.node).is_ok());
    fs.forget(made.node, 1);
    assert_eq!(fs.attr(made.node), Err(Error::Stale));
}

#[test]
fn two_that_create_one_file_at_once_both_get_it_or_one_is_told_that_it_exists() {
    let fs = Fs::new();
    for round in 0..100 {
        let name = format!("f{round}");
        let create = |exclusive| {
            let options = bough::OpenOptions { exclusive, ..BOTH };
            fs.create(&ROOT, NodeId::ROOT, name.as_bytes(), 0o644, options).map(|(entry, _)| entry.node)
        };
        let pair = |exclusive| {
            std::thread::scope(|scope| {
                let other = scope.spawn(|| create(exclusive));
                (create(exclusive), other.join().unwrap())
            })
        };
        let (one, other) = pair(true);
        assert_eq!(usize::from(one.is_ok()) + usize::from(other.is_ok()), 1, "{one:?} {other:?}");
        fs.remove_file(&name);
        let (one, other) = pair(false);
        assert!(one.is_ok() && one == other, "{one:?} {other:?}");
    }
}

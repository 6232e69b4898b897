//! Content over a base: what is stored, and what shows through.

use std::os::unix::fs::FileExt;
use std::time::Instant;
use std::{fs, iter};

use bough::{Allocation, Error, HandleId, NodeId, OpenOptions, SetAttr, ViewOptions};

use super::Place;
use crate::support::*;

const LARGE: usize = 10 * CHUNK as usize;

fn chunks(place: &Place) -> u64 {
    place.volume.stats().chunks
}

fn base_bytes() -> Vec<u8> {
    (0..10).flat_map(|chunk| iter::repeat_n(b'a' + chunk, CHUNK as usize)).collect()
}

#[test]
fn a_write_stores_the_chunks_it_touches_and_no_more() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    place.put(handle, 3 * CHUNK + 100, "changed");
    assert_eq!(chunks(&place), 1);
    let mut expected = base_bytes();
    expected[3 * CHUNK as usize + 100..][..7].copy_from_slice(b"changed");
    assert!(place.get(handle, 0, LARGE + 10) == expected);
    place.put(handle, 5 * CHUNK - 1, "over");
    assert_eq!(chunks(&place), 3);
    place.put(handle, LARGE as u64 + 7, "end");
    assert_eq!(place.get(handle, LARGE as u64 - 1, 20), b"j\0\0\0\0\0\0\0end");
    place.release(handle).unwrap();
    place.assert_untouched();
}

#[test]
fn a_pin_of_a_base_lends_a_part_and_is_counted() {
    let most = bough::limits::BASE_PIN_BYTES;
    let place = Place::with(|root| fs::write(root.join("long"), vec![7; 2 * most]).unwrap());
    let handle = place.open("long", BOTH);
    let pin = |offset, length| place.read_pin(&ROOT, NodeId::ROOT, Some(handle), offset, length).unwrap();
    let used = || place.volume.stats().used_bytes;
    let before = used();
    let pins: Vec<_> = (0..3).map(|at| pin(at, usize::MAX)).collect();
    assert!(pins.iter().all(|pin| pin.len() == most && pin.ranges().all(|range| range.iter().all(|&byte| byte == 7))));
    assert!(used() - before >= 3 * most as u64, "{}", used() - before);
    drop(pins);
    assert!(used() <= before + (16 << 10), "{} after {before}", used());
    // What is stored needs no memory, whatever the base has around it.
    place.put(handle, 3 * CHUNK, vec![8; CHUNK as usize]);
    assert_eq!(pin(0, usize::MAX).len(), most + CHUNK as usize);
    assert_eq!(pin(2 * most as u64 - 5, usize::MAX).len(), 5);
    place.release(handle).unwrap();
}

#[test]
fn only_what_a_snapshot_shows_of_the_base_and_nobody_changed_has_a_file_of_the_host() {
    let place = Place::new();
    place.path_write(&ROOT, at("own"), b"own").unwrap();
    place.path_set_attr(&ROOT, at("dir/inner"), &SetAttr { mode: Some(0o600), ..SetAttr::default() }).unwrap();
    let snapshot = bough::RefId::Snapshot(place.snapshot("s"));
    let file_of = |shows, path: &str| {
        let view = place.volume.view(shows, "shown", ViewOptions::default()).unwrap();
        let options = OpenOptions { read: true, ..OpenOptions::default() };
        let handle = view.path_open(&ROOT, at(path), options, None).unwrap();
        let found = view.host_file(handle);
        view.release(handle).unwrap();
        found.map(fs::File::from)
    };
    let mut bytes = [0; 20];
    let length = file_of(snapshot, "file").unwrap().read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes[..length], b"content");
    // It can be read and nothing else.
    assert!(file_of(snapshot, "file").unwrap().write_at(b"x", 0).is_err());
    for (shows, path) in [(snapshot, "own"), (snapshot, "dir/inner"), (snapshot, "dir"), (place.main(), "file")] {
        let refused = file_of(shows, path).unwrap_err();
        assert!(matches!(refused, Error::NotSupported | Error::IsADirectory), "{path}: {refused}");
    }
    assert_eq!(Place::frozen().host_file(bough::HandleId(99)).unwrap_err(), Error::BadHandle);
    place.assert_untouched();
}

#[test]
fn what_was_cut_off_never_shows_again() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    place.truncate("large", CHUNK + 10);
    place.truncate("large", 3 * CHUNK);
    assert_eq!(place.get(handle, CHUNK + 8, 4), b"bb\0\0");
    assert!(place.get(handle, 2 * CHUNK, CHUNK as usize).iter().all(|&byte| byte == 0));
    assert_eq!(chunks(&place), 0, "to cut off stores nothing");
    place.truncate("large", 0);
    place.truncate("large", 10);
    assert_eq!(place.get(handle, 0, 20), [0; 10]);
    place.release(handle).unwrap();
    place.assert_untouched();
}

#[test]
fn a_hole_is_never_found_before_where_it_is_looked_for() {
    let place = Place::new();
    place.truncate("large", 100);
    place.truncate("large", 1_000);
    let node = place.node("large");
    for (from, hole) in [(0, 100), (99, 100), (100, 100), (101, 101), (200, 200), (999, 999)] {
        assert_eq!(place.seek(node, from, bough::Seek::Hole), Ok(hole), "{from}");
    }
    assert_eq!(place.seek(node, 99, bough::Seek::Data), Ok(99));
    for from in [100, 200, 999] {
        assert_eq!(place.seek(node, from, bough::Seek::Data), Err(Error::NoSuchOffset), "{from}");
    }
    place.forget(node, 1);
    place.assert_untouched();
}

#[test]
fn what_is_set_aside_past_the_end_goes_when_the_file_is_cut_to_its_size() {
    let place = Place::new();
    let (handle, before) = (place.open("large", BOTH), place.stat("large").allocated);
    let reserve = Allocation::Reserve { keep_size: true };
    place.allocate(&ROOT, NodeId::ROOT, Some(handle), LARGE as u64, 20 * CHUNK, reserve).unwrap();
    assert_eq!((chunks(&place), place.stat("large").size), (20, LARGE as u64));
    place.truncate("large", LARGE as u64);
    assert_eq!((chunks(&place), place.stat("large").allocated), (0, before));
    assert!(place.get(handle, 0, LARGE) == base_bytes());
    place.release(handle).unwrap();
    place.assert_untouched();
}

#[test]
fn holes_and_zeros_hide_the_base() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    let change = |offset, length, how| place.allocate(&ROOT, NodeId::ROOT, Some(handle), offset, length, how).unwrap();
    let mut expected = base_bytes();
    change(CHUNK / 2, 3 * CHUNK, Allocation::Punch);
    expected[CHUNK as usize / 2..][..3 * CHUNK as usize].fill(0);
    assert_eq!(chunks(&place), 2, "the ends of the hole");
    assert!(place.get(handle, 0, LARGE) == expected);
    change(6 * CHUNK - 5, CHUNK + 10, Allocation::Zero { keep_size: true });
    expected[6 * CHUNK as usize - 5..][..CHUNK as usize + 10].fill(0);
    assert!(place.get(handle, 0, LARGE) == expected);
    change(8 * CHUNK, 2 * CHUNK, Allocation::Reserve { keep_size: true });
    assert!(place.get(handle, 0, LARGE) == expected);
    change(9 * CHUNK, 5 * CHUNK, Allocation::Punch);
    expected[9 * CHUNK as usize..].fill(0);
    assert!(place.get(handle, 0, LARGE) == expected);
    let node = place.node("large");
    assert_eq!(place.seek(node, CHUNK, bough::Seek::Hole), Ok(CHUNK));
    assert_eq!(place.seek(node, CHUNK, bough::Seek::Data), Ok(3 * CHUNK));
    assert_eq!(place.seek(node, 9 * CHUNK, bough::Seek::Data), Err(Error::NoSuchOffset));
    place.forget(node, 1);
    place.release(handle).unwrap();
    place.assert_untouched();
}

#[test]
fn more_holes_in_a_file_of_the_base_than_the_limit_has_room_for_are_no_space() {
    let directory = tempfile::tempdir().unwrap();
    let size = 1 << 40;
    fs::File::create(directory.path().join("huge")).unwrap().set_len(size).unwrap();
    let base = Some(super::place::over(directory.path()));
    let fs = Fs::of(bough::Config { memory_bytes: Some(8 << 20), base, ..bough::Config::default() });
    let handle = fs.open("huge", BOTH);
    let punch = |length| fs.allocate(&ROOT, NodeId::ROOT, Some(handle), 0, length, Allocation::Punch);
    assert_eq!(punch(size - CHUNK), Err(Error::NoSpace));
    assert!(fs.volume.stats().used_bytes < 1 << 20, "what failed takes nothing");
    assert_eq!(punch(100 * CHUNK), Ok(()));
    assert_eq!(punch(size), Ok(()), "a file that is one hole needs none");
    fs.release(handle).unwrap();
}

/// Copies as programs do: until there is nothing more. Answers how much came at once at most.
fn copy_all(place: &Place, source: HandleId, target: HandleId) -> u64 {
    let (mut at, mut most) = (0, 0);
    loop {
        let root = NodeId::ROOT;
        match place.copy_range(&ROOT, root, Some(source), at, root, Some(target), at, u64::MAX >> 1).unwrap() {
            0 => return most,
            copied => (at, most) = (at + copied, most.max(copied)),
        }
    }
}

#[test]
fn a_copy_of_a_file_of_the_base_outlives_it() {
    let place = Place::new();
    place.write_file("copy", "");
    let (source, target) = (place.open("large", READ), place.open("copy", BOTH));
    copy_all(&place, source, target);
    place.put(target, 0, "X");
    assert!(place.read_file("large") == base_bytes());
    place.assert_untouched();
    fs::write(place.host("large"), vec![b'Z'; LARGE]).unwrap();
    let mut expected = base_bytes();
    expected[0] = b'X';
    assert!(place.read_file("copy") == expected);
    assert_eq!(place.get(source, CHUNK, 1), b"Z", "the file itself follows the base");
    fs::remove_file(place.host("large")).unwrap();
    assert!(place.read_file("copy") == expected);
    place.release(source).unwrap();
    place.release(target).unwrap();
}

#[test]
fn a_large_file_of_the_base_is_copied_a_mebibyte_at_a_time_and_its_holes_at_once() {
    let place = Place::new();
    let file = fs::File::create(place.host("image")).unwrap();
    file.set_len(1 << 40).unwrap();
    file.write_all_at(&vec![b'a'; 3 << 20], 1 << 30).unwrap();
    place.write_file("copy", "");
    let (source, target) = (place.open("image", READ), place.open("copy", BOTH));
    let most = copy_all(&place, source, target);
    assert!(most > 1 << 39, "a hole costs nothing: {most}");
    fs::remove_file(place.host("image")).unwrap();
    assert_eq!(place.stat("copy").size, 1 << 40);
    assert!(place.get(target, 1 << 30, 3 << 20) == vec![b'a'; 3 << 20]);
    assert_eq!(chunks(&place), (3 << 20) / CHUNK);
    place.write_file("again", "");
    let again = place.open("again", BOTH);
    let root = NodeId::ROOT;
    let copied = place.copy_range(&ROOT, root, Some(target), 1 << 30, root, Some(again), 0, 3 << 20);
    assert_eq!(
        (copied, chunks(&place)),
        (Ok(3 << 20), (3 << 20) / CHUNK),
        "what is the volume's own is shared at once"
    );
    for handle in [source, target, again] {
        place.release(handle).unwrap();
    }
}

#[test]
fn what_the_base_has_cut_is_no_hole_and_is_not_copied_as_zeros() {
    let place = Place::new();
    place.chmod("large", 0o600);
    place.write_file("copy", "");
    let (source, target) = (place.open("large", READ), place.open("copy", BOTH));
    let root = NodeId::ROOT;
    fs::write(place.host("large"), "").unwrap();
    let node = place.node("large");
    assert_eq!(place.seek(node, CHUNK, bough::Seek::Data), Ok(CHUNK));
    assert_eq!(place.seek(node, CHUNK, bough::Seek::Hole), Ok(LARGE as u64));
    let copied = place.copy_range(&ROOT, root, Some(source), CHUNK, root, Some(target), 0, CHUNK);
    assert_eq!(copied, Err(Error::BaseChanged));
    fs::remove_file(place.host("large")).unwrap();
    assert_eq!(place.seek(node, 0, bough::Seek::Data), Ok(0));
    for handle in [source, target] {
        place.release(handle).unwrap();
    }
}

#[test]
fn lent_bytes_are_those_that_are_read() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    place.put(handle, 2 * CHUNK + 5, "stored");
    let pin = place.read_pin(&ROOT, NodeId::ROOT, Some(handle), CHUNK - 3, 4 * CHUNK as usize).unwrap();
    let lent: Vec<u8> = pin.ranges().flatten().copied().collect();
    assert!(lent == place.get(handle, CHUNK - 3, 4 * CHUNK as usize));
    place.release(handle).unwrap();
}

#[test]
fn a_file_that_was_copied_up_is_never_mixed_with_a_changed_base() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    place.put(handle, 0, "ours");
    assert_eq!(place.get(handle, CHUNK, 1), b"b");
    fs::File::options().write(true).open(place.host("large")).unwrap().write_at(b"theirs", CHUNK).unwrap();
    assert_eq!(place.get(handle, 0, 4), b"ours", "what was copied up stays");
    let mut buffer = [0; 8];
    let read = |buffer: &mut [u8]| place.read(&ROOT, NodeId::ROOT, Some(handle), CHUNK, buffer);
    assert_eq!(read(&mut buffer), Err(Error::BaseChanged));
    let write = place.write(&ROOT, NodeId::ROOT, Some(handle), bough::WriteAt::Offset(CHUNK), b"x");
    assert_eq!(write, Err(Error::BaseChanged), "the rest of the chunk is not known any more");
    place.put(handle, CHUNK, vec![b'z'; CHUNK as usize]);
    assert_eq!(place.get(handle, CHUNK, 2), b"zz", "a whole chunk needs nothing of the base");
    place.release(handle).unwrap();
}

#[test]
fn an_unchanged_file_reads_as_the_base_is_now() {
    let place = Place::new();
    let handle = place.open("file", READ);
    assert_eq!(place.get(handle, 0, 20), b"content");
    fs::write(place.host("file"), "a longer content").unwrap();
    assert_eq!(place.get(handle, 0, 20), b"a longer content");
    assert_eq!(place.stat("file").size, 16);
    place.release(handle).unwrap();
}

#[test]
fn emptying_a_large_file_copies_nothing() {
    let place = Place::new();
    place.write_file("large", "short");
    assert_eq!(place.read_text("large"), "short");
    assert_eq!(chunks(&place), 0);
    place.set("file", SetAttr { size: Some(3), ..SetAttr::default() });
    assert_eq!(place.read_text("file"), "con");
    place.assert_untouched();
}

#[test]
fn the_first_write_into_a_large_file_takes_no_time_that_its_size_decides() {
    const FILES: u64 = 10;
    let name = |number: u64| format!("huge-{number}");
    let place = Place::new();
    // Now, as the whole base is read to know what it was.
    for number in 0..FILES {
        fs::File::create(place.host(&name(number))).unwrap().set_len(1 << 30).unwrap();
    }
    let write = |number: u64| {
        let handle = place.open(&name(number), BOTH);
        let began = Instant::now();
        place.put(handle, 512 << 20, [7; 4096]);
        let took = began.elapsed();
        assert_eq!(chunks(&place), number + 1);
        place.release(handle).unwrap();
        took
    };
    // What else the machine does may hold up some of them.
    let quickest = (0..FILES).map(write).min().unwrap();
    assert!(quickest.as_millis() < 200, "{quickest:?}");
}

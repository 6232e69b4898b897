//! Content: reading, writing, truncating, appending, copying ranges, pins.

use bough::limits::FILE_BYTES;
use bough::{Error, NewNode, NodeId, OpenOptions, WriteAt};

use crate::support::*;

fn file(fs: &Fs, data: impl AsRef<[u8]>) -> bough::HandleId {
    fs.write_file("file", data);
    fs.open("file", BOTH)
}

/// Bytes that differ from place to place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at / 251) as u8).collect()
}

fn copy(fs: &Fs, from: (&str, u64), to: (&str, u64), length: u64) -> bough::Result<u64> {
    let (source, target) = (fs.node(from.0), fs.node(to.0));
    let answer = fs.copy_range(&ROOT, source, None, from.1, target, None, to.1, length);
    fs.forget(source, 1);
    fs.forget(target, 1);
    answer
}

#[test]
fn what_is_written_is_read_back_at_any_size_and_offset() {
    let fs = Fs::new();
    let sizes = [1, 100, 4096, 16 * 1024, 16 * 1024 + 1, 65_535, 65_536, 65_537, 300_000];
    for size in sizes {
        let data = pattern(size);
        fs.write_file("file", &data);
        assert_eq!(fs.read_file("file"), data, "{size}");
        let handle = fs.open("file", BOTH);
        let half = size / 2;
        fs.put(handle, half as u64, b"!");
        assert_eq!(fs.get(handle, half as u64, 1), b"!");
        assert_eq!(fs.get(handle, 0, half), data[..half]);
        assert_eq!(fs.stat("file").size, size as u64);
        fs.release(handle).unwrap();
    }
}

#[test]
fn reads_at_and_past_the_end_answer_nothing() {
    let fs = Fs::new();
    let handle = file(&fs, "12345");
    assert_eq!(fs.get(handle, 3, 10), b"45");
    assert_eq!(fs.get(handle, 5, 10), b"");
    assert_eq!(fs.get(handle, 1 << 40, 10), b"");
    assert_eq!(fs.get(handle, u64::MAX, 10), b"");
    assert_eq!(fs.get(handle, 0, 0), b"");
}

#[test]
fn a_write_past_the_end_leaves_zeros_between() {
    let fs = Fs::new();
    for gap in [10, 20_000, 200_000] {
        let handle = file(&fs, "ab");
        fs.put(handle, gap, "z");
        let mut expected = vec![0; gap as usize + 1];
        expected[..2].copy_from_slice(b"ab");
        expected[gap as usize] = b'z';
        assert_eq!(fs.read_file("file"), expected);
    }
}

#[test]
fn what_was_cut_off_reads_as_zeros_when_the_file_grows_again() {
    let fs = Fs::new();
    for size in [100, 20_000, 200_000] {
        fs.write_file("file", vec![1; size as usize]);
        fs.truncate("file", size / 3);
        fs.truncate("file", size);
        let expected: Vec<u8> = (0..size).map(|at| u8::from(at < size / 3)).collect();
        assert_eq!(fs.read_file("file"), expected, "{size}");
        fs.truncate("file", size / 3 - 5);
        let handle = fs.open("file", BOTH);
        fs.put(handle, size / 3 + 5, "x");
        assert_eq!(fs.get(handle, size / 3 - 5, 10), [0; 10]);
    }
}

#[test]
fn opening_to_truncate_empties_the_file() {
    let fs = Fs::new();
    fs.write_file("file", "12345");
    fs.open("file", OpenOptions { truncate: true, ..WRITE });
    assert_eq!(fs.stat("file").size, 0);
}

#[test]
fn a_file_ends_at_2_to_the_63_less_1() {
    let fs = Fs::new();
    let handle = file(&fs, "");
    let write = |offset, data: &[u8]| fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(offset), data);
    assert_eq!(write(FILE_BYTES - 1, b"x"), Ok(1));
    assert_eq!(fs.stat("file").size, FILE_BYTES);
    assert_eq!(fs.get(handle, FILE_BYTES - 2, 10), b"\0x");
    assert_eq!(write(FILE_BYTES, b"x"), Err(Error::FileTooLarge));
    assert_eq!(write(u64::MAX, b"x"), Err(Error::FileTooLarge));
    assert_eq!(write(FILE_BYTES - 1, b"yz"), Ok(1), "what fits is written");
    fs.truncate("file", 0);
    fs.truncate("file", FILE_BYTES);
    let set = bough::SetAttr { size: Some(FILE_BYTES + 1), ..Default::default() };
    assert_eq!(fs.path_set_attr(&ROOT, at("file"), &set), Err(Error::FileTooLarge));
    assert_eq!(fs.write(&ROOT, fs.node("file"), None, WriteAt::End, b"x"), Err(Error::FileTooLarge));
}

#[test]
fn appending_handles_write_at_the_end_whatever_the_offset() {
    let fs = Fs::new();
    file(&fs, "one");
    let handle = fs.open("file", APPEND);
    fs.put(handle, 0, "two");
    fs.write_file("file", "1");
    fs.put(handle, 99, "three");
    assert_eq!(fs.read_text("file"), "1three");
}

#[test]
fn what_is_written_back_never_extends_the_file_even_by_a_handle_that_appends() {
    let fs = Fs::new();
    let handle = file(&fs, "0123456789");
    let appends = fs.open("file", APPEND);
    for (by, offset, data, written) in [
        (handle, 2, &b"ab"[..], 2),
        (appends, 0, b"x", 1),
        (handle, 8, b"yz, and more", 2),
        (handle, 10, b"beyond", 0),
        (appends, 1 << 40, b"beyond", 0),
        (handle, u64::MAX, b"beyond", 0),
    ] {
        assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(by), WriteAt::Within(offset), data), Ok(written), "{offset}");
    }
    assert_eq!(fs.read_text("file"), "x1ab4567yz");
    // A page that comes back after the file was cut.
    fs.truncate("file", 3);
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Within(0), &[b'p'; 4096]), Ok(3));
    assert_eq!(fs.read_text("file"), "ppp");
    let reader = fs.open("file", READ);
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(reader), WriteAt::Within(0), b"x"), Err(Error::BadHandle));
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, None, WriteAt::Within(0), b"x"), Err(Error::IsADirectory));
}

#[test]
fn appends_of_many_threads_all_survive() {
    let fs = Fs::new();
    file(&fs, "");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let fs = &fs;
            scope.spawn(move || {
                let handle = fs.open("file", APPEND);
                for _ in 0..200 {
                    fs.put(handle, 0, [thread; 10]);
                }
            });
        }
    });
    let data = fs.read_file("file");
    assert_eq!(data.len(), 8000);
    assert!(data.chunks(10).all(|record| record.iter().all(|&byte| byte == record[0])), "no record is torn");
}

#[test]
fn a_read_sees_all_of_a_write_or_nothing_of_it() {
    let fs = Fs::new();
    let size = 200_000;
    let handle = file(&fs, vec![0; size]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| (1..100_u8).for_each(|round| fs.put(handle, 0, vec![round; size])));
        while !writer.is_finished() {
            let seen = fs.get(handle, 0, size);
            assert!(seen.iter().all(|&byte| byte == seen[0]));
        }
    });
}

#[test]
fn only_regular_files_are_read_and_written() {
    let fs = Fs::new();
    fs.make_at("fifo", NewNode::Fifo);
    fs.mkdir_p("dir");
    let (fifo, dir) = (fs.node("fifo"), fs.node("dir"));
    assert!(matches!(fs.read(&ROOT, fifo, None, 0, &mut [0; 4]), Err(Error::Invalid(_))));
    assert!(matches!(fs.write(&ROOT, fifo, None, WriteAt::End, b"x"), Err(Error::Invalid(_))));
    assert_eq!(fs.read(&ROOT, dir, None, 0, &mut [0; 4]), Err(Error::IsADirectory));
    assert_eq!(fs.write(&ROOT, dir, None, WriteAt::End, b"x"), Err(Error::IsADirectory));
}

#[test]
fn fsync_and_flush_of_what_exists_succeed() {
    let fs = Fs::new();
    file(&fs, "x");
    let node = fs.node("file");
    assert_eq!((fs.fsync(node), fs.flush(node, None), fs.flush(node, Some(7))), (Ok(()), Ok(()), Ok(())));
    assert_eq!(fs.fsync(NodeId(99_999)), Err(Error::Stale));
}

#[test]
fn a_copied_range_shares_whole_chunks() {
    let fs = Fs::new();
    let data = pattern(4 * CHUNK as usize);
    fs.write_file("source", &data);
    fs.write_file("target", vec![9; CHUNK as usize]);
    let before = fs.volume.stats();
    assert_eq!(copy(&fs, ("source", CHUNK), ("target", CHUNK), 2 * CHUNK), Ok(2 * CHUNK));
    let after = fs.volume.stats();
    assert_eq!((after.chunks, after.chunks_allocated), (before.chunks, before.chunks_allocated), "nothing was stored");
    let copied = fs.read_file("target");
    assert_eq!(copied[CHUNK as usize..], data[CHUNK as usize..3 * CHUNK as usize]);
    let handle = fs.open("target", WRITE);
    fs.put(handle, CHUNK, "changed");
    assert_eq!(fs.volume.stats().chunks_copied, after.chunks_copied + 1, "a write copies the one chunk");
    assert_eq!(fs.read_file("source"), data);
}

#[test]
fn a_whole_file_is_copied_by_sharing_all_of_it() {
    let fs = Fs::new();
    let data = pattern(10 * CHUNK as usize + 17);
    fs.write_file("source", &data);
    fs.write_file("target", "");
    let before = fs.volume.stats();
    assert_eq!(copy(&fs, ("source", 0), ("target", 0), u64::MAX), Ok(data.len() as u64));
    assert_eq!(fs.volume.stats().chunks, before.chunks);
    assert_eq!(fs.read_file("target"), data);
}

#[test]
fn a_copied_range_that_does_not_line_up_has_the_right_bytes() {
    let fs = Fs::new();
    let data = pattern(3 * CHUNK as usize);
    fs.write_file("source", &data);
    for (from, to, length) in
        [(1, 0, 100), (0, 1, CHUNK), (CHUNK - 1, 5, 2 * CHUNK), (7, 7, CHUNK), (CHUNK, 0, CHUNK + 1)]
    {
        fs.write_file("target", vec![7; 10]);
        assert_eq!(copy(&fs, ("source", from), ("target", to), length), Ok(length));
        let target = fs.read_file("target");
        assert_eq!(target[to as usize..(to + length) as usize], data[from as usize..(from + length) as usize]);
        assert!(target[..to.min(10) as usize].iter().all(|&byte| byte == 7));
    }
}

#[test]
fn a_copy_ends_where_the_source_ends_and_holes_stay_holes() {
    let fs = Fs::new();
    fs.write_file("source", "12345");
    fs.write_file("target", "");
    assert_eq!(copy(&fs, ("source", 3), ("target", 0), 100), Ok(2));
    assert_eq!(copy(&fs, ("source", 5), ("target", 0), 100), Ok(0));
    assert_eq!(copy(&fs, ("source", 50), ("target", 0), 100), Ok(0));
    assert_eq!(fs.read_text("target"), "45");
    fs.truncate("source", 10 * CHUNK);
    fs.write_file("target", "");
    assert_eq!(copy(&fs, ("source", CHUNK), ("target", 0), 8 * CHUNK), Ok(8 * CHUNK));
    assert_eq!((fs.stat("target").size, fs.stat("target").allocated), (8 * CHUNK, 0));
}

#[test]
fn ranges_of_one_file_are_copied_unless_they_overlap() {
    let fs = Fs::new();
    let handle = file(&fs, "0123456789");
    fs.write_file("other", "abc");
    assert_eq!(copy(&fs, ("file", 0), ("file", 5), 5), Ok(5));
    assert_eq!(fs.read_text("file"), "0123401234");
    assert!(matches!(copy(&fs, ("file", 0), ("file", 4), 5), Err(Error::Invalid(_))));
    assert!(matches!(copy(&fs, ("file", 4), ("file", 0), 5), Err(Error::Invalid(_))));
    assert_eq!(copy(&fs, ("file", 8), ("file", 10), 100), Ok(2), "past the end there is nothing to overlap");
    assert_eq!(fs.read_text("file"), "012340123434");
    fs.truncate("file", 10);
    let (other, node) = (fs.open("other", READ), fs.node("file"));
    let copy =
        |source, target_node| fs.copy_range(&ROOT, NodeId::ROOT, Some(source), 0, target_node, Some(handle), 0, 3);
    assert_eq!(copy(other, NodeId::ROOT), Ok(3), "handles tell the files apart");
    assert!(matches!(copy(handle, node), Err(Error::Invalid(_))));
}

#[test]
fn copying_checks_what_the_handles_may_do() {
    let fs = Fs::new();
    fs.write_file("a", "a");
    fs.write_file("b", "b");
    let (a, b) = (fs.node("a"), fs.node("b"));
    let (read, write) = (fs.open("a", READ), fs.open("b", WRITE));
    let copy = |from, to| fs.copy_range(&ROOT, a, Some(from), 0, b, Some(to), 0, 1);
    assert_eq!(copy(fs.open("a", WRITE), write), Err(Error::BadHandle));
    assert_eq!(copy(read, fs.open("b", READ)), Err(Error::BadHandle));
    assert_eq!(copy(read, write), Ok(1));
    assert_eq!(fs.copy_range(&ROOT, NodeId::ROOT, None, 0, b, None, 0, 1), Err(Error::IsADirectory));
    assert_eq!(fs.copy_range(&ROOT, a, None, 0, b, None, FILE_BYTES, 1), Err(Error::FileTooLarge));
}

#[test]
fn a_pin_shows_the_bytes_as_they_were_whatever_is_written_later() {
    let fs = Fs::new();
    for size in [10, 3 * CHUNK as usize + 5] {
        let data = pattern(size);
        let handle = file(&fs, &data);
        let pin = fs.read_pin(&ROOT, NodeId::ROOT, Some(handle), 1, size).unwrap();
        assert_eq!((pin.len(), pin.is_empty()), (size - 1, false));
        fs.put(handle, 0, vec![0xee; size]);
        assert_eq!(pin.ranges().collect::<Vec<_>>().concat(), data[1..]);
        fs.truncate("file", 0);
        fs.remove_file("file");
        fs.release(handle).unwrap();
        assert_eq!(pin.ranges().collect::<Vec<_>>().concat(), data[1..], "nor what becomes of the file");
    }
}

#[test]
fn a_pin_of_holes_lends_zeros_and_past_the_end_nothing() {
    let fs = Fs::new();
    let handle = file(&fs, "x");
    fs.truncate("file", 3 * CHUNK);
    let pin = |offset, length| fs.read_pin(&ROOT, NodeId::ROOT, Some(handle), offset, length).unwrap();
    assert!(pin(CHUNK, 2 * CHUNK as usize).ranges().all(|range| range.iter().all(|&byte| byte == 0)));
    assert_eq!(pin(3 * CHUNK - 4, 100).len(), 4);
    assert!(pin(3 * CHUNK, 100).is_empty());
    assert_eq!(fs.volume.stats().chunks, 0);
}

#[test]
fn a_small_write_into_a_large_shared_file_copies_one_chunk() {
    let fs = Fs::new();
    let handle = file(&fs, vec![1; 64 * CHUNK as usize]);
    fs.snapshot("s");
    let before = fs.volume.stats();
    fs.put(handle, 10 * CHUNK + 100, vec![2; 4096]);
    fs.put(handle, 10 * CHUNK + 9000, vec![2; 4096]);
    let after = fs.volume.stats();
    assert_eq!(after.chunks_allocated - before.chunks_allocated, 1);
    assert_eq!(after.chunks_copied - before.chunks_copied, 1);
}

#[test]
fn a_file_that_memory_has_no_room_for_is_not_read_at_once() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.truncate("file", FILE_BYTES);
    assert_eq!(fs.path_read(&ROOT, at("file")), Err(Error::FileTooLarge));
}

//! Space: holes, allocation, seeking, memory limit, spill folder, statfs.

use bough::limits::FILE_BYTES;
use bough::{Allocation, Config, Disposition, Error, NewNode, NodeId, RefId, Seek, Volume, WindowsOpen, WriteAt};

use crate::support::windows::*;
use crate::support::*;

const RESERVE: Allocation = Allocation::Reserve { keep_size: false };
const RESERVE_KEEP: Allocation = Allocation::Reserve { keep_size: true };
const ZERO: Allocation = Allocation::Zero { keep_size: false };
const ZERO_KEEP: Allocation = Allocation::Zero { keep_size: true };
const PUNCH: Allocation = Allocation::Punch;

fn allocate(fs: &Fs, offset: u64, length: u64, how: Allocation) -> bough::Result<()> {
    let handle = fs.open("file", WRITE);
    let answer = fs.allocate(&ROOT, NodeId::ROOT, Some(handle), offset, length, how);
    fs.release(handle).unwrap();
    answer
}

/// With room for so many chunks, and half a one for metadata.
fn small_volume(chunks: u64) -> Fs {
    Fs::of(Config { memory_bytes: Some(chunks * CHUNK + CHUNK / 2), root_mode: 0o777, ..Config::default() })
}

fn write(fs: &Fs, path: &str, bytes: u64) -> bough::Result<()> {
    fs.path_write(&ROOT, at(path), &vec![7; bytes as usize])
}

#[test]
fn holes_cost_nothing() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.truncate("file", 1 << 50);
    assert_eq!((fs.stat("file").allocated, fs.volume.stats().chunks), (0, 0));
    let handle = fs.open("file", BOTH);
    fs.put(handle, 1 << 49, "x");
    assert_eq!((fs.stat("file").allocated, fs.volume.stats().chunks), (CHUNK, 1));
    assert_eq!(fs.get(handle, (1 << 49) - 1, 3), b"\0x\0");
}

#[test]
fn reserving_extends_the_file_unless_it_keeps_its_size() {
    let fs = Fs::new();
    for size in [100, 3 * CHUNK] {
        fs.write_file("file", "abc");
        assert_eq!(allocate(&fs, 0, size, RESERVE_KEEP), Ok(()));
        assert_eq!(fs.stat("file").size, 3);
        assert!(fs.stat("file").allocated >= size);
        assert_eq!(allocate(&fs, 0, size, RESERVE), Ok(()));
        assert_eq!(fs.stat("file").size, size);
        let data = fs.read_file("file");
        assert!(data.starts_with(b"abc\0") && data[3..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn what_was_reserved_can_be_written_when_space_has_run_out() {
    let fs = small_volume(8);
    fs.write_file("file", "");
    allocate(&fs, 0, 4 * CHUNK, RESERVE).unwrap();
    while write(&fs, &format!("fill{}", fs.names("/").len()), CHUNK).is_ok() {}
    let handle = fs.open("file", WRITE);
    fs.put(handle, 0, vec![1; 4 * CHUNK as usize]);
    let more = fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::End, &[1; 100_000]);
    assert_eq!(more, Err(Error::NoSpace));
}

#[test]
fn reserving_more_than_there_is_changes_nothing() {
    let fs = small_volume(8);
    fs.write_file("file", "abc");
    let before = (fs.stat("file").size, fs.volume.stats().chunks);
    assert_eq!(allocate(&fs, 0, 100 * CHUNK, RESERVE), Err(Error::NoSpace));
    assert_eq!(allocate(&fs, 0, FILE_BYTES, RESERVE), Err(Error::NoSpace));
    assert_eq!((fs.stat("file").size, fs.read_text("file").as_str()), (before.0, "abc"));
    assert!(fs.volume.stats().chunks <= before.1 + 1);
}

#[test]
fn punching_frees_whole_chunks_and_zeroes_the_rest() {
    let fs = Fs::new();
    let chunk = CHUNK as usize;
    fs.write_file("file", vec![1; 4 * chunk]);
    assert_eq!(allocate(&fs, CHUNK / 2, 2 * CHUNK, PUNCH), Ok(()));
    let expected: Vec<u8> = (0..4 * chunk).map(|at| u8::from(at < chunk / 2 || at >= 5 * chunk / 2)).collect();
    assert_eq!(fs.read_file("file"), expected);
    assert_eq!((fs.stat("file").size, fs.stat("file").allocated), (4 * CHUNK, 3 * CHUNK));
    allocate(&fs, 0, 100 * CHUNK, PUNCH).unwrap();
    assert_eq!((fs.stat("file").size, fs.stat("file").allocated, fs.volume.stats().chunks), (4 * CHUNK, 0, 0));
    allocate(&fs, 50 * CHUNK, CHUNK, PUNCH).unwrap();
    assert_eq!(fs.stat("file").size, 4 * CHUNK, "past the end nothing happens");
}

#[test]
fn zeroing_keeps_storage_and_may_extend() {
    let fs = Fs::new();
    fs.write_file("file", vec![1; 2 * CHUNK as usize]);
    allocate(&fs, 10, CHUNK, ZERO).unwrap();
    let data = fs.read_file("file");
    assert!(data[..10].iter().all(|&b| b == 1) && data[10..CHUNK as usize + 10].iter().all(|&b| b == 0));
    assert!(data[CHUNK as usize + 10..].iter().all(|&b| b == 1));
    assert_eq!(fs.stat("file").allocated, 2 * CHUNK);
    allocate(&fs, 3 * CHUNK, CHUNK, ZERO_KEEP).unwrap();
    assert_eq!(fs.stat("file").size, 2 * CHUNK);
    allocate(&fs, 3 * CHUNK, CHUNK, ZERO).unwrap();
    assert_eq!((fs.stat("file").size, fs.stat("file").allocated), (4 * CHUNK, 3 * CHUNK));
}

#[test]
fn allocation_refuses_bad_ranges_and_kinds() {
    let fs = Fs::new();
    fs.write_file("file", "");
    for how in [RESERVE, RESERVE_KEEP, ZERO, ZERO_KEEP, PUNCH] {
        assert!(matches!(allocate(&fs, 0, 0, how), Err(Error::Invalid(_))), "{how:?}");
        assert_eq!(allocate(&fs, FILE_BYTES, 1, how), Err(Error::FileTooLarge), "{how:?}");
        assert_eq!(allocate(&fs, u64::MAX, u64::MAX, how), Err(Error::FileTooLarge), "{how:?}");
        assert_eq!(fs.allocate(&ROOT, NodeId::ROOT, None, 0, 1, how), Err(Error::IsADirectory), "{how:?}");
        fs.remove_file("file");
        fs.make_at("file", NewNode::Fifo);
        let node = fs.node("file");
        assert!(matches!(fs.allocate(&ROOT, node, None, 0, 1, how), Err(Error::Invalid(_))), "{how:?}");
        fs.remove_file("file");
        fs.write_file("file", "");
        let handle = fs.open("file", READ);
        assert_eq!(fs.allocate(&ROOT, NodeId::ROOT, Some(handle), 0, 1, how), Err(Error::BadHandle));
    }
}

#[test]
fn seek_finds_data_and_holes_by_chunks() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.truncate("file", 10 * CHUNK);
    let handle = fs.open("file", WRITE);
    fs.put(handle, 2 * CHUNK + 5, "x");
    fs.put(handle, 3 * CHUNK, "x");
    fs.put(handle, 7 * CHUNK, "x");
    let node = fs.node("file");
    let (data, hole) = (|at| fs.seek(node, at, Seek::Data), |at| fs.seek(node, at, Seek::Hole));
    assert_eq!((data(0), hole(0)), (Ok(2 * CHUNK), Ok(0)));
    assert_eq!((data(2 * CHUNK + 9), hole(2 * CHUNK + 9)), (Ok(2 * CHUNK + 9), Ok(4 * CHUNK)));
    assert_eq!((data(4 * CHUNK), hole(7 * CHUNK)), (Ok(7 * CHUNK), Ok(8 * CHUNK)));
    assert_eq!(data(8 * CHUNK), Err(Error::NoSuchOffset));
    assert_eq!(hole(10 * CHUNK - 1), Ok(10 * CHUNK - 1));
    for past in [10 * CHUNK, u64::MAX] {
        assert_eq!((data(past), hole(past)), (Err(Error::NoSuchOffset), Err(Error::NoSuchOffset)));
    }
}

#[test]
fn the_end_of_a_full_file_counts_as_a_hole() {
    let fs = Fs::new();
    for size in [5, 100_000] {
        fs.write_file("file", vec![1; size]);
        let node = fs.node("file");
        assert_eq!(fs.seek(node, 0, Seek::Hole), Ok(size as u64));
        assert_eq!(fs.seek(node, 3, Seek::Data), Ok(3));
    }
    fs.write_file("file", "");
    let node = fs.node("file");
    assert_eq!(fs.seek(node, 0, Seek::Data), Err(Error::NoSuchOffset));
    assert_eq!(fs.seek(node, 0, Seek::Hole), Err(Error::NoSuchOffset));
    assert_eq!(fs.seek(NodeId::ROOT, 0, Seek::Data), Err(Error::IsADirectory));
}

#[test]
fn small_files_are_counted_by_what_they_take() {
    let fs = Fs::new();
    for number in 0..1000 {
        fs.write_file(&format!("f{number}"), [1; 100]);
    }
    let stats = fs.volume.stats();
    assert_eq!((stats.chunks, stats.small_bytes), (0, 100_000));
    assert!((300_000..500_000).contains(&stats.used_bytes), "{}", stats.used_bytes);
    fs.write_file("edge", vec![1; 16 * 1024]);
    assert_eq!(fs.volume.stats().chunks, 0);
    fs.write_file("over", vec![1; 16 * 1024 + 1]);
    assert_eq!((fs.volume.stats().chunks, fs.stat("over").allocated), (1, CHUNK));
}

#[test]
fn past_the_memory_limit_writes_fail_and_what_is_stored_stays_readable() {
    let fs = small_volume(16);
    fs.write_file("small", "small");
    let mut files = 0;
    while write(&fs, &format!("f{files}"), 2 * CHUNK).is_ok() {
        files += 1;
    }
    assert_eq!(files, 7, "16 chunks, less the one that the small file lies in");
    assert!(fs.volume.stats().used_bytes <= 17 * CHUNK);
    assert_eq!(write(&fs, "one more", 2 * CHUNK), Err(Error::NoSpace));
    for number in 0..files {
        assert_eq!(fs.read_file(&format!("f{number}")), vec![7; 2 * CHUNK as usize]);
    }
    assert_eq!(fs.read_text("small"), "small");
    fs.mkdir_p("dir/names/need/no/content");
}

#[test]
fn a_write_that_runs_out_of_space_says_how_much_it_wrote() {
    let fs = small_volume(4);
    fs.write_file("file", "");
    let node = fs.node("file");
    let write = |at| fs.write(&ROOT, node, None, at, &vec![1; 6 * CHUNK as usize]);
    assert_eq!(write(WriteAt::Offset(0)), Ok(4 * CHUNK as usize));
    assert_eq!(write(WriteAt::End), Err(Error::NoSpace));
    assert_eq!(fs.read_file("file"), vec![1; 4 * CHUNK as usize]);
}

#[test]
fn overwriting_in_place_needs_no_space_but_a_shared_chunk_does() {
    let fs = small_volume(4);
    fs.write_file("file", vec![1; 4 * CHUNK as usize]);
    let handle = fs.open("file", BOTH);
    fs.put(handle, 0, vec![2; 4 * CHUNK as usize]);
    fs.snapshot("s");
    let write = fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(10), b"x");
    assert_eq!(write, Err(Error::NoSpace));
    assert_eq!(fs.get(handle, 0, 4 * CHUNK as usize), vec![2; 4 * CHUNK as usize]);
}

#[test]
fn space_comes_back_with_every_deletion() {
    let fs = small_volume(8);
    for _ in 0..5 {
        write(&fs, "a", 7 * CHUNK).unwrap();
        assert_eq!(write(&fs, "b", 2 * CHUNK), Err(Error::NoSpace));
        drop(fs.path_unlink(&ROOT, at("b")));
        fs.remove_file("a");
        assert_eq!(fs.volume.stats().chunks, 0);
    }
    write(&fs, "a", 7 * CHUNK).unwrap();
    fs.truncate("a", 0);
    write(&fs, "b", 7 * CHUNK).unwrap();
}

#[test]
fn space_comes_back_when_a_snapshot_is_deleted() {
    let fs = small_volume(8);
    write(&fs, "a", 7 * CHUNK).unwrap();
    let snapshot = fs.snapshot("s");
    fs.remove_file("a");
    assert_eq!(fs.volume.stats().chunks, 7, "the snapshot holds it");
    fs.volume.delete_ref(bough::RefId::Snapshot(snapshot)).unwrap();
    let freed = || fs.volume.stats().chunks == 0;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !freed() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(freed(), "in the background, but soon");
}

#[test]
fn who_deletes_a_snapshot_has_its_room_at_once() {
    let fs = small_volume(8);
    for round in 0..20 {
        write(&fs, "a", 7 * CHUNK).unwrap();
        let snapshot = fs.snapshot("s");
        fs.remove_file("a");
        fs.volume.delete_ref(RefId::Snapshot(snapshot)).unwrap();
        assert_eq!(write(&fs, "a", 7 * CHUNK), Ok(()), "{round}");
    }
}

#[test]
fn a_memory_limit_below_one_chunk_is_invalid() {
    for bytes in [0, 1, CHUNK - 1] {
        let opened = Volume::open(Config { memory_bytes: Some(bytes), ..Config::default() });
        assert!(matches!(opened.err(), Some(Error::Invalid(_))), "{bytes}");
    }
    assert!(Volume::open(Config { memory_bytes: Some(CHUNK), ..Config::default() }).is_ok());
}

#[test]
fn content_past_the_memory_limit_goes_to_a_folder_that_shows_no_name_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let spill_dir = Some(folder.path().to_path_buf());
    let fs = Fs::of(Config { memory_bytes: Some(8 * CHUNK), spill_dir, ..Config::default() });
    let content = |number: u64| -> Vec<u8> { (0..3 * CHUNK).map(|at| (at * 31 + number) as u8).collect() };
    for number in 0..20 {
        fs.write_file(&format!("f{number}"), content(number));
    }
    fs.write_file("small", "small");
    let stats = fs.volume.stats();
    assert_eq!(stats.chunks, 60, "a small file takes no chunk");
    assert!(stats.spill_bytes >= 52 * CHUNK && stats.used_bytes > stats.memory_bytes);
    assert!(stats.capacity_bytes >= stats.used_bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    for number in 0..20 {
        assert_eq!(fs.read_file(&format!("f{number}")), content(number), "{number}");
    }
    assert_eq!(fs.read_text("small"), "small");
    let handle = fs.open("f19", BOTH);
    let kept = fs.frozen("kept");
    fs.put(handle, 5, "changed");
    assert_eq!(kept.read_file("f19"), content(19));
    assert_eq!(&fs.read_file("f19")[5..12], b"changed");
    for number in 0..20 {
        fs.remove_file(&format!("f{number}"));
    }
    drop((kept, fs));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_spill_folder_that_cannot_be_used_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let spill_dir = Some(folder.path().join("missing"));
    assert!(matches!(Volume::open(Config { spill_dir, ..Config::default() }).err(), Some(Error::Io(_))));
}

#[test]
fn memory_returns_to_what_it_was_when_snapshots_are_deleted() {
    let fs = Fs::of(Config { memory_bytes: Some(1 << 30), ..Config::default() });
    let write = |number: usize, byte: u8| fs.write_file(&format!("f{number}"), vec![byte; 4096]);
    (0..3_000).for_each(|number| write(number, 1));
    let used = || fs.volume.stats().used_bytes;
    let before = used();
    let snapshots: Vec<_> = (0..60)
        .map(|round| {
            (0..50).for_each(|at| write((round * 977 + at * 389) % 3_000, round as u8));
            fs.snapshot(&format!("s{round}"))
        })
        .collect();
    assert!(used() > before * 3 / 2, "{} of {before}", used());
    snapshots.into_iter().for_each(|id| fs.volume.delete_ref(RefId::Snapshot(id)).unwrap());
    // Waits for what goes on in the background.
    assert_eq!(fs.volume.check_invariants(true).problems, Vec::<String>::new());
    assert!(used() <= before + before / 25, "{} of {before}", used());
}

#[test]
fn statfs_counts_blocks_and_inodes() {
    let fs = small_volume(16);
    let empty = fs.fs_stats();
    assert_eq!((empty.block_bytes, empty.name_bytes), (4096, 255));
    let close = |free: u64, chunks: u64| (chunks * CHUNK..=chunks * CHUNK + CHUNK / 2).contains(&(free * 4096));
    assert_eq!(empty.blocks, (16 * CHUNK + CHUNK / 2) / 4096);
    assert!(close(empty.blocks_free, 16), "{}", empty.blocks_free);
    write(&fs, "file", 4 * CHUNK).unwrap();
    let used = fs.fs_stats();
    assert!(close(used.blocks_free, 12), "{}", used.blocks_free);
    assert!(used.inodes_free < used.inodes && used.inodes_free <= empty.inodes_free);
}

/// With memory for 16 chunks, and room for 20 where it spills.
fn spilling_volume(folder: &std::path::Path) -> Fs {
    Fs::of(Config {
        memory_bytes: Some(16 * CHUNK),
        spill_dir: Some(folder.to_owned()),
        spill_limit_bytes: Some(20 * CHUNK),
        spill_reserve_bytes: Some(0),
        root_mode: 0o777,
        ..Config::default()
    })
}

#[test]
fn statfs_tells_what_a_writer_can_still_store_where_it_spills_too() {
    let folder = tempfile::tempdir().unwrap();
    let fs = spilling_volume(folder.path());
    let free = || fs.fs_stats().blocks_free * 4096;
    assert_eq!(fs.fs_stats().blocks * 4096, 36 * CHUNK, "memory, and what may be spilled");
    fs.write_file("file", "");
    let handle = fs.open("file", BOTH);
    let (told, mut written) = (free(), 0);
    let chunk = |number: u64| vec![number as u8 + 1; CHUNK as usize];
    let error = loop {
        let before = free();
        match fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::End, &chunk(written)) {
            Ok(done) => assert_eq!(done as u64, CHUNK),
            Err(error) => break error,
        }
        written += 1;
        // A chunk that is just on its way out may be counted nowhere.
        assert!(before.saturating_sub(free()) <= 2 * CHUNK + CHUNK / 4, "{before} {}", free());
        assert_eq!(fs.fs_stats().blocks * 4096, 36 * CHUNK, "{written}");
    };
    assert_eq!(error, Error::NoSpace);
    assert!((told / CHUNK - 2..=told / CHUNK).contains(&written), "{written} chunks of {told} bytes");
    assert!(free() <= 2 * CHUNK, "{}", free());
    for number in 0..written {
        assert!(fs.get(handle, number * CHUNK, CHUNK as usize) == chunk(number), "{number}");
    }
    fs.truncate("file", 0);
    assert_eventually(|| free() + CHUNK / 4 >= told);
}

#[track_caller]
fn assert_eventually(is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !is_so() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(is_so(), "in the background, but soon");
}

#[test]
fn what_is_reserved_is_gone_from_what_statfs_tells_and_a_hole_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let spilling = || spilling_volume(folder.path());
    for (fs, chunks) in [(small_volume(16), 4), (spilling(), 4), (spilling(), 18)] {
        fs.write_file("file", vec![1; 20_000]);
        let free = || fs.fs_stats().blocks_free * 4096;
        let before = free();
        fs.truncate("file", 1 << 40);
        assert!(before.abs_diff(free()) < CHUNK / 2, "a hole: {before} {}", free());
        fs.truncate("file", 20_000);
        allocate(&fs, CHUNK, chunks * CHUNK, RESERVE).unwrap();
        let taken = before - free();
        assert!(taken.abs_diff(chunks * CHUNK) < CHUNK / 2, "{chunks}: {taken}");
        allocate(&fs, CHUNK, chunks * CHUNK, PUNCH).unwrap();
        assert_eventually(|| free() + CHUNK / 2 >= before);
    }
}

/// Makes empty files until there is no space for one more. Answers how many there are.
fn fill_with_names(fs: &Fs) -> u64 {
    let directory = fs.make_at("many", NewNode::Directory).inode;
    assert!(directory.0 > 0);
    let node = fs.node("many");
    let make = |number: u64| fs.make(&ROOT, node, format!("file-{number:07}").as_bytes(), 0o644, NewNode::File);
    let mut files = 0;
    let error = loop {
        match make(files) {
            Ok(made) => fs.forget(made.node, 1),
            Err(error) => break error,
        }
        files += 1;
    };
    fs.forget(node, 1);
    assert_eq!(error, Error::NoSpace);
    files
}

#[test]
fn metadata_too_large_for_the_limit_is_no_space_and_can_always_be_removed() {
    for spills in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let spill_dir = spills.then(|| folder.path().to_path_buf());
        let fs = Fs::of(Config { memory_bytes: Some(8 << 20), spill_dir, root_mode: 0o777, ..Config::default() });
        fs.write_file("content", vec![7; 1 << 20]);
        let files = fill_with_names(&fs);
        assert!((10_000..40_000).contains(&files), "{files}");
        let resident = || fs.volume.activity().resident_bytes;
        assert!(resident() <= (8 << 20) * 21 / 20, "{}", resident());
        assert_eq!(fs.path_make(&ROOT, at("dir"), 0o755, NewNode::Directory), Err(Error::NoSpace));
        assert_eq!(fs.path_link(&ROOT, at("content"), at("link")), Err(Error::NoSpace));
        // A snapshot takes next to nothing, and what it shares is copied to be removed.
        let snapshot = fs.snapshot("s");
        for number in 0..files {
            fs.remove_file(&format!("many/file-{number:07}"));
        }
        assert!(resident() <= (8 << 20) * 21 / 20, "{}", resident());
        assert_eq!(fs.read_file("content"), vec![7; 1 << 20]);
        fs.remove_dir("many");
        fs.volume.delete_ref(bough::RefId::Snapshot(snapshot)).unwrap();
        let begun = std::time::Instant::now();
        while fs.path_make(&ROOT, at("dir"), 0o755, NewNode::Directory).is_err() {
            assert!(begun.elapsed().as_secs() < 120, "space comes back");
        }
    }
}

#[test]
fn streams_go_the_windows_way_though_metadata_takes_the_limit_and_none_is_made() {
    let fs = Fs::of(Config { memory_bytes: Some(8 << 20), root_mode: 0o777, ..Config::default() });
    let stream = |name: &'static str, open: WindowsOpen<'static>| WindowsOpen { stream: name.as_bytes(), ..open };
    let names = |path: &str| fs.list_streams(fs.node(path)).unwrap().len();
    fs.write_file("file", "content");
    let open = |name| fs.wopen("file", stream(name, ALL));
    let (gone, emptied) = (open("gone"), open("emptied"));
    fs.put(gone, 0, "beside");
    fs.put(emptied, 0, "beside");
    fs.windows_dispose(gone, DELETE).unwrap();
    // From now on the file is the snapshot's, too, and is copied to be changed.
    let snapshot = fs.snapshot("s");
    fs.write_file("later", "content");
    fill_with_names(&fs);
    assert_eq!(fs.ask("later", stream("more", ALL)), Err(Error::NoSpace), "a stream is more than there was");
    assert_eq!(fs.ask("new", stream("more", ALL)), Err(Error::NoSpace));
    assert_eq!((names("later"), fs.path_lookup(&ROOT, at("new")).err()), (0, Some(Error::NotFound)));
    fs.close(gone);
    assert_eq!(names("file"), 1, "the last handle takes it away");
    let again = fs.ask("file", stream("emptied", WindowsOpen { disposition: Disposition::Overwrite, ..ALL }));
    assert_eq!(fs.get(again.unwrap().handle, 0, 9), b"");
    fs.volume.delete_ref(RefId::Snapshot(snapshot)).unwrap();
}

#[test]
fn branches_and_snapshots_may_take_a_little_more_than_names_and_no_more_than_that() {
    for spills in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let spill_dir = spills.then(|| folder.path().to_path_buf());
        let fs = Fs::of(Config { memory_bytes: Some(8 << 20), spill_dir, root_mode: 0o777, ..Config::default() });
        fill_with_names(&fs);
        let main = fs.volume.first_branch();
        let take = || fs.volume.create_snapshot(main, None);
        let taken: Vec<_> = std::iter::from_fn(|| take().ok()).take(2000).collect();
        assert!((10..2000).contains(&taken.len()), "{}", taken.len());
        assert_eq!(take(), Err(Error::NoSpace));
        assert_eq!(fs.volume.create_branch("branch", RefId::Branch(main)), Err(Error::NoSpace));
        let resident = fs.volume.activity().resident_bytes;
        assert!(resident <= (8 << 20) * 21 / 20, "{resident}");
        // What is known of one is given back as it is deleted, with steps in which memory is counted.
        taken[..10].iter().for_each(|id| fs.volume.delete_ref(RefId::Snapshot(*id)).unwrap());
        assert!(take().is_ok());
        assert!(fs.volume.create_branch("branch", RefId::Branch(main)).is_ok());
    }
}

#[test]
fn what_was_set_aside_is_given_back_though_metadata_takes_the_limit() {
    let fs = Fs::of(Config { memory_bytes: Some(8 << 20), root_mode: 0o777, ..Config::default() });
    fs.write_file("file", "content");
    let node = fs.node("file");
    fs.set_allocation(&ROOT, node, None, 10 * CHUNK).unwrap();
    let snapshot = fs.snapshot("s");
    fill_with_names(&fs);
    assert_eq!(fs.set_allocation(&ROOT, node, None, 11 * CHUNK), Err(Error::NoSpace));
    fs.give_back_allocation(node, None).unwrap();
    assert!(fs.stat("file").allocated <= CHUNK);
    let chunks = fs.volume.stats().chunks;
    fs.volume.delete_ref(bough::RefId::Snapshot(snapshot)).unwrap();
    let begun = std::time::Instant::now();
    while fs.volume.stats().chunks > chunks - 9 {
        assert!(begun.elapsed().as_secs() < 120, "what nobody has set aside goes");
    }
}

/// With room for so many bytes in the spill file, and little in memory. Reserving more than 128 MiB takes several steps.
fn large_volume(folder: &std::path::Path, bytes: u64) -> Fs {
    Fs::of(Config {
        memory_bytes: Some(256 * CHUNK),
        spill_dir: Some(folder.to_owned()),
        spill_limit_bytes: Some(bytes),
        spill_reserve_bytes: Some(0),
        root_mode: 0o777,
        ..Config::default()
    })
}

#[test]
fn an_allocation_that_fails_at_its_last_step_takes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let fs = large_volume(folder.path(), 300 << 20);
    fs.write_file("file", "");
    // The chunk in which the file ends is a hole as well: what follows it fits, and the two do not.
    fs.truncate("file", CHUNK / 2);
    let node = fs.node("file");
    let free = || fs.fs_stats().blocks_free * 4096 / CHUNK * CHUNK;
    let (before, file) = (free(), fs.stat("file").allocated);
    assert!((300 << 20..330 << 20).contains(&before), "{before}");
    // Some of the room goes to what knows of the chunks. The first tries are refused at once, others at the end.
    let fits = (0..64).map(|less| before + CHUNK - less * CHUNK).find(|&bytes| {
        let answer = fs.set_allocation(&ROOT, node, None, bytes);
        if answer.is_err() {
            assert_eq!((answer, fs.stat("file").allocated), (Err(Error::NoSpace), file), "{bytes}");
            assert_eventually(|| free() + 2 * CHUNK >= before);
            return false;
        }
        answer.unwrap().allocation == bytes
    });
    assert!(fits.is_some(), "of {before}");
}

/// Has `allocate` ask for ever less until there is room, on an empty file with a megabyte reserved further out. What fails leaves that, and
/// takes nothing.
#[track_caller]
fn fails_without_a_trace(allocate: impl Fn(&Fs, NodeId, u64) -> bough::Result<()>) {
    let folder = tempfile::tempdir().unwrap();
    let fs = large_volume(folder.path(), 300 << 20);
    fs.write_file("file", "");
    let node = fs.node("file");
    fs.allocate(&ROOT, node, None, 64 << 20, 1 << 20, RESERVE_KEEP).unwrap();
    let free = || fs.fs_stats().blocks_free * 4096 / CHUNK * CHUNK;
    let (before, file) = (free(), fs.stat("file").allocated);
    assert_eq!(file, 1 << 20);
    let fits = (0..64).map(|less| before + file + CHUNK - less * CHUNK).find(|&bytes| {
        let answer = allocate(&fs, node, bytes);
        if answer.is_err() {
            let stat = fs.stat("file");
            assert_eq!((&answer, stat.allocated, stat.size), (&Err(Error::NoSpace), file, 0), "{bytes}");
            assert_eventually(|| free() + 2 * CHUNK >= before);
        }
        answer.is_ok()
    });
    assert!(fits.is_some_and(|bytes| bytes <= before + file), "of {before}");
    assert!(fs.volume.check_invariants(false).is_sound());
}

#[test]
fn an_allocation_that_fails_takes_no_reservation_with_it() {
    fails_without_a_trace(|fs, node, bytes| fs.set_allocation(&ROOT, node, None, bytes).map(drop));
}

#[test]
fn a_reservation_beyond_the_end_that_fails_leaves_what_was_there() {
    for how in [RESERVE_KEEP, RESERVE, ZERO_KEEP, ZERO] {
        fails_without_a_trace(|fs, node, bytes| fs.allocate(&ROOT, node, None, 0, bytes, how));
    }
}

#[test]
fn the_holes_of_a_file_need_no_room_when_it_is_to_grow() {
    let folder = tempfile::tempdir().unwrap();
    let fs = large_volume(folder.path(), 300 << 20);
    fs.write_file("file", "content");
    fs.truncate("file", 1 << 40);
    let node = fs.node("file");
    let grown = fs.set_allocation(&ROOT, node, None, (1 << 40) + (200 << 20)).unwrap();
    assert_eq!((grown.size, grown.allocation), (1 << 40, (1 << 40) + (200 << 20)));
    assert!((200 << 20..201 << 20).contains(&fs.stat("file").allocated));
}

#[test]
fn an_open_file_without_a_name_is_written_to_though_metadata_takes_the_limit() {
    let fs = Fs::of(Config { memory_bytes: Some(8 << 20), root_mode: 0o777, ..Config::default() });
    fs.write_file("named", vec![7; CHUNK as usize]);
    fs.write_file("nameless", vec![7; CHUNK as usize]);
    let (named, nameless) = (fs.open("named", BOTH), fs.open("nameless", BOTH));
    fs.remove_file("nameless");
    fill_with_names(&fs);
    for handle in [named, nameless] {
        // Who only asks takes nothing that is needed for a write.
        fs.volume.holdings(bough::RefId::Branch(fs.volume.first_branch())).unwrap();
        fs.put(handle, 0, "over");
        assert_eq!(fs.get(handle, 0, 6), b"over\x07\x07");
        fs.release(handle).unwrap();
    }
}

#[test]
fn copies_that_share_everything_are_no_space_when_knowing_of_them_takes_the_limit() {
    let fs = Fs::of(Config { memory_bytes: Some(8 << 20), root_mode: 0o777, ..Config::default() });
    let model = vec![7; 16 * CHUNK as usize];
    fs.write_file("file", &model);
    let handle = fs.open("file", BOTH);
    let mut size = 16 * CHUNK;
    let error = loop {
        match fs.copy_range(&ROOT, NodeId::ROOT, Some(handle), 0, NodeId::ROOT, Some(handle), size, size) {
            Ok(copied) => size += copied,
            Err(error) => break error,
        }
        let resident = fs.volume.activity().resident_bytes;
        assert!(resident <= (8 << 20) * 21 / 20, "{resident} for {size}");
    };
    assert!(error == Error::NoSpace && fs.stat("file").size == size && size > 1 << 30, "{error} at {size}");
    assert!(fs.get(handle, size - 16 * CHUNK, 16 * CHUNK as usize) == model);
    fs.release(handle).unwrap();
    fs.remove_file("file");
    write(&fs, "other", CHUNK).unwrap();
}

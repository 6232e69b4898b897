//! Content, as programs see it through a mount.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use bough::control::message;
use bough::control::messages::fs_control_stats;

use crate::fixture::{Halted, Mount, PATIENCE, eventually, shell};
use crate::sys::{self, Mapping};

/// The ways of mounting that treat content differently.
const WAYS: [&str; 3] = ["default_permissions", "default_permissions,no_writeback", "rw"];

fn read_write(mount: &Mount, name: &str) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(mount.at(name)).unwrap()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn what_is_written_is_read_back_however_it_is_mounted() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let bytes = pattern(3_000_001);
        fs::write(mount.at("f"), &bytes).unwrap();
        assert!(fs::read(mount.at("f")).unwrap() == bytes, "{way}");
        let file = read_write(&mount, "f");
        file.write_all_at(b"middle", 1_500_000).unwrap();
        file.set_len(2_000_000).unwrap();
        let again = fs::read(mount.at("f")).unwrap();
        assert_eq!(again.len(), 2_000_000, "{way}");
        assert_eq!(&again[1_500_000..1_500_006], b"middle", "{way}");
        assert!(again[..1_500_000] == bytes[..1_500_000], "{way}");
        drop(file);
        mount.end();
    }
}

#[test]
fn open_truncates_appends_and_writes_only() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        fs::write(mount.at("f"), "long content").unwrap();
        fs::write(mount.at("f"), "short").unwrap();
        assert_eq!(fs::metadata(mount.at("f")).unwrap().len(), 5, "{way}");
        let mut log = OpenOptions::new().append(true).open(mount.at("f")).unwrap();
        let mut other = OpenOptions::new().append(true).open(mount.at("f")).unwrap();
        write!(log, " and").unwrap();
        write!(other, " more").unwrap();
        write!(log, " yet").unwrap();
        assert_eq!(fs::read_to_string(mount.at("f")).unwrap(), "short and more yet", "{way}");
        let part = OpenOptions::new().write(true).open(mount.at("f")).unwrap();
        part.write_all_at(b"S", 0).unwrap();
        drop(part);
        assert_eq!(fs::read_to_string(mount.at("f")).unwrap(), "Short and more yet", "{way}");
    }
}

#[test]
fn an_open_file_lives_on_without_a_name() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let mut file = read_write(&mount, "f");
        file.write_all(b"before ").unwrap();
        fs::remove_file(mount.at("f")).unwrap();
        assert!(!mount.at("f").exists());
        file.write_all(b"after").unwrap();
        file.sync_all().unwrap();
        assert_eq!(file.metadata().unwrap().nlink(), 0, "{way}");
        assert_eq!(file.metadata().unwrap().len(), 12, "{way}");
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before after", "{way}");
        fs::write(mount.at("f"), "another").unwrap();
        file.set_len(3).unwrap();
        assert_eq!(fs::read(mount.at("f")).unwrap(), b"another", "{way}");
        drop(file);
        mount.end();
    }
}

#[test]
fn a_file_without_a_name_can_be_given_one() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).custom_flags(libc::O_TMPFILE).open(mount.point()).unwrap();
        file.write_all(b"made whole").unwrap();
        assert_eq!(file.metadata().unwrap().nlink(), 0, "{way}");
        sys::link_open(&file, &mount.at("named")).unwrap();
        drop(file);
        assert_eq!(fs::read(mount.at("named")).unwrap(), b"made whole", "{way}");
        assert_eq!(fs::metadata(mount.at("named")).unwrap().nlink(), 1, "{way}");
        mount.end();
    }
}

#[test]
fn holes_are_found_made_and_read_as_zeros() {
    let Some(mount) = Mount::new() else { return };
    let file = read_write(&mount, "sparse");
    file.set_len(8 << 20).unwrap();
    file.write_all_at(&pattern(65_536), 4 << 20).unwrap();
    file.sync_all().unwrap();
    assert_eq!(sys::seek(&file, 0, libc::SEEK_DATA).unwrap(), 4 << 20);
    assert_eq!(sys::seek(&file, 4 << 20, libc::SEEK_HOLE).unwrap(), (4 << 20) + 65_536);
    assert_eq!(sys::seek(&file, 8 << 20, libc::SEEK_DATA).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    assert!(file.metadata().unwrap().blocks() <= 2 * 65_536 / 512);
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    sys::allocate(&file, punch, (4 << 20) + 1000, 2000).unwrap();
    let mut part = [1_u8; 4000];
    file.read_exact_at(&mut part, 4 << 20).unwrap();
    assert!(part[..1000] == pattern(4000)[..1000] && part[3000..] == pattern(4000)[3000..]);
    assert!(part[1000..3000].iter().all(|&byte| byte == 0));
    sys::allocate(&file, 0, 8 << 20, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 9 << 20);
    sys::allocate(&file, libc::FALLOC_FL_KEEP_SIZE, 9 << 20, 1 << 20).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 9 << 20);
    sys::allocate(&file, libc::FALLOC_FL_ZERO_RANGE, 4 << 20, 65_536).unwrap();
    file.read_exact_at(&mut part, 4 << 20).unwrap();
    assert!(part.iter().all(|&byte| byte == 0));
    let collapse = sys::allocate(&file, libc::FALLOC_FL_COLLAPSE_RANGE, 0, 65_536).unwrap_err();
    assert_eq!(collapse.raw_os_error(), Some(libc::EOPNOTSUPP));
}

#[test]
fn ranges_are_copied_within_the_volume() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let bytes = pattern(1 << 20);
        fs::write(mount.at("from"), &bytes).unwrap();
        let (from, to) = (File::open(mount.at("from")).unwrap(), read_write(&mount, "to"));
        to.write_all_at(b"head", 0).unwrap();
        assert_eq!(sys::copy_range(&from, 65_536, &to, 65_536, 500_000).unwrap(), 500_000, "{way}");
        let copied = fs::read(mount.at("to")).unwrap();
        assert_eq!(copied.len(), 565_536, "{way}");
        assert_eq!(&copied[..4], b"head", "{way}");
        assert!(copied[65_536..] == bytes[65_536..565_536], "{way}");
        assert_eq!(sys::copy_range(&from, 1 << 20, &to, 0, 10).unwrap(), 0, "{way}");
    }
}

#[test]
fn mapped_files_and_written_files_are_the_same() {
    let Some(mount) = Mount::new() else { return };
    let file = read_write(&mount, "f");
    file.set_len(1 << 20).unwrap();
    let mut mapping = Mapping::of(&file, 1 << 20);
    mapping.bytes()[500_000..500_006].copy_from_slice(b"mapped");
    let mut read = [0_u8; 6];
    file.read_exact_at(&mut read, 500_000).unwrap();
    assert_eq!(&read, b"mapped");
    file.write_all_at(b"written", 900_000).unwrap();
    assert_eq!(&mapping.bytes()[900_000..900_007], b"written");
    drop(mapping);
    drop(file);
    // A program that is mapped to be run. Copied by another process: what this one has open for writing, a test that forks may hold open, and then it
    // cannot be run.
    shell(mount.point(), "cp /bin/true true");
    assert!(std::process::Command::new(mount.at("true")).status().unwrap().success());
    mount.end();
}

#[test]
fn direct_io_reads_what_was_written() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), pattern(1 << 20)).unwrap();
    let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(mount.at("f")).unwrap();
    #[repr(align(4096))]
    struct Aligned([u8; 8192]);
    let mut page = Box::new(Aligned([0; 8192]));
    file.read_exact_at(&mut page.0, 8192).unwrap();
    assert!(page.0[..] == pattern(1 << 20)[8192..16_384]);
    page.0.fill(7);
    file.write_all_at(&page.0, 1 << 20).unwrap();
    let whole = fs::read(mount.at("f")).unwrap();
    assert_eq!(whole.len(), (1 << 20) + 8192);
    assert!(whole[1 << 20..].iter().all(|&byte| byte == 7));
}

#[test]
fn a_volume_that_is_full_says_so_and_stays_readable() {
    let Some(mount) = Mount::with("default_permissions,no_writeback,no_spill,memory=16M") else { return };
    fs::write(mount.at("kept"), "kept").unwrap();
    let mut file = File::create(mount.at("large")).unwrap();
    let full = (0..64).find_map(|_| file.write_all(&[1; 1 << 20]).err()).expect("16 MiB hold no 64 MiB");
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(fs::read(mount.at("kept")).unwrap(), b"kept");
    drop(file);
    fs::remove_file(mount.at("large")).unwrap();
    // Its space is free when the kernel has forgotten it, soon after.
    eventually("there is room again", || fs::write(mount.at("again"), vec![2; 1 << 20]).is_ok());
    mount.end();
}

/// Part of what the kernel hands over at once finds room, and the rest does not: it must not take all for written.
#[test]
fn what_is_written_back_to_a_volume_that_fills_up_meanwhile_is_whole_or_said_to_be_lost() {
    const SMALL: usize = 64 << 10;
    let Some(mount) = Mount::with("default_permissions,allow_other,no_spill,memory=16M") else { return };
    let other = mount.attach("", "other");
    let synced = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let mut file = File::create(mount.at(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let full = (0..512).find_map(|i| synced(&format!("f{i}"), &pattern(SMALL)).err()).expect("16 MiB hold no 32 MiB");
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    let used = || sys::control(mount.point(), message::<fs_control_stats>()).unwrap().used_bytes;
    let before = used();
    for i in 0..8 {
        fs::remove_file(mount.at(&format!("f{i}"))).unwrap();
    }
    eventually("there is room for a part", || used() + 8 * SMALL as u64 <= before);
    match synced("large", &pattern(16 * SMALL)) {
        Err(lost) => assert_eq!(lost.raw_os_error(), Some(libc::ENOSPC)),
        // Through the other mount, whose kernel holds nothing of it.
        Ok(()) => assert!(fs::read(other.join("large")).unwrap() == pattern(16 * SMALL), "lost, and nobody was told"),
    }
    assert!(fs::read(other.join("f8")).unwrap() == pattern(SMALL));
    mount.end_with(&[&other]);
}

#[test]
fn content_beyond_memory_goes_to_the_spill_folder_and_comes_back() {
    let Some(mount) = Mount::with(&spilling()) else { return };
    let bytes = pattern(8 << 20);
    for i in 0..8 {
        fs::write(mount.at(&format!("f{i}")), &bytes).unwrap();
    }
    for i in 0..8 {
        assert!(fs::read(mount.at(&format!("f{i}"))).unwrap() == bytes);
    }
    mount.end();
}

fn spilling() -> String {
    format!("default_permissions,memory=16M,spill_dir={}", std::env::temp_dir().display())
}

#[test]
fn a_file_that_is_being_written_is_copied_whole() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let bytes = pattern(1 << 20);
        for name in ["a", "b", "c"] {
            // Neither closed nor synced: the kernel may be the only one to know the content.
            let writer = read_write(&mount, name);
            writer.write_all_at(&bytes, 0).unwrap();
            let mut second = File::open(mount.at(name)).unwrap();
            assert_eq!(sys::seek(&second, 0, libc::SEEK_DATA).unwrap(), 0, "{way}");
            let mut read = Vec::new();
            second.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{way}");
            // The same by another process, that begins with what is new.
            writer.write_all_at(&bytes, 1 << 20).unwrap();
            shell(mount.point(), &format!("cp {name} copy-{name}"));
            let copied = fs::read(mount.at(&format!("copy-{name}"))).unwrap();
            assert!(copied == [&bytes[..], &bytes[..]].concat(), "{way}: {} bytes", copied.len());
        }
        mount.end();
    }
}

const SEEKERS: usize = 100;

/// As many threads ask at once where the data of a file begins that only the kernel knows of. The daemon stands still.
fn ask_at_once(mount: &Mount, round: &str) -> (Receiver<io::Result<u64>>, Halted) {
    let dirty = |i| {
        let file = read_write(mount, &format!("{round}-{i}"));
        file.write_all_at(&pattern(4096), 0).unwrap();
        file
    };
    let files: Vec<File> = (0..SEEKERS).map(dirty).collect();
    let (answer, answers) = mpsc::channel();
    let halted = mount.halt();
    for file in files {
        let answer = answer.clone();
        thread::spawn(move || answer.send(sys::seek(&file, 0, libc::SEEK_DATA)));
    }
    thread::sleep(Duration::from_millis(300));
    (answers, halted)
}

/// Each answer waits until the kernel has handed over what it holds of the file, and for that somebody must be left to take it.
#[test]
fn any_number_can_ask_at_once_where_data_begins() {
    let Some(mount) = Mount::new() else { return };
    // Nothing else ends what waits for a daemon that answers no more.
    let _abort = sys::Abort(mount.point().to_owned());
    let (answers, halted) = ask_at_once(&mount, "first");
    drop(halted);
    for _ in 0..SEEKERS {
        assert_eq!(answers.recv_timeout(PATIENCE).expect("an answer in time").unwrap(), 0);
    }
    let (answers, halted) = ask_at_once(&mount, "second");
    sys::kill(mount.pid(), libc::SIGTERM);
    drop(halted);
    mount.is_gone();
    for _ in 0..SEEKERS {
        let _ = answers.recv_timeout(PATIENCE).expect("an end in time");
    }
}

#[test]
fn the_space_of_a_file_without_a_name_is_free_once_it_is_closed() {
    for way in WAYS {
        let Some(mount) = Mount::with(way) else { return };
        let used = || sys::control(mount.point(), message::<fs_control_stats>()).unwrap().used_bytes;
        let before = used();
        for _ in 0..3 {
            let unnamed = OpenOptions::new().read(true).write(true).custom_flags(libc::O_TMPFILE).open(mount.point());
            let unnamed = unnamed.unwrap();
            unnamed.write_all_at(&pattern(4 << 20), 0).unwrap();
            unnamed.sync_all().unwrap();
            assert!(used() >= before + (4 << 20), "{way}");
            drop(unnamed);
            eventually("its space is free", || used() <= before);
        }
        mount.end();
    }
}

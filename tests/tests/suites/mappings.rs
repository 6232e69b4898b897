//! Files that are mapped, written, punched, cut and snapshotted, all at the same time. Each on an empty volume and over a base that has
//! the files.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::fixture::{USUAL, eventually, snapshot};
use crate::ground::{Ground, On};
use crate::races::{on_both, race_until, seconds, work};
use crate::sys::{self, Mapping};

type Work<'a> = Box<dyn FnMut() + Send + 'a>;

const PAGE: usize = 4096;
/// Numbers in a page: its version, as often as there is room.
const WORDS: usize = PAGE / 8;

fn read_write(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

fn read_words(file: &File, at: usize, length: usize) -> Vec<u64> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at as u64).unwrap();
    words(&bytes)
}

#[test]
fn a_mapping_shows_what_is_written_and_a_snapshot_what_was_mapped() {
    on_both(USUAL, |folder| fs::write(folder.join("file"), vec![0; LENGTH]).unwrap(), map_and_snapshot);
}

const LENGTH: usize = 256 * 1024;

fn map_and_snapshot(ground: Ground) {
    let path = ground.folder().join("file");
    let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
    for round in 1..=20_u8 {
        let file = open();
        let mut mapping = sys::Mapping::of(&file, LENGTH);
        mapping.bytes()[usize::from(round) * 4096..][..4096].fill(round);
        assert_eq!(fs::read(&path).unwrap()[usize::from(round) * 4096], round);
        sys::syncfs(ground.point());
        snapshot(ground.point(), &format!("s{round}"));
        mapping.bytes()[..4096].fill(round);
        drop(mapping);
    }
    for round in [1_u8, 7, 20] {
        let shown = ground.attach(&format!("s{round}"), &format!("shown-{round}"));
        let read = fs::read(Ground::folder_at(&shown).join("file")).unwrap();
        let pages: Vec<u8> = read.chunks(4096).map(|page| page[17]).collect();
        let wanted: Vec<u8> = (0..=round).collect();
        assert_eq!(pages[1..=usize::from(round)], wanted[1..]);
        assert!(pages[usize::from(round) + 1..].iter().all(|&byte| byte == 0));
        sys::unmount(&shown).unwrap();
    }
    ground.end();
}

// ---- everybody at once -------------------------------------------------------------------------------------------------

/// Pages of the file `pages`. Two threads store to some by mappings, one writes some, one punches and writes some: which, the
/// page's number modulo 4 says.
const PAGES: usize = 32;
/// The file `cut`: filled by a mapping, cut in the middle of its first page, and made as long as it was.
const LONG: usize = 16 * PAGE;
const CUT: usize = PAGE / 2;

/// The version that each page is known to have had at some time; a page never goes back.
struct Versions(Vec<AtomicU64>);

impl Versions {
    fn new() -> Versions {
        Versions((0..PAGES).map(|_| AtomicU64::new(0)).collect())
    }

    fn has(&self, page: usize, version: u64) {
        self.0[page].store(version, Ordering::Release);
    }

    fn now(&self) -> Vec<u64> {
        self.0.iter().map(|version| version.load(Ordering::Acquire)).collect()
    }
}

/// Stores a version to words, one after the other: whoever sees one that is new sees those before it new too.
fn store(mapping: &Mapping, from: usize, count: usize, version: u64) {
    mapping.words()[from..][..count].iter().for_each(|word| word.store(version, Ordering::Release));
}

fn map_some<'a>(path: &Path, turn: usize, versions: &'a Versions) -> Work<'a> {
    let mapping = Mapping::of(&read_write(path), PAGES * PAGE);
    let mut version = 0;
    work(move || {
        version += 1;
        for page in (turn..PAGES).step_by(4) {
            store(&mapping, page * WORDS, WORDS, version);
            versions.has(page, version);
        }
    })
}

fn write_some<'a>(path: &Path, turn: usize, versions: &'a Versions) -> Work<'a> {
    let (file, mut version) = (read_write(path), 0_u64);
    work(move || {
        version += 1;
        for page in (turn..PAGES).step_by(4) {
            file.write_all_at(&version.to_le_bytes().repeat(WORDS), (page * PAGE) as u64).unwrap();
            versions.has(page, version);
        }
    })
}

/// Nobody else changes these pages: what is punched is zeros, what is written is there, by a mapping too.
fn punch_some<'a>(path: &Path, turn: usize, versions: &'a Versions) -> Work<'a> {
    let (file, mut version) = (read_write(path), 0_u64);
    let mapping = Mapping::of(&file, PAGES * PAGE);
    let mapped = move |page: usize| -> Vec<u64> {
        mapping.words()[page * WORDS..][..WORDS].iter().map(|word| word.load(Ordering::Acquire)).collect()
    };
    work(move || {
        version += 1;
        for page in (turn..PAGES).step_by(4) {
            let at = page * PAGE;
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            sys::allocate(&file, mode, at as u64, PAGE as u64).unwrap();
            assert_eq!((read_words(&file, at, PAGE), mapped(page)), (vec![0; WORDS], vec![0; WORDS]));
            file.write_all_at(&version.to_le_bytes().repeat(WORDS), at as u64).unwrap();
            assert_eq!((read_words(&file, at, PAGE), mapped(page)), (vec![version; WORDS], vec![version; WORDS]));
            versions.has(page, version);
        }
    })
}

/// Another mapping, and reads beside it: nothing that was there has gone, and what is stored in order is seen in order.
fn look_at_all<'a>(path: &Path, versions: &'a Versions) -> Work<'a> {
    let file = File::open(path).unwrap();
    let mapping = Mapping::to_read(&file, PAGES * PAGE);
    work(move || {
        for (page, least) in versions.now().into_iter().enumerate().filter(|(page, _)| page % 4 != 3) {
            let read = read_words(&file, page * PAGE, PAGE);
            assert!(read.iter().all(|&word| word >= least), "page {page}: {least} was there, and now {read:?}");
            let mut after = least;
            for (at, word) in mapping.words()[page * WORDS..][..WORDS].iter().enumerate().rev() {
                let word = word.load(Ordering::Acquire);
                assert!(word >= least, "page {page}: {least} was there, and word {at} is {word}");
                assert!(page % 4 == 2 || word >= after, "page {page}: word {at} is {word}, after it comes {after}");
                after = word;
            }
        }
    })
}

/// Of the other file: what is cut off is zeros when it comes back, however it is looked at.
fn fill_and_cut(path: &Path) -> Work<'static> {
    let (file, mut version) = (read_write(path), 0);
    let mapping = Mapping::of(&file, LONG);
    work(move || {
        version += 1;
        store(&mapping, 0, LONG / 8, version);
        assert_eq!(read_words(&file, 0, LONG), vec![version; LONG / 8]);
        file.set_len(CUT as u64).unwrap();
        // Long enough for somebody to touch what is not there.
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(file.read_at(&mut vec![0; LONG], 0).unwrap(), CUT);
        file.set_len(LONG as u64).unwrap();
        let expected = [vec![version; CUT / 8], vec![0; (LONG - CUT) / 8]].concat();
        assert_eq!(read_words(&file, 0, LONG), expected, "read");
        let mapped: Vec<u64> = mapping.words().iter().map(|word| word.load(Ordering::Acquire)).collect();
        assert_eq!(mapped, expected, "mapped");
    })
}

/// A process of its own touches a file that is being cut: this test, called again.
const TOUCHED: &str = "BOUGH_TEST_TOUCHES";
const THIS: &str = "mappings::mappings_writes_holes_and_cuts_at_once_lose_and_tear_nothing";

fn touch(path: &Path) {
    let mapping = Mapping::to_read(&File::open(path).unwrap(), LONG);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let sum: u64 = mapping.words().iter().step_by(WORDS).map(|word| word.load(Ordering::Acquire) & 1).sum();
        std::hint::black_box(sum);
    }
}

/// It ends in good order, or by the signal that says that there is nothing at that address; the latter are counted.
fn touch_elsewhere<'a>(path: &'a Path, ended: &'a AtomicU64) -> Work<'a> {
    work(move || {
        let mut other = Command::new(std::env::current_exe().unwrap());
        other.args(["--exact", THIS]).env(TOUCHED, path).stdout(Stdio::null()).stderr(Stdio::null());
        let status = other.status().unwrap();
        assert!(status.success() || status.signal() == Some(libc::SIGBUS), "{status}");
        ended.fetch_add(u64::from(!status.success()), Ordering::Relaxed);
    })
}

fn check_pages(read: &[u64], least: &[u64]) {
    assert_eq!(read.len(), PAGES * WORDS);
    for (page, (words, &least)) in read.chunks(WORDS).zip(least).enumerate() {
        let (first, last) = (words[0], words[WORDS - 1]);
        let story = || format!("page {page}, which has had {least}: {words:?}");
        match page % 4 {
            0 | 1 => {
                assert!(words.is_sorted_by(|one, next| one >= next), "stored in order: {}", story());
                assert!(first - last <= 1, "{}", story());
            }
            _ => assert!(words.iter().all(|&word| word == first), "half of a write: {}", story()),
        }
        assert!(last >= least || (page % 4 == 3 && last == 0), "{}", story());
    }
}

fn check_cut(read: &[u64]) {
    assert!([CUT / 8, LONG / 8].contains(&read.len()), "no length that it had: {}", read.len() * 8);
    for words in read.chunks(WORDS) {
        assert!(words.is_sorted_by(|one, next| one >= next), "stored in order: {words:?}");
    }
    assert!(read[0] - read[CUT / 8 - 1] <= 1, "{read:?}");
    let rest = &read[CUT / 8..];
    let version = rest.iter().max().copied().unwrap_or(0);
    assert!(rest.iter().all(|&word| word == 0 || word == version), "what was cut off is back: {rest:?}");
}

#[test]
fn mappings_writes_holes_and_cuts_at_once_lose_and_tear_nothing() {
    if let Some(path) = std::env::var_os(TOUCHED) {
        return touch(Path::new(&path));
    }
    let make = |folder: &Path| {
        fs::write(folder.join("pages"), [0; PAGES * PAGE]).unwrap();
        fs::write(folder.join("cut"), [0; LONG]).unwrap();
    };
    on_both(USUAL, make, everybody_at_once);
    let Some(ground) = Ground::new(On::Nothing, "default_permissions,allow_other,no_writeback", make) else { return };
    everybody_at_once(ground);
}

fn everybody_at_once(ground: Ground) {
    let [pages, cut]: [PathBuf; 2] = ["pages", "cut"].map(|name| ground.folder().join(name));
    let (versions, ended, mut taken) = (Versions::new(), AtomicU64::new(0), Vec::new());
    let snap = work(|| {
        let had = versions.now();
        File::open(&pages).unwrap().sync_all().unwrap();
        taken.push(had);
        snapshot(ground.point(), &format!("s{}", taken.len()));
        std::thread::sleep(Duration::from_millis(20));
    });
    let works = vec![
        map_some(&pages, 0, &versions),
        map_some(&pages, 1, &versions),
        write_some(&pages, 2, &versions),
        punch_some(&pages, 3, &versions),
        look_at_all(&pages, &versions),
        fill_and_cut(&cut),
        touch_elsewhere(&cut, &ended),
        snap,
    ];
    race_until(seconds(2), works, || ended.load(Ordering::Relaxed) > 0);
    assert!(ended.load(Ordering::Relaxed) > 0, "nobody touched what had been cut off");
    let now = words(&fs::read(&pages).unwrap());
    let last = versions.now();
    assert!(now.chunks(WORDS).zip(&last).all(|(page, version)| page.iter().all(|word| word == version)));
    for (number, had) in taken.iter().enumerate().step_by(taken.len().div_ceil(12)) {
        let shown = ground.attach(&format!("s{}", number + 1), &format!("shown-{number}"));
        let [pages, cut] = ["pages", "cut"].map(|name| words(&fs::read(Ground::folder_at(&shown).join(name)).unwrap()));
        check_pages(&pages, had);
        check_cut(&cut);
        eventually("it can be unmounted", || sys::unmount(&shown).is_ok());
    }
    ground.end();
}

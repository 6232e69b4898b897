//! What a directory of the host costs as a base: `cargo bench -p bough --bench base`. The directory lies in the folder for temporary
//! files. The figures are in `docs/performance.md`.

#![cfg(target_os = "linux")]
// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bough::{
    BaseConfig, Caller, Config, ListOptions, NodeId, OpenOptions, PathAt, RefId, View, ViewOptions, Volume, WriteAt,
};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use tempfile::TempDir;

const ROOT: Caller<'static> = Caller::superuser();
const FILES: usize = 100_000;
const PER_DIRECTORY: usize = 1_000;
const LARGE: u64 = 1 << 30;
const MIB: usize = 1 << 20;

fn main() {
    divan::main();
}

/// Files of 100 bytes, and one large one.
static BASE: LazyLock<TempDir> = LazyLock::new(|| {
    let base = tempfile::tempdir().unwrap();
    for n in 0..FILES {
        let directory = base.path().join(format!("d{}", n / PER_DIRECTORY));
        if n % PER_DIRECTORY == 0 {
            fs::create_dir(&directory).unwrap();
        }
        fs::write(directory.join(format!("f{n}")), [b'x'; 100]).unwrap();
    }
    let large = File::create(base.path().join("large")).unwrap();
    let piece = vec![7; MIB];
    (0..LARGE / MIB as u64).for_each(|at| large.write_all_at(&piece, at * MIB as u64).unwrap());
    base
});

fn open() -> (Arc<Volume>, Arc<View>) {
    let path = BASE.path().to_owned();
    let base = Some(BaseConfig::HostDirectory { path, cross_mounts: false, freeze: false });
    let volume = Volume::open(Config { memory_bytes: Some(8 << 30), base, ..Config::default() }).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "bench", ViewOptions::default()).unwrap();
    (volume, view)
}

fn name_of(n: u64) -> String {
    let n = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize % FILES;
    format!("d{}/f{n}", n / PER_DIRECTORY)
}

#[divan::bench(sample_count = 100)]
fn open_a_base_of_100_000_files(bencher: Bencher) {
    LazyLock::force(&BASE);
    bencher.bench(open);
}

#[divan::bench(sample_size = 1, sample_count = 50)]
fn first_write_of_4_kib_into_a_file_of_1_gib(bencher: Bencher) {
    LazyLock::force(&BASE);
    bencher.with_inputs(open).bench_refs(|(volume, view)| {
        let options = OpenOptions { write: true, ..OpenOptions::default() };
        let handle = view.path_open(&ROOT, PathAt::root(b"large"), options, None).unwrap();
        view.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(LARGE / 2 + 5000), &[1; 4096]).unwrap();
        assert_eq!(volume.stats().chunks, 1);
        view.release(handle).unwrap();
    });
}

#[divan::bench]
fn attributes_by_path_of_two_names(bencher: Bencher) {
    let (_volume, view) = open();
    let next = AtomicU64::new(0);
    bencher.bench(|| {
        let name = name_of(next.fetch_add(1, Ordering::Relaxed));
        view.path_attr(&ROOT, PathAt::root(name.as_bytes())).unwrap()
    });
}

/// The same of the directory itself.
#[divan::bench]
fn attributes_by_path_of_two_names_from_the_host(bencher: Bencher) {
    let next = AtomicU64::new(0);
    let root: &Path = BASE.path();
    bencher.bench(|| fs::metadata(root.join(name_of(next.fetch_add(1, Ordering::Relaxed)))).unwrap());
}

#[divan::bench]
fn list_1_000_entries(bencher: Bencher) {
    let (_volume, view) = open();
    let node = view.lookup(&ROOT, NodeId::ROOT, b"d7").unwrap().node;
    bencher.counter(ItemsCount::new(PER_DIRECTORY)).bench(|| {
        let mut count = 0;
        view.list(&ROOT, node, None, 0, ListOptions::default(), &mut |_| {
            count += 1;
            true
        })
        .unwrap();
        assert_eq!(count, PER_DIRECTORY);
    });
}

#[divan::bench]
fn read_1_mib_of_an_untouched_file(bencher: Bencher) {
    let (_volume, view) = open();
    let node = view.lookup(&ROOT, NodeId::ROOT, b"large").unwrap().node;
    let next = AtomicU64::new(0);
    bencher.counter(BytesCount::new(MIB)).with_inputs(|| vec![0; MIB]).bench_refs(|buffer| {
        let at = next.fetch_add(1, Ordering::Relaxed) % (LARGE / MIB as u64);
        view.read(&ROOT, node, None, at * MIB as u64, buffer).unwrap()
    });
}

/// The same of the directory itself.
#[divan::bench]
fn read_1_mib_from_the_host(bencher: Bencher) {
    let file = File::open(BASE.path().join("large")).unwrap();
    let next = AtomicU64::new(0);
    bencher.counter(BytesCount::new(MIB)).with_inputs(|| vec![0; MIB]).bench_refs(|buffer| {
        let at = next.fetch_add(1, Ordering::Relaxed) % (LARGE / MIB as u64);
        file.read_at(buffer, at * MIB as u64).unwrap()
    });
}

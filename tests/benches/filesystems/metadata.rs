//! Names and attributes, by one and by several clients at once, each in a directory of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::rows::{Row, Unit, forget_caches};

/// Of all clients together.
const FILES: usize = 1_000;
const LISTED: usize = 100_000;

fn file(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("file{number:06}"))
}

fn create(path: &Path) {
    fs::File::create_new(path).expect("an empty directory");
}

fn create_filled(path: &Path) {
    fs::File::create_new(path).and_then(|mut file| file.write_all(&[7; 4096])).expect("an empty directory");
}

fn read(path: &Path) {
    let mut buffer = [0; 4096];
    fs::File::open(path).and_then(|mut file| file.read(&mut buffer)).expect("the file is there");
}

fn stat(path: &Path) {
    fs::symlink_metadata(path).expect("the file is there");
}

fn rename(path: &Path) {
    fs::rename(path, path.with_extension("renamed")).expect("the file is there");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("the file is there");
}

fn mkdir(path: &Path) {
    fs::create_dir(path).expect("an empty directory");
}

/// What is done to each file, and to what.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    prepare: Option<fn(&Path)>,
    forget: bool,
    warm: Option<fn(&Path)>,
    act: fn(&Path),
}

const OPERATIONS: &[Operation] = &[
    Operation { name: "create", prepare: None, forget: false, warm: None, act: create },
    Operation { name: "create + 4 KiB", prepare: None, forget: false, warm: None, act: create_filled },
    Operation { name: "mkdir", prepare: None, forget: false, warm: None, act: mkdir },
    Operation { name: "stat, hot", prepare: Some(create), forget: false, warm: Some(stat), act: stat },
    Operation { name: "stat, cold", prepare: Some(create), forget: true, warm: None, act: stat },
    Operation { name: "open + read, hot", prepare: Some(create_filled), forget: false, warm: Some(read), act: read },
    Operation { name: "open + read, cold", prepare: Some(create_filled), forget: true, warm: None, act: read },
    Operation { name: "rename", prepare: Some(create), forget: false, warm: None, act: rename },
    Operation { name: "unlink", prepare: Some(create), forget: false, warm: None, act: remove },
];

fn each(directory: &Path, files: usize, act: fn(&Path)) {
    (0..files).for_each(|number| act(&file(directory, number)));
}

/// Time of all the clients' operations, divided by their number.
fn measure(place: &Path, clients: usize, operation: Operation) -> f64 {
    let files = FILES / clients;
    let directories: Vec<PathBuf> = (0..clients).map(|client| place.join(format!("client{client}"))).collect();
    for directory in &directories {
        fs::create_dir(directory).expect("an empty directory");
        operation.prepare.iter().for_each(|prepare| each(directory, files, *prepare));
    }
    if operation.forget {
        forget_caches();
    }
    for directory in &directories {
        operation.warm.iter().for_each(|warm| each(directory, files, *warm));
    }
    let barrier = Barrier::new(clients);
    let work = |directory: &Path| {
        barrier.wait();
        let start = Instant::now();
        each(directory, files, operation.act);
        (start, Instant::now())
    };
    let times: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let threads: Vec<_> = directories.iter().map(|directory| scope.spawn(|| work(directory))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no client fails")).collect()
    });
    let first = times.iter().map(|(start, _)| *start).min().expect("one client at least");
    let last = times.iter().map(|(_, end)| *end).max().expect("one client at least");
    (last - first).as_nanos() as f64 / FILES as f64
}

/// A large directory beside `place`, made by the first row that lists it and left there for the rounds that follow; `None`
/// where it cannot be made or takes longer than `PATIENCE`: with fuse-overlayfs a new file takes the longer the more there are, and
/// passthrough_hp has a descriptor open for each.
fn listed(place: &Path) -> Option<PathBuf> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let (directory, whole) = (place.with_file_name("listed"), place.with_file_name("listed.whole"));
    if fs::create_dir(&directory).is_ok() {
        let end = Instant::now() + PATIENCE;
        let made = (0..LISTED).all(|number| Instant::now() < end && File::create(file(&directory, number)).is_ok());
        forget_caches();
        if made {
            fs::create_dir(&whole).expect("a second directory, after the first");
        }
    }
    whole.exists().then_some(directory)
}

fn list(place: &Path, with_attributes: bool) -> Option<f64> {
    let directory = listed(place)?;
    forget_caches();
    let start = Instant::now();
    let mut seen = 0;
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let entry = entry.expect("no error in a listing");
        if with_attributes {
            entry.metadata().expect("the file is there");
        }
        seen += 1;
    }
    assert_eq!(seen, LISTED);
    Some(start.elapsed().as_nanos() as f64 / LISTED as f64)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (clients, group) in [(1, "metadata, 1 client"), (2, "metadata, 2 clients"), (8, "metadata, 8 clients")] {
        for operation in OPERATIONS {
            let measure = move |place: &Path| Some(measure(place, clients, *operation));
            rows.push(Row::new(group, operation.name, Unit::Operation, measure));
        }
    }
    let group = "listing of 100,000, cold";
    rows.push(Row::new(group, "readdir", Unit::Operation, |place| list(place, false)));
    rows.push(Row::new(group, "readdir and stat of each", Unit::Operation, |place| list(place, true)));
    rows
}

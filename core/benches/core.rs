//! What the core's operations cost, in process: `cargo bench -p bough`. The figures are in `docs/performance.md`.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bough::{Caller, Config, ListOptions, NewNode, NodeId, PathAt, RefId, View, ViewOptions, Volume, WriteAt};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const ROOT: Caller<'static> = Caller::superuser();
const SIZES: [usize; 2] = [10_000, 1_000_000];
const PER_DIRECTORY: usize = 1_000;
/// Files that have content, to be read and written: the first of each of so many directories.
const WITH_CONTENT: usize = 10;
const BLOCK: [u8; 4096] = [9; 4096];

fn main() {
    divan::main();
}

/// A volume and a way to go about in it without order.
struct Scene {
    volume: Arc<Volume>,
    view: Arc<View>,
    directories: Vec<NodeId>,
    files: Vec<NodeId>,
    next: AtomicU64,
}

impl Scene {
    fn empty() -> Scene {
        let volume = Volume::open(Config { memory_bytes: Some(8 << 30), ..Config::default() }).unwrap();
        let view = open(&volume, RefId::Branch(volume.first_branch()));
        Scene { volume, view, directories: Vec::new(), files: Vec::new(), next: AtomicU64::new(0) }
    }

    fn filled(files: usize) -> Scene {
        let mut scene = Scene::empty();
        for directory in 0..files / PER_DIRECTORY {
            let node = scene.directory(&format!("d{directory}"));
            for file in 0..PER_DIRECTORY {
                scene.file(node, &format!("f{file}"));
            }
        }
        for directory in 0..WITH_CONTENT {
            let node = scene.files[directory * PER_DIRECTORY];
            scene.view.write(&ROOT, node, None, WriteAt::Offset(0), &[1; 256 << 10]).unwrap();
        }
        scene
    }

    fn directory(&mut self, name: &str) -> NodeId {
        let node = self.view.make(&ROOT, NodeId::ROOT, name.as_bytes(), 0o755, NewNode::Directory).unwrap().node;
        self.directories.push(node);
        node
    }

    fn file(&mut self, parent: NodeId, name: &str) {
        self.files.push(self.view.make(&ROOT, parent, name.as_bytes(), 0o644, NewNode::File).unwrap().node);
    }

    /// A number below `limit`; each is far from the one before.
    fn any(&self, limit: usize) -> usize {
        (self.next.fetch_add(1, Ordering::Relaxed) as usize).wrapping_mul(7_919) % limit
    }

    fn branch(&self) -> RefId {
        RefId::Branch(self.volume.first_branch())
    }

    fn snapshot(&self) -> RefId {
        RefId::Snapshot(self.volume.create_snapshot(self.volume.first_branch(), None).unwrap())
    }

    fn with_content(&self) -> NodeId {
        self.files[self.any(WITH_CONTENT) * PER_DIRECTORY]
    }
}

fn open(volume: &Arc<Volume>, id: RefId) -> Arc<View> {
    volume.view(id, "bench", ViewOptions { no_access_time: true, ..ViewOptions::default() }).unwrap()
}

/// The scene of so many files, made once.
fn scene(files: usize) -> Arc<Scene> {
    static SCENES: LazyLock<Mutex<HashMap<usize, Arc<Scene>>>> = LazyLock::new(Mutex::default);
    SCENES.lock().unwrap().entry(files).or_insert_with(|| Arc::new(Scene::filled(files))).clone()
}

#[divan::bench(args = SIZES)]
fn lookup(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let names: Vec<String> = (0..PER_DIRECTORY).map(|file| format!("f{file}")).collect();
    bencher.bench_local(|| {
        let at = scene.any(files);
        let parent = scene.directories[at / PER_DIRECTORY];
        let found = scene.view.lookup(&ROOT, parent, names[at % PER_DIRECTORY].as_bytes()).unwrap();
        scene.view.forget(found.node, 1);
    });
}

#[divan::bench(args = SIZES)]
fn attributes(bencher: Bencher, files: usize) {
    let scene = scene(files);
    bencher.bench_local(|| scene.view.attr(scene.files[scene.any(files)]).unwrap());
}

#[divan::bench(args = SIZES)]
fn path_of_two_names(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let paths: Vec<String> = (0..files).step_by(97).map(|at| format!("d{}/f{}", at / 1_000, at % 1_000)).collect();
    bencher.bench_local(|| {
        let path = &paths[scene.any(paths.len())];
        scene.view.path_attr(&ROOT, PathAt::root(path.as_bytes())).unwrap()
    });
}

/// What a branch holds that holds nearly all there is: asked again with little changed in between.
#[divan::bench(args = SIZES)]
fn holdings(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let ask = || scene.volume.holdings(scene.branch()).unwrap();
    ask();
    bencher.bench_local(|| {
        scene.view.write(&ROOT, scene.with_content(), None, WriteAt::Offset(0), &BLOCK).unwrap();
        ask()
    });
}

fn make_and_remove(view: &View, parent: NodeId) {
    let made = view.make(&ROOT, parent, b"new", 0o644, NewNode::File).unwrap();
    view.unlink(&ROOT, parent, b"new").unwrap();
    view.forget(made.node, 1);
}

#[divan::bench(args = SIZES, sample_count = 1_000)]
fn create_and_unlink(bencher: Bencher, files: usize) {
    let scene = scene(files);
    // What a snapshot shares is copied at the first change: that is measured elsewhere.
    for parent in &scene.directories {
        make_and_remove(&scene.view, *parent);
    }
    bencher.bench_local(|| {
        let parent = scene.directories[scene.any(scene.directories.len())];
        make_and_remove(&scene.view, parent);
    });
}

#[divan::bench(args = SIZES)]
fn read_4_kib(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let mut buffer = [0; 4096];
    bencher.counter(BytesCount::new(4096_u32)).bench_local(|| {
        let offset = scene.any(63) as u64 * 4096;
        scene.view.read(&ROOT, scene.with_content(), None, offset, &mut buffer).unwrap()
    });
}

#[divan::bench(args = SIZES)]
fn write_4_kib(bencher: Bencher, files: usize) {
    let scene = scene(files);
    bencher.counter(BytesCount::new(4096_u32)).bench_local(|| {
        let offset = scene.any(63) as u64 * 4096;
        scene.view.write(&ROOT, scene.with_content(), None, WriteAt::Offset(offset), &BLOCK).unwrap()
    });
}

#[divan::bench(args = SIZES, sample_size = 1, sample_count = 1_000)]
fn snapshot(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let change = || _ = scene.view.write(&ROOT, scene.with_content(), None, WriteAt::Offset(0), b"change").unwrap();
    bencher.with_inputs(change).bench_local_values(|()| scene.snapshot());
}

#[divan::bench(args = SIZES, sample_size = 1, sample_count = 1_000)]
fn first_change_of_a_mode_after_a_snapshot(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let set = bough::SetAttr { mode: Some(0o600), ..bough::SetAttr::default() };
    bencher
        .with_inputs(|| scene.snapshot())
        .bench_local_values(|_| scene.view.set_attr(&ROOT, scene.files[scene.any(files)], None, &set).unwrap());
}

#[divan::bench(args = SIZES, sample_size = 1, sample_count = 100)]
fn branch_and_view_of_it(bencher: Bencher, files: usize) {
    let scene = scene(files);
    let count = AtomicU64::new(0);
    bencher.bench_local(|| {
        let name = format!("branch-{}", count.fetch_add(1, Ordering::Relaxed));
        let id = RefId::Branch(scene.volume.create_branch(&name, scene.branch()).unwrap());
        drop(open(&scene.volume, id));
        scene.volume.delete_ref(id).unwrap();
    });
}

#[divan::bench(sample_size = 1, sample_count = 100)]
fn diff_of_three_changes_in_a_million_files(bencher: Bencher) {
    let scene = scene(1_000_000);
    let before = scene.snapshot();
    for file in [3, 500_000, 999_999] {
        scene.view.write(&ROOT, scene.files[file], None, WriteAt::Offset(0), b"changed").unwrap();
    }
    let after = scene.snapshot();
    bencher.bench_local(|| {
        let mut diff = scene.volume.diff(before, after).unwrap();
        let mut found = 0;
        while diff.next_entry().unwrap().is_some() {
            found += 1;
        }
        assert_eq!(found, 3);
    });
    for file in [3, 500_000, 999_999] {
        scene
            .view
            .set_attr(&ROOT, scene.files[file], None, &bough::SetAttr { size: Some(0), ..Default::default() })
            .unwrap();
    }
}

/// The first and the thousandth of branches grown each from the one before.
static NESTED: LazyLock<[(Arc<View>, NodeId); 2]> = LazyLock::new(|| {
    let scene = scene(10_000);
    let mut last = scene.branch();
    let mut views = Vec::new();
    for level in 1..=1_000 {
        last = RefId::Branch(scene.volume.create_branch(&format!("nested-{level}"), last).unwrap());
        let view = open(&scene.volume, last);
        view.path_write(&ROOT, PathAt::root(format!("d0/own-{level}").as_bytes()), b"own").unwrap();
        if level == 1 || level == 1_000 {
            let node = view.path_lookup(&ROOT, PathAt::root(b"d3/f0")).unwrap().node;
            view.write(&ROOT, node, None, WriteAt::Offset(0), &BLOCK).unwrap();
            views.push((view, node));
        }
    }
    [views[0].clone(), views[1].clone()]
});

#[divan::bench(args = [1, 1_000])]
fn read_4_kib_through_nested_branch(bencher: Bencher, level: usize) {
    let (view, node) = &NESTED[level / 1_000];
    let mut buffer = [0; 4096];
    bencher.bench_local(|| view.read(&ROOT, *node, None, 0, &mut buffer).unwrap());
}

#[divan::bench(args = [1, 1_000])]
fn write_4_kib_through_nested_branch(bencher: Bencher, level: usize) {
    let (view, node) = &NESTED[level / 1_000];
    bencher.bench_local(|| view.write(&ROOT, *node, None, WriteAt::Offset(0), &BLOCK).unwrap());
}

#[divan::bench(sample_size = 1, sample_count = 200)]
fn first_write_of_4_kib_into_a_shared_file_of_1_gib(bencher: Bencher) {
    let mut scene = Scene::empty();
    scene.file(NodeId::ROOT, "large");
    let node = scene.files[0];
    for piece in 0..256 {
        scene.view.write(&ROOT, node, None, WriteAt::Offset(piece << 22), &vec![3; 4 << 20]).unwrap();
    }
    bencher.with_inputs(|| scene.snapshot()).bench_local_values(|_| {
        let offset = scene.any(1 << 18) as u64 * 4096;
        scene.view.write(&ROOT, node, None, WriteAt::Offset(offset), &BLOCK).unwrap()
    });
}

/// One directory of a million entries.
static LARGE: LazyLock<Scene> = LazyLock::new(|| {
    let mut scene = Scene::empty();
    let directory = scene.directory("large");
    for entry in 0..1_000_000 {
        scene.file(directory, &format!("entry-{entry}"));
    }
    scene
});

#[divan::bench]
fn lookup_in_a_million_entries(bencher: Bencher) {
    let names: Vec<String> = (0..1_000_000).step_by(61).map(|entry| format!("entry-{entry}")).collect();
    bencher.bench_local(|| {
        let name = names[LARGE.any(names.len())].as_bytes();
        let found = LARGE.view.lookup(&ROOT, LARGE.directories[0], name).unwrap();
        LARGE.view.forget(found.node, 1);
    });
}

#[divan::bench(sample_size = 1, sample_count = 10)]
fn list_a_million_entries(bencher: Bencher) {
    bencher.counter(ItemsCount::new(1_000_000_u32)).bench_local(|| {
        let mut entries = 0;
        let take = &mut |_: &bough::DirEntry<'_>| {
            entries += 1;
            true
        };
        LARGE.view.list(&ROOT, LARGE.directories[0], None, 0, ListOptions::default(), take).unwrap();
        assert!(entries >= 1_000_000);
    });
}

#[divan::bench(sample_size = 1, sample_count = 200)]
fn create_in_a_million_entries_after_a_snapshot(bencher: Bencher) {
    let count = AtomicU64::new(0);
    bencher.with_inputs(|| LARGE.snapshot()).bench_local_values(|_| {
        let name = format!("new-{}", count.fetch_add(1, Ordering::Relaxed));
        LARGE.view.make(&ROOT, LARGE.directories[0], name.as_bytes(), 0o644, NewNode::File).unwrap()
    });
}

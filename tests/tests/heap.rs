//! What a volume takes of the heap is what it counts: compared with what the allocator was asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use bough::{BaseConfig, Caller, Config, NodeId, PathAt, RefId, SetAttr, View, ViewOptions, Volume, WriteAt};

const ROOT: Caller<'static> = Caller::superuser();
const FILES: usize = 2_000;
/// What a chunk in memory takes that is not the heap's, less what is: a record of each is not counted as long as the chunk is there, a
/// 400th of it.
const CHUNK_BYTES: u64 = (64 << 10) - 144;

/// The system's allocator, which counts what is taken of the heap: each piece as the GNU allocator rounds it.
struct Counting;

static HEAP_BYTES: AtomicI64 = AtomicI64::new(0);

fn rounded(bytes: usize) -> i64 {
    (bytes + 8).next_multiple_of(16).max(32) as i64
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HEAP_BYTES.fetch_add(rounded(layout.size()), Relaxed);
        // SAFETY: the caller's promise is this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HEAP_BYTES.fetch_sub(rounded(layout.size()), Relaxed);
        // SAFETY: the caller's promise is this function's own.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A volume over a directory of many files.
struct Scene {
    _folder: tempfile::TempDir,
    volume: Arc<Volume>,
    view: Arc<View>,
}

impl Scene {
    fn of(freeze: bool) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..FILES {
            std::fs::write(folder.path().join(format!("f{number}")), [7; 100]).unwrap();
        }
        let base = BaseConfig::HostDirectory { path: folder.path().into(), cross_mounts: false, freeze };
        let config = Config { memory_bytes: Some(1 << 30), base: Some(base), ..Config::default() };
        let volume = Volume::open(config).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
        Scene { _folder: folder, volume, view }
    }

    fn node(&self, number: usize) -> NodeId {
        self.view.path_lookup(&ROOT, PathAt::root(format!("f{number}").as_bytes())).unwrap().node
    }

    fn each_file(&self, with: impl Fn(&View, NodeId)) {
        for number in 0..FILES {
            let node = self.node(number);
            with(&self.view, node);
            self.view.forget(node, 1);
        }
    }

    /// Bytes that are counted beside frames, which are not the heap's.
    fn counted(&self) -> i64 {
        let stats = self.volume.stats();
        stats.used_bytes as i64 - (stats.chunks * CHUNK_BYTES) as i64
    }

    /// What `work` does takes of the heap what is counted for it, within a tenth, and `least` bytes a file at least.
    fn assert_counted(&self, what: &str, least: usize, work: impl FnOnce()) {
        let before = (self.counted(), HEAP_BYTES.load(Relaxed));
        work();
        let counted = self.counted() - before.0;
        let taken = HEAP_BYTES.load(Relaxed) - before.1;
        assert!(taken >= (least * FILES) as i64, "{what}: takes only {taken}");
        let fits = (taken * 9 / 10..=taken * 11 / 10).contains(&counted);
        assert!(fits, "{what}: {counted} bytes are counted, and {taken} taken of the heap");
    }
}

fn change_mode(view: &View, node: NodeId, mode: u32) {
    view.set_attr(&ROOT, node, None, &SetAttr { mode: Some(mode), ..SetAttr::default() }).unwrap();
}

/// One test, as other tests would take of the same heap.
#[test]
fn what_a_volume_over_a_base_takes_of_the_heap_is_counted() {
    let scene = Scene::of(false);
    scene.assert_counted("looked at", 100, || scene.each_file(|_, _| {}));
    scene.assert_counted("copied up", 400, || scene.each_file(|view, node| change_mode(view, node, 0o600)));
    scene.volume.create_snapshot(scene.volume.first_branch(), None).unwrap();
    scene.assert_counted("changed after a snapshot", 200, || {
        scene.each_file(|view, node| change_mode(view, node, 0o640));
    });
    scene.assert_counted("written to", 500, || {
        scene.each_file(|view, node| {
            assert_eq!(view.write(&ROOT, node, None, WriteAt::Offset(1), b"x"), Ok(1));
        });
    });
    drop(scene);

    let scene = Scene::of(true);
    scene.assert_counted("looked at in a frozen base", 300, || scene.each_file(|_, _| {}));
    scene.assert_counted("read of a frozen base", 800, || {
        scene.each_file(|view, node| {
            assert_eq!(view.read(&ROOT, node, None, 0, &mut [0; 200]), Ok(100));
        });
    });
}

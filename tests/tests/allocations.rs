//! What comes often allocates nothing: counted on the thread that asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use bough::{
    Caller, Config, Follow, ListOptions, NewNode, NodeId, OpenOptions, PathAt, RefId, View, ViewOptions, Volume,
    WriteAt,
};

const ROOT: Caller<'static> = Caller::superuser();
const FILES: usize = 300;

/// The system's allocator, which counts how often each thread asks it.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending is not asked.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is this function's own.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is this function's own.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is this function's own.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Scene {
    view: Arc<View>,
    directory: NodeId,
    files: Vec<NodeId>,
    names: Vec<String>,
}

fn scene() -> Scene {
    let volume = Volume::open(Config { memory_bytes: Some(1 << 30), ..Config::default() }).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
    let directory = view.make(&ROOT, NodeId::ROOT, b"dir", 0o755, NewNode::Directory).unwrap().node;
    let names: Vec<String> = (0..FILES).map(|n| format!("file-{n}")).collect();
    let make = |name: &String| view.make(&ROOT, directory, name.as_bytes(), 0o644, NewNode::File).unwrap().node;
    let files: Vec<NodeId> = names.iter().map(make).collect();
    for file in &files {
        view.write(&ROOT, *file, None, WriteAt::Offset(0), &[1; 8192]).unwrap();
    }
    Scene { view, directory, files, names }
}

/// How often `with` allocates for all files, once it has been done for all of them before.
#[track_caller]
fn allocates_nothing(what: &str, mut with: impl FnMut(usize)) {
    (0..FILES).for_each(&mut with);
    let before = COUNT.get();
    (0..FILES).for_each(&mut with);
    assert_eq!(COUNT.get() - before, 0, "allocations of {FILES} calls: {what}");
}

#[test]
fn names_and_attributes_are_found_without_an_allocation() {
    let Scene { view, directory, files, names } = scene();
    allocates_nothing("lookup of what is known", |n| {
        view.lookup(&ROOT, directory, names[n].as_bytes()).unwrap();
        view.forget(files[n], 1);
    });
    allocates_nothing("attributes", |n| _ = view.attr(files[n]).unwrap());
    allocates_nothing("attributes by path", |n| {
        let path = PathAt { start: directory, path: names[n].as_bytes(), follow: Follow::Yes };
        view.path_attr(&ROOT, path).unwrap();
    });
    allocates_nothing("names that are not there", |n| {
        assert!(
            view.lookup(&ROOT, files[n], b"missing").is_err() && view.lookup(&ROOT, directory, b"missing").is_err()
        );
    });
}

#[test]
fn listings_are_one_walk_without_an_allocation() {
    let Scene { view, directory, files, .. } = scene();
    let options = ListOptions { attributes: true, ..ListOptions::default() };
    let mut seen = 0;
    allocates_nothing("a listing with attributes", |n| {
        if n == 0 {
            view.list(&ROOT, directory, None, 0, options, &mut |entry| {
                seen += usize::from(entry.attr.is_some());
                true
            })
            .unwrap();
            view.forget_many(files.iter().map(|file| (*file, 1)));
            view.list_ahead(directory, 0, FILES);
        }
    });
    assert_eq!(seen, 2 * FILES);
}

#[test]
fn content_is_read_and_overwritten_without_an_allocation() {
    let Scene { view, files, .. } = scene();
    let options = OpenOptions { read: true, write: true, ..OpenOptions::default() };
    let open: Vec<_> = files.iter().map(|file| view.open_node(&ROOT, *file, options).unwrap()).collect();
    let mut bytes = [0; 4096];
    for handle in [false, true] {
        let through = |n: usize| handle.then(|| open[n]);
        allocates_nothing("reads of 4 KiB", |n| {
            assert_eq!(view.read(&ROOT, files[n], through(n), 4096, &mut bytes), Ok(4096));
        });
        allocates_nothing("writes of 4 KiB", |n| {
            assert_eq!(view.write(&ROOT, files[n], through(n), WriteAt::Offset(0), &bytes), Ok(4096));
        });
    }
    let large = files[0];
    view.write(&ROOT, large, None, WriteAt::Offset(0), &vec![3; 2 << 20]).unwrap();
    let mut bytes = vec![0; 1 << 20];
    allocates_nothing("reads of 1 MiB", |_| {
        assert_eq!(view.read(&ROOT, large, None, 0, &mut bytes), Ok(1 << 20));
    });
    allocates_nothing("writes of 1 MiB", |_| {
        assert_eq!(view.write(&ROOT, large, None, WriteAt::Offset(4096), &bytes), Ok(1 << 20));
    });
}

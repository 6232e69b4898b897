//! What the tests share: a volume, threads that end in time, a watchdog, a walk over a whole tree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bough::{Caller, Config, FileKind, ListOptions, NodeId, PathAt, RefId, View, ViewOptions, Volume};

/// Who does everything: permissions are not what is tested here.
pub(crate) const ROOT: Caller<'static> = Caller::superuser();
/// A test that has not ended by then stands still.
const STUCK_AFTER: Duration = Duration::from_secs(240);
const SCENE: Duration = Duration::from_millis(1_500);

pub(crate) fn path(text: &str) -> PathAt<'_> {
    PathAt::root(text.as_bytes())
}

pub(crate) struct Arena {
    pub(crate) volume: Arc<Volume>,
    pub(crate) view: Arc<View>,
}

impl Arena {
    pub(crate) fn new() -> Arena {
        let volume = Volume::open(Config { memory_bytes: Some(1 << 30), ..Config::default() }).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "arena", ViewOptions::default()).unwrap();
        Arena { volume, view }
    }

    pub(crate) fn main(&self) -> RefId {
        RefId::Branch(self.volume.first_branch())
    }

    pub(crate) fn snapshot(&self) -> RefId {
        RefId::Snapshot(self.volume.create_snapshot(self.volume.first_branch(), None).unwrap())
    }

    pub(crate) fn view_of(&self, id: RefId) -> Arc<View> {
        self.volume.view(id, "look", ViewOptions::default()).unwrap()
    }
}

/// Runs each actor again and again in a thread of its own until the scene's time is over. The number an actor gets is
/// how often it has been run.
pub(crate) fn play(name: &str, actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>>) {
    let over = AtomicBool::new(false);
    let watched = watch(name);
    std::thread::scope(|scope| {
        for actor in &actors {
            let over = &over;
            scope.spawn(move || {
                let _ends_all = EndsAll(over);
                let begin = Instant::now();
                let mut round = 0;
                while begin.elapsed() < SCENE && !over.load(Ordering::Relaxed) {
                    actor(round);
                    round += 1;
                }
            });
        }
    });
    watched.store(true, Ordering::Relaxed);
}

/// Plays `churn`, with a seed of its own and the number of the round, in four threads, while a fifth takes snapshots, walks and deletes them.
pub(crate) fn play_beside_snapshots(name: &str, arena: &Arena, churn: fn(&Arena, u64, u64)) {
    let mut actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>> = Vec::new();
    for seed in 1..=4 {
        actors.push(Box::new(move |round| churn(arena, seed, round)));
    }
    actors.push(Box::new(|_| {
        let id = arena.snapshot();
        check_tree(&arena.view_of(id));
        arena.volume.delete_ref(id).unwrap();
    }));
    play(name, actors);
}

/// When one actor panics the others need not go on.
struct EndsAll<'a>(&'a AtomicBool);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Aborts the process with a message unless the answer is set in time.
fn watch(name: &str) -> Arc<AtomicBool> {
    let done = Arc::new(AtomicBool::new(false));
    let (name, seen) = (name.to_string(), done.clone());
    std::thread::spawn(move || {
        let begin = Instant::now();
        while begin.elapsed() < STUCK_AFTER {
            std::thread::sleep(Duration::from_millis(50));
            if seen.load(Ordering::Relaxed) {
                return;
            }
        }
        eprintln!("{name}: stands still for {STUCK_AFTER:?}: a deadlock");
        std::process::abort();
    });
    done
}

/// A small generator of numbers, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// Walks everything from the root, checking what makes it a tree: each directory is met once, its `..` is the
/// directory it was met in, and its link count is that of its subdirectories. Answers the number of inodes.
pub(crate) fn check_tree(view: &View) -> usize {
    let mut met = BTreeSet::new();
    // Not by recursion: renames can make a tree deeper than a thread's stack.
    let mut to_visit = vec![(NodeId::ROOT, NodeId::ROOT)];
    while let Some((node, above)) = to_visit.pop() {
        check_directory(view, node, above, &mut met, &mut to_visit);
        if node != NodeId::ROOT {
            view.forget(node, 1);
        }
    }
    assert_eq!(view.reference_count(), 0, "the walk gave back what it was lent");
    met.len()
}

fn check_directory(
    view: &View,
    node: NodeId,
    above: NodeId,
    met: &mut BTreeSet<u64>,
    to_visit: &mut Vec<(NodeId, NodeId)>,
) {
    let attr = view.attr(node).unwrap();
    assert!(met.insert(attr.inode.0), "a directory is met twice: not a tree");
    let up = view.lookup(&ROOT, node, b"..").unwrap();
    assert_eq!(up.node, above, "`..` leads elsewhere");
    view.forget(up.node, 1);
    let (mut entries, mut subdirectories) = (0, 0);
    let options = ListOptions { attributes: true, ..ListOptions::default() };
    view.list(&ROOT, node, None, 0, options, &mut |entry| {
        entries += 1;
        if entry.kind == FileKind::Directory {
            subdirectories += 1;
            to_visit.push((entry.node, node));
        } else {
            met.insert(entry.inode.0);
            view.forget(entry.node, 1);
        }
        true
    })
    .unwrap();
    assert_eq!((attr.links, attr.size), (2 + subdirectories, entries));
}

/// Whether it went well or met with what others did at the same time.
pub(crate) fn raced<T>(answer: bough::Result<T>) -> Option<T> {
    use bough::Error::*;
    match answer {
        Ok(value) => Some(value),
        Err(
            NotFound | Exists | NotEmpty | NotADirectory | IsADirectory | IntoItself | TooManyLinks | BadHandle | Stale
            | RefExists | NoSuchRef | Busy(_),
        ) => None,
        Err(other) => panic!("no race explains {other:?}"),
    }
}

/// Where it does not matter which.
pub(crate) fn tried<T>(answer: bough::Result<T>) {
    raced(answer);
}

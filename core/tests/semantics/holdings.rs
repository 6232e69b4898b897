//! What branches and snapshots hold, told against what deleting them frees.

use std::time::{Duration, Instant};

use bough::control::messages::*;
use bough::control::{Message, message, text_of};
use bough::{Allocation, Config, Holdings, NodeId, RefId, Volume};

use crate::support::*;

const CHUNK: usize = 65_536;

/// Numbers that look like chance, and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What the volume takes, once nothing is being freed or moved: when it is the same at so many looks. Where many want the processor a look comes
/// late, as do those who free and move.
fn settled(volume: &Volume) -> u64 {
    const LOOKS: usize = 40;
    let (begun, mut last, mut same) = (Instant::now(), volume.stats().used_bytes, 0);
    while same < LOOKS {
        assert!(begun.elapsed() < Duration::from_secs(120), "never settles");
        std::thread::sleep(Duration::from_millis(2));
        let now = volume.stats().used_bytes;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// Bytes of content that a walk through the whole tree finds, and inodes.
fn walked(fs: &Fs, shows: RefId) -> (u64, u64) {
    let view = fs.view_of(shows);
    let mut seen = std::collections::BTreeMap::new();
    for (path, ..) in view.tree() {
        let attr = view.stat(&path);
        seen.insert(attr.inode, attr.allocated);
    }
    (seen.values().sum(), seen.len() as u64 + 1)
}

fn change(fs: &Fs, numbers: &mut Numbers) {
    let name = format!("d{}/f{}", numbers.below(3), numbers.below(40));
    let other = format!("d{}/f{}", numbers.below(3), numbers.below(40));
    let offset = numbers.below(6) * CHUNK as u64 + numbers.below(100);
    match numbers.below(10) {
        0 | 1 => fs.write_file(&name, vec![1; numbers.below(9000) as usize]),
        2 => fs.write_file(&name, vec![2; CHUNK + numbers.below(5 * CHUNK as u64) as usize]),
        3 if fs.exists(&name) => {
            let handle = fs.open(&name, WRITE);
            fs.put(handle, offset, vec![3; 1 + numbers.below(2 * CHUNK as u64) as usize]);
            fs.release(handle).unwrap();
        }
        4 if fs.exists(&name) => fs.remove_file(&name),
        5 if fs.exists(&name) => fs.truncate(&name, numbers.below(5 * CHUNK as u64)),
        6 if fs.exists(&name) && name != other => {
            fs.write_file(&other, "");
            let (from, to) = (fs.node(&name), fs.node(&other));
            fs.copy_range(&ROOT, from, None, 0, to, None, numbers.below(2) * CHUNK as u64, u64::MAX >> 1).unwrap();
            fs.forget(from, 1);
            fs.forget(to, 1);
        }
        7 if fs.exists(&name) => {
            let node = fs.node(&name);
            fs.allocate(&ROOT, node, None, offset, CHUNK as u64, Allocation::Punch).unwrap();
            fs.forget(node, 1);
        }
        8 if fs.exists(&name) => fs.chmod(&name, 0o600),
        9 if fs.exists(&name) => {
            let node = fs.node(&name);
            let handle = fs.open_stream(&ROOT, node, b"stream", WRITE, true).unwrap();
            fs.put(handle, offset, vec![4; numbers.below(CHUNK as u64) as usize + 1]);
            fs.release(handle).unwrap();
            fs.forget(node, 1);
        }
        _ => {}
    }
}

/// Branches and snapshots grown in all directions, with changes between.
fn grown(config: Config) -> Fs {
    let fs = Fs::of(Config { root_mode: 0o777, ..config });
    (0..3).for_each(|number| fs.mkdir_p(&format!("d{number}")));
    let mut numbers = Numbers(7);
    for round in 0..12 {
        (0..60).for_each(|_| change(&fs, &mut numbers));
        let shows = fs.info().shows;
        let RefId::Branch(branch) = shows else { unreachable!("branches are shown") };
        fs.volume.create_snapshot(branch, Some(&format!("s{round}"))).unwrap();
        if round % 3 == 2 {
            let from = format!("s{}", numbers.below(round + 1));
            let grown = fs.branch(&format!("b{round}"), fs.volume.find(&from).unwrap());
            fs.switch(RefId::Branch(grown)).unwrap();
        }
    }
    (0..60).for_each(|_| change(&fs, &mut numbers));
    fs
}

/// Deletes all but the last in some order; each frees what it was said to free.
fn check_by_deleting(fs: &Fs) {
    let mut numbers = Numbers(3);
    let mut freed = 0;
    loop {
        let mut left: Vec<RefId> = fs.volume.list_refs(None, usize::MAX).iter().map(|info| info.id).collect();
        left.retain(|id| *id != fs.info().shows);
        if left.is_empty() {
            break;
        }
        let id = left[numbers.below(left.len() as u64) as usize];
        // Walking moves content to memory and back: what is exclusive is asked afterwards.
        let whole = walked(fs, id);
        let used = settled(&fs.volume);
        let held = fs.volume.holdings(id).unwrap();
        assert_eq!((held.content_bytes, held.inodes), whole, "{id:?}");
        fs.volume.delete_ref(id).unwrap();
        // On a busy machine it may be a while before that begins.
        let begun = Instant::now();
        while used.saturating_sub(fs.volume.stats().used_bytes) < held.exclusive.bytes() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{id:?}: less goes than {held:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        let went = used - settled(&fs.volume);
        let besides = went.checked_sub(held.exclusive.bytes()).unwrap_or_else(|| panic!("{id:?}: {went} of {held:?}"));
        // Short files that were left in sparse slabs may have moved together.
        assert!(besides == 0 || besides > CHUNK as u64, "{id:?}: {besides} besides {held:?}");
        freed += held.exclusive.bytes();
    }
    assert!(freed > 20 * CHUNK as u64);
    let last = fs.volume.holdings(fs.info().shows).unwrap();
    // Besides there is only what being viewed takes.
    let rest = settled(&fs.volume) - last.exclusive.bytes();
    assert!(rest < 12 << 10, "{rest}");
    assert_eq!((last.content_bytes, last.inodes), walked(fs, fs.info().shows));
}

#[test]
fn what_is_exclusive_is_what_deleting_frees() {
    check_by_deleting(&grown(Config { memory_bytes: Some(1 << 30), ..Config::default() }));
}

#[test]
fn what_is_exclusive_is_what_deleting_frees_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { memory_bytes: Some(5 << 20), spill_dir: Some(folder.path().into()), ..Config::default() };
    let fs = grown(config);
    let spilled = |held: &Holdings| held.exclusive.spilled_bytes;
    let all = fs.volume.list_refs(None, usize::MAX);
    assert!(all.iter().any(|info| spilled(&fs.volume.holdings(info.id).unwrap()) > 0));
    check_by_deleting(&fs);
}

#[test]
fn a_snapshot_holds_nothing_alone_until_something_changes() {
    let fs = Fs::new();
    fs.write_file("big", vec![1; 10 * CHUNK]);
    let held = |id| fs.volume.holdings(id).unwrap();
    let alone = held(fs.main());
    assert_eq!((alone.exclusive.content_bytes, alone.content_bytes), (10 * CHUNK as u64, 10 * CHUNK as u64));
    let snapshot = RefId::Snapshot(fs.snapshot("s"));
    for id in [fs.main(), snapshot] {
        assert_eq!((held(id).exclusive.content_bytes, held(id).shared_bytes()), (0, 10 * CHUNK as u64));
        assert!(held(id).exclusive.bytes() < 2 << 10, "{:?}", held(id));
    }
    let handle = fs.open("big", WRITE);
    fs.put(handle, 3 * CHUNK as u64, "x");
    fs.release(handle).unwrap();
    for id in [fs.main(), snapshot] {
        assert_eq!(held(id).exclusive.content_bytes, CHUNK as u64);
        assert_eq!(held(id).shared_bytes(), 9 * CHUNK as u64);
    }
    let dormant = RefId::Branch(fs.branch("b", snapshot));
    for id in [snapshot, dormant] {
        assert_eq!(held(id).exclusive.content_bytes, 0, "they have the same tree");
        assert_eq!(held(id).exclusive.memory_bytes, held(id).exclusive.metadata_bytes);
    }
}

#[test]
fn asking_what_is_held_costs_what_is_held_alone() {
    let fs = Fs::new();
    for directory in 0..100 {
        fs.mkdir_p(&format!("d{directory}"));
        (0..200).for_each(|file| fs.write_file(&format!("d{directory}/f{file}"), "some content"));
    }
    let first = RefId::Snapshot(fs.snapshot("first"));
    fs.write_file("d50/f50", "other");
    let second = RefId::Snapshot(fs.snapshot("second"));
    fs.volume.holdings(first).unwrap();
    let time = |id| {
        let once = || {
            let begun = Instant::now();
            let held = fs.volume.holdings(id).unwrap();
            assert!(held.exclusive.inodes < 10 && held.inodes == 20_101, "{held:?}");
            begun.elapsed()
        };
        // Of many: what else the machine does holds up some of them.
        (0..50).map(|_| once()).min().unwrap()
    };
    let whole = {
        let begun = Instant::now();
        walked(&fs, first);
        begun.elapsed()
    };
    for id in [first, second, fs.main()] {
        assert!(time(id) < whole / 50, "{:?} of {whole:?}", time(id));
    }
}

#[test]
fn what_is_held_can_be_asked_while_others_write() {
    let fs = Fs::new();
    let ids = std::sync::Mutex::new(vec![fs.main()]);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for round in 0..30 {
                (0..50).for_each(|file| fs.write_file(&format!("f{file}"), vec![round; (file + 1) * 3000]));
                ids.lock().unwrap().push(RefId::Snapshot(fs.snapshot(&format!("s{round}"))));
            }
        });
        while !worker.is_finished() {
            let ids: Vec<RefId> = ids.lock().unwrap().clone();
            for id in ids {
                let held = fs.volume.holdings(id).unwrap();
                assert!(held.inodes <= 51 && held.exclusive.inodes <= 51);
            }
        }
    });
    let node = fs.attr(NodeId::ROOT).unwrap();
    assert_eq!(node.size, 50);
    for id in ids.into_inner().unwrap() {
        assert_eq!(fs.volume.holdings(id).unwrap().content_bytes, walked(&fs, id).0);
    }
}

#[test]
fn holdings_come_in_pages() {
    let fs = Fs::new();
    fs.write_file("file", vec![1; CHUNK]);
    for number in 0..45 {
        fs.snapshot(&format!("s{number}"));
    }
    let ask = |after: (u64, u32)| {
        let mut page: fs_control_holdings = message();
        (page.after_id, page.after_kind) = after;
        fs.view.control(&ROOT, fs_control_holdings::REQUEST, bytemuck::bytes_of_mut(&mut page)).unwrap();
        page
    };
    let first = ask((0, 0));
    assert_eq!((first.count as usize, first.more), (FS_CONTROL_HOLDINGS_ENTRIES, 1));
    assert_eq!((text_of(&first.entries[0].name.bytes), first.entries[0].kind), ("main".into(), FS_REF_BRANCH));
    assert_eq!(first.entries[0].holdings.shared_bytes, CHUNK as u64);
    let last = first.entries[FS_CONTROL_HOLDINGS_ENTRIES - 1];
    let second = ask((last.id, last.kind));
    assert_eq!((second.count, second.more), (6, 0));
    assert_eq!(ask((999, FS_REF_SNAPSHOT)).count, 0);
}

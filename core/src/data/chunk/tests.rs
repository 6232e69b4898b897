#![allow(clippy::unwrap_used)]

use crate::data::SpillConfig;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::check::{Census, Pages};
use super::depot::STRIPES;
use super::region::SPAN_FRAMES;
use super::spill::Spill;
use super::store::{ChunkStore, StoreConfig};
use super::{CHUNK_BYTES, Chunk};
use crate::check::CheckReport;
use crate::data::tests::device::{Call, Disk};
use crate::data::tests::eager;
use crate::error::Error;

const CHUNK: u64 = CHUNK_BYTES as u64;

fn store_of(memory_bytes: u64) -> Arc<ChunkStore> {
    ChunkStore::new(StoreConfig { memory_bytes, spill_dir: None, spill: SpillConfig::default() }).unwrap()
}

#[test]
fn a_store_holds_as_many_chunks_as_its_limit_and_not_one_more() {
    let store = store_of(3 * CHUNK + 10);
    let held: Vec<_> = (0..3).map(|_| Chunk::zeroed(&store).unwrap()).collect();
    assert_eq!(Chunk::zeroed(&store).unwrap_err(), Error::NoSpace);
    assert_eq!(store.reserve(11), Err(Error::NoSpace));
    assert_eq!(store.reserve(10), Ok(()));
    store.release(10);
    drop(held);
    assert!(Chunk::zeroed(&store).is_ok());
    assert_eq!(store.usage().memory_bytes, 0);
}

#[test]
fn a_shared_chunk_is_copied_once_and_then_changed_in_place() {
    let store = store_of(1 << 20);
    let mut chunk = Chunk::zeroed(&store).unwrap();
    chunk.write(&store).unwrap()[5] = 1;
    let shared = chunk.clone();
    let pin = chunk.pin().unwrap();
    chunk.write(&store).unwrap()[5] = 2;
    chunk.write(&store).unwrap()[6] = 3;
    assert_eq!((store.usage().copies, store.usage().allocations), (1, 2));
    assert_eq!((pin[5], shared.read().unwrap()[5]), (1, 1));
    assert_eq!(chunk.read().unwrap()[5..7], [2, 3]);
    assert!(!chunk.same(&shared));
}

#[test]
fn a_zeroed_chunk_is_zero_whatever_its_frame_held() {
    let store = store_of(1 << 30);
    for _ in 0..3 {
        let mut held: Vec<_> = (0..700).map(|_| Chunk::zeroed(&store).unwrap()).collect();
        for chunk in &mut held {
            assert!(chunk.read().unwrap().iter().all(|&byte| byte == 0));
            chunk.write(&store).unwrap().fill(0xFF);
        }
    }
}

#[test]
fn regions_go_when_they_are_empty() {
    let store = store_of(1 << 30);
    let held: Vec<_> = (0..2000).map(|_| Chunk::zeroed(&store).unwrap()).collect();
    assert_eq!(store.usage().regions, 4);
    drop(held);
    assert!(store.usage().regions <= 2, "{:?}", store.usage());
    assert_eq!(store.usage().frames, 0);
}

#[test]
fn chunks_outlive_their_store() {
    let store = store_of(1 << 20);
    let mut chunk = Chunk::zeroed(&store).unwrap();
    chunk.write(&store).unwrap().fill(7);
    drop(store);
    assert_eq!(chunk.read().unwrap()[99], 7);
}

#[test]
fn a_spill_folder_that_is_not_there_is_an_error() {
    let made = ChunkStore::new(StoreConfig {
        memory_bytes: 1,
        spill_dir: Some("/nowhere/at/all".into()),
        spill: SpillConfig::default(),
    });
    assert!(matches!(made, Err(Error::Io(_))));
}

#[test]
fn slots_whose_write_failed_are_not_taken_for_space_that_is_set_aside() {
    let disk = Disk::default();
    disk.set_capacity(Some(64));
    let spill = Spill::new(Box::new(disk.clone()), eager());
    let run = spill.take_run(32).unwrap();
    spill.free(run);
    spill.punch_spare();
    assert_eq!(disk.chunks(), 0);
    let run = spill.take_run(8).unwrap();
    disk.fail(Call::Write, 0, std::io::ErrorKind::StorageFull);
    let pages = Pages::boxed();
    assert!(spill.write(run.start, &[&pages.0[..]; 8]).is_err());
    spill.free_unwritten(run);
    assert_eq!((disk.chunks(), spill.taken_and_room_bytes()), (0, (0, 64 * CHUNK)));
    // Once round, and there again: where somebody wants space set aside the disk is asked for it.
    let others = spill.take_run(56).unwrap();
    assert_eq!(others, 8..64);
    spill.free(others);
    spill.punch_spare();
    assert_eq!((spill.reserve_run(8).unwrap(), disk.chunks()), (0..8, 8));
}

#[test]
fn many_threads_allocate_share_and_free_without_meeting_each_others_bytes() {
    let store = store_of(1 << 30);
    let (sender, receiver) = std::sync::mpsc::channel::<(Chunk, u8)>();
    std::thread::scope(|scope| {
        for thread in 1..=4_u8 {
            let (store, sender) = (&store, sender.clone());
            scope.spawn(move || {
                for round in 0..200_u8 {
                    let mut chunk = Chunk::allocate(store, 0..CHUNK_BYTES).unwrap();
                    let mark = thread.wrapping_mul(50).wrapping_add(round);
                    chunk.overwrite(store, &[mark; CHUNK_BYTES]).unwrap();
                    sender.send((chunk.clone(), mark)).unwrap();
                    chunk.write(store).unwrap()[0] = 0;
                }
            });
        }
        drop(sender);
        for (chunk, mark) in receiver {
            assert!(chunk.read().unwrap().iter().all(|&byte| byte == mark));
        }
    });
    assert_eq!(store.usage().frames, 0);
}

#[test]
fn who_waits_for_room_below_a_mark_that_has_risen_since_gets_it_all_the_same() {
    let device = Box::new(Disk::default());
    let store = ChunkStore::with_device(8 << 30, device, SpillConfig::default());
    let held: Vec<_> = (0..100).map(|_| Chunk::zeroed(&store).unwrap()).collect();
    // As if the system had been short of memory when it began to wait.
    let mark = 50 * CHUNK;
    let (say, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let patience = super::evictor::Patience { fruitless: 1, outrun: 500 };
        // Whoever listens may have given up.
        let _ = say.send(store.depot().wait_for_room(CHUNK, mark, patience).map(|()| store.usage().memory_bytes));
    });
    let in_use = hear.recv_timeout(std::time::Duration::from_secs(120)).unwrap();
    assert!(in_use.as_ref().is_ok_and(|&bytes| bytes <= mark), "{in_use:?}");
    drop(held);
}

#[test]
fn where_the_system_maps_nothing_more_threads_use_what_others_have_left() {
    let store = store_of(1 << 30);
    let chunk = Chunk::zeroed(&store).unwrap();
    store.depot().map_nothing();
    let other = std::thread::scope(|scope| {
        let allocate = || {
            let mut made = Chunk::zeroed(&store).unwrap();
            made.write(&store).unwrap().fill(1);
            made
        };
        scope.spawn(allocate).join().unwrap()
    });
    assert_eq!(store.usage().regions, 1);
    assert!(chunk.read().unwrap().iter().all(|&byte| byte == 0));
    assert!(other.read().unwrap().iter().all(|&byte| byte == 1));
    drop((chunk, other));
    assert_eq!(store.usage().memory_bytes, 0);
    // As many as the one region has, and then an error that takes nothing with it.
    let held: Vec<_> = std::iter::from_fn(|| Chunk::zeroed(&store).ok()).collect();
    assert_eq!(held.len(), 512);
    assert_eq!((store.usage().memory_bytes, store.usage().resident_bytes), (512 * CHUNK, 512 * CHUNK));
}

fn filled(store: &ChunkStore) -> Chunk {
    let mut chunk = Chunk::allocate(store, 0..CHUNK_BYTES).expect("there are free frames");
    chunk.overwrite(store, &[1; CHUNK_BYTES]).unwrap();
    chunk
}

#[test]
fn frames_that_are_being_given_back_are_waited_for_where_there_are_no_others() {
    // So many are kept warm, and with one more the older half is given back.
    const RESERVE: usize = 32;
    let store = store_of(1 << 30);
    let mut held = vec![filled(&store)];
    store.depot().map_nothing();
    held.extend((1..512).map(|_| filled(&store)));
    assert!(Chunk::zeroed(&store).is_err());
    let gone = std::sync::atomic::AtomicUsize::new(0);
    let (back, comes_back) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let back = back;
            for round in 1..=200 {
                // What was given up before counts as free, whatever becomes of it.
                while gone.load(Relaxed) < round * (RESERVE + 1) - 1 {
                    std::hint::spin_loop();
                }
                let taken: Vec<_> = (0..RESERVE).map(|_| filled(&store)).collect();
                back.send(taken).unwrap();
            }
        });
        for _ in 0..200 {
            for chunk in held.drain(..=RESERVE) {
                drop(chunk);
                gone.fetch_add(1, Relaxed);
            }
            held.extend(comes_back.recv().expect("they could be taken"));
            held.push(filled(&store));
        }
    });
    drop(held);
    assert_eq!((store.usage().frames, store.usage().memory_bytes), (0, 0));
}

/// Waits until no pool can have more than its reserve warm.
fn assert_cools(store: &ChunkStore, reserve: u64) {
    let begun = std::time::Instant::now();
    loop {
        let usage = store.usage();
        let warm_bytes = usage.resident_bytes - usage.memory_bytes;
        if warm_bytes <= STRIPES as u64 * reserve * CHUNK {
            return;
        }
        assert!(begun.elapsed().as_secs() < 120, "{} frames stay: {usage:?}", warm_bytes / CHUNK);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Nothing is lost, and nothing held twice.
fn assert_sound(store: &ChunkStore, held: &[Chunk]) {
    let (mut census, mut report) = (Census::default(), CheckReport::default());
    held.iter().for_each(|chunk| census.count(chunk));
    store.check(&census, 0, true, &mut report);
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn what_is_being_read_ahead_is_waited_for_before_counts_are_compared() {
    let store = ChunkStore::with_device(16 * CHUNK, Box::new(Disk::default()), SpillConfig::default());
    let held: Vec<_> = (0..64).map(|_| filled(&store)).collect();
    for round in 0..200 {
        Chunk::fetch_later(held.iter().cycle().skip(round * 8).take(8));
        assert_sound(&store, &held);
    }
    // And it goes on afterwards.
    let begun = std::time::Instant::now();
    while store.usage().read_bytes == 0 {
        assert!(begun.elapsed().as_secs() < 120, "{:?}", store.usage());
        Chunk::fetch_later(held.iter());
        std::thread::yield_now();
    }
}

#[test]
fn frames_that_nobody_takes_go_though_the_soft_mark_was_never_reached() {
    // The marks are at 848 and 880 frames, and a pool has 2 warm at rest.
    let store = ChunkStore::with_device(1024 * CHUNK, Box::new(Disk::default()), SpillConfig::default());
    let mut held: Vec<_> = (0..870).map(|_| Chunk::zeroed(&store).unwrap()).collect();
    held.truncate(830);
    assert_cools(&store, 2);
    assert_sound(&store, &held);
    // And again, after the thread has slept.
    held.truncate(820);
    held.extend((0..50).map(|_| Chunk::zeroed(&store).unwrap()));
    held.truncate(830);
    assert_cools(&store, 2);
    assert_eq!((store.usage().evictions, store.usage().frames), (0, 830));
    assert_sound(&store, &held);
}

#[test]
fn the_evictor_gives_back_what_it_keeps_warm_and_then_sleeps() {
    // A pool has 1 warm at rest, and 64 while the evictor is at work.
    let store = ChunkStore::with_device(512 * CHUNK, Box::new(Disk::default()), SpillConfig::default());
    let mut held = std::thread::scope(|scope| {
        let fill = || (0..200).map(|_| filled(&store)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(fill)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(store.usage().evictions > 0);
    // So few that the evictor would keep them for the next to come.
    let going: Vec<_> = held.extract_if(.., |chunk| chunk.is_resident()).take(12).collect();
    assert_eq!(going.len(), 12);
    drop(going);
    assert_cools(&store, 1);
    assert_sound(&store, &held);
    let idled = || store.depot().evictor.idled();
    let sleeps = || {
        let before = idled();
        std::thread::sleep(std::time::Duration::from_millis(500));
        before == idled()
    };
    // It may have to look once more, and then does not any more: nobody calls it.
    assert!((0..60).any(|_| sleeps()), "it looks again and again");
    assert!(held.iter().all(|chunk| chunk.read().unwrap().iter().all(|&byte| byte == 1)));
}

#[test]
fn without_a_device_no_more_than_the_reserve_of_each_pool_is_warm() {
    let store = store_of(1 << 30);
    let (keep, kept) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..STRIPES {
            let (store, keep) = (&store, keep.clone());
            scope.spawn(move || keep.send((0..300).map(|_| Chunk::zeroed(store).unwrap()).collect::<Vec<_>>()));
        }
    });
    drop(keep);
    drop(kept.into_iter().collect::<Vec<_>>());
    assert_eq!((store.usage().frames, store.usage().memory_bytes), (0, 0));
    assert_cools(&store, 32);
    assert_sound(&store, &[]);
}

#[test]
fn only_frames_that_nobody_took_meanwhile_are_given_back() {
    let store = store_of(1 << 30);
    drop((0..20).map(|_| Chunk::zeroed(&store).unwrap()).collect::<Vec<_>>());
    let warm = || store.depot().pools.iter().map(|pool| pool.lock().warm()).sum::<usize>();
    let cool = |reserve| {
        store.depot().pools.iter().for_each(|pool| {
            let mut pool = pool.lock();
            let cooling = pool.cool_unused(reserve);
            cooling.discard();
            let _regions = pool.set_cold(&cooling);
        })
    };
    assert_eq!(warm(), 20);
    store.depot().watch_warm();
    drop((0..5).map(|_| Chunk::zeroed(&store).unwrap()).collect::<Vec<_>>());
    cool(0);
    assert_eq!(warm(), 5, "those were taken, and came back");
    store.depot().watch_warm();
    cool(3);
    assert_eq!(warm(), 3);
}

/// Whose chunks' frames lie in the first span of this thread's pool.
fn a_span(store: &Arc<ChunkStore>) -> Vec<Chunk> {
    (0..SPAN_FRAMES).map(|_| Chunk::zeroed(store).unwrap()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_span_that_is_renewed_is_charged_meanwhile_and_taken_in_order_afterwards() {
    // A pool keeps 32 warm.
    let store = store_of(1 << 30);
    let depot = store.depot();
    let held = a_span(&store);
    let span = held[0].cell.place().unwrap().span();
    assert_eq!(held[SPAN_FRAMES - 1].cell.place().unwrap().span(), span);
    assert!(depot.take_span(span).is_none(), "somebody has its frames");
    drop(held);
    for round in 0..2 {
        let cooling = depot.take_span(span).unwrap();
        assert!(depot.take_span(span).is_none(), "somebody is at it");
        assert_eq!((store.usage().memory_bytes, store.usage().resident_bytes), (0, SPAN_FRAMES as u64 * CHUNK));
        assert_sound(&store, &[]);
        cooling.renew();
        depot.put_span(&cooling, true);
        assert_eq!((store.usage().memory_bytes, store.usage().resident_bytes), (0, SPAN_FRAMES as u64 * CHUNK));
        assert_sound(&store, &[]);
        assert!(depot.take_span(span).is_none(), "it was renewed");
        let held = a_span(&store);
        for (index, chunk) in held.iter().enumerate() {
            assert_eq!(chunk.cell.place().unwrap().index as usize, index, "round {round}");
            assert!(chunk.read().unwrap().iter().all(|&byte| byte == 0));
        }
        assert_eq!(store.usage().resident_bytes, SPAN_FRAMES as u64 * CHUNK);
        drop(held);
        // What was given back is worth renewing again.
        assert_eq!(depot.cool_all(), SPAN_FRAMES as u64 * CHUNK);
        drop(a_span(&store));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn spans_are_renewed_while_chunks_come_and_go_and_the_limit_holds() {
    let limit = 1024 * CHUNK;
    let store = ChunkStore::with_device(limit, Box::new(Disk::default()), SpillConfig::default());
    let held: Vec<_> = (0..1500).map(|_| filled(&store)).collect();
    let renewed = || store.depot().pools.iter().map(|pool| pool.lock().renewed()).sum::<u32>();
    let begun = std::time::Instant::now();
    while renewed() == 0 {
        for chunk in &held {
            assert!(chunk.read().unwrap().iter().all(|&byte| byte == 1));
            assert!(store.usage().resident_bytes <= limit + 16 * CHUNK);
        }
        assert!(begun.elapsed().as_secs() < 120, "{:?}", store.usage());
    }
    assert_sound(&store, &held);
    drop(held);
    assert_cools(&store, 2);
    assert_sound(&store, &[]);
}

#[cfg(target_os = "linux")]
#[test]
fn who_needs_a_frame_has_one_that_nobody_has_begun_to_renew() {
    // The hard mark is at 1008 frames, and from 816 on a pool keeps more warm than the 2 that it has at rest.
    let disk = Disk::default();
    disk.set_dead(true);
    let store = ChunkStore::with_device(1024 * CHUNK, Box::new(disk), SpillConfig::default());
    let depot = store.depot();
    let _still = depot.read_ahead.hold();
    let mut held: Vec<_> = (0..870).map(|_| Chunk::zeroed(&store).unwrap()).collect();
    let span = held[0].cell.place().unwrap().span();
    // What is warm is given back where this thread was held up in between.
    for _ in 0..100 {
        held.retain(|chunk| chunk.cell.place().unwrap().span() != span);
        depot.renew_later(span);
        if depot.read_ahead.awaits_renewal() {
            break;
        }
        held.extend(a_span(&store));
    }
    assert!(depot.read_ahead.awaits_renewal());
    held.extend(std::iter::from_fn(|| Chunk::zeroed(&store).ok()));
    assert_eq!(held.len(), 1008);
    assert!(!depot.read_ahead.awaits_renewal());
}

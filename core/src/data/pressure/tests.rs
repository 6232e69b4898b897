use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::data::stream::Stream;
use crate::data::tests::device::Disk;
use crate::data::tests::{CHUNK, CHUNK_BYTES, bytes, content, eventually, store_on};

/// Says what it is told to say.
#[derive(Debug)]
struct Told(Receiver<Signal>);

impl Pressure for Told {
    fn wait(&mut self, _: Option<Duration>) -> Signal {
        self.0.recv().unwrap_or(Signal::Stopped)
    }
}

#[derive(Debug)]
struct Teller(Sender<Signal>);

impl Stop for Teller {
    fn stop(&self) {
        // It may have stopped by itself.
        let _ = self.0.send(Signal::Stopped);
    }
}

#[test]
fn pressure_makes_a_store_small_and_its_end_lets_it_grow_by_and_by() {
    let store = store_on(&Disk::default(), 1024);
    let (say, hear) = channel();
    let stop = Box::new(Teller(say.clone()));
    let watch = Watch::with(Arc::downgrade(&store), Box::new(Told(hear)), stop).expect("a thread");
    let mut stream = Stream::empty();
    let model = bytes(800 * CHUNK_BYTES, 1);
    stream.write(&store, 0, &model).expect("room");
    let resident = || store.usage().resident_bytes;
    assert!(resident() >= 800 * CHUNK);
    let tell = |signal| say.send(signal).expect("somebody listens");
    tell(Signal::Short);
    eventually("a part goes", || resident() <= 760 * CHUNK);
    (0..40).for_each(|_| tell(Signal::Short));
    eventually("most goes", || resident() <= 140 * CHUNK);
    // Reading all of it does not bring it all back.
    assert!(content(&stream) == model);
    assert!(resident() <= 200 * CHUNK, "{}", resident() / CHUNK);
    (0..100).for_each(|_| tell(Signal::Quiet));
    eventually("all memory may be used again", || {
        assert!(content(&stream) == model);
        resident() >= 700 * CHUNK
    });
    drop(watch);
}

#[test]
fn a_watch_ends_with_its_volume() {
    let store = store_on(&Disk::default(), 16);
    let watch = Watch::start(Arc::downgrade(&store));
    drop(store);
    drop(watch);
}

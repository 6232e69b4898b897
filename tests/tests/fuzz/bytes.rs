//! The same driven by bytes, as a coverage-guided fuzzer hands them over: each target makes a case of any bytes, and says what
//! is wrong with it. `fuzz/` runs them under libFuzzer (`make fuzz`); here they run over their corpus, and over bytes drawn at
//! random.

use std::path::PathBuf;

use proptest::arbitrary::any;
use proptest::collection::vec;

use bough::ffi::foreign::{fs_ea_get, fs_ea_set, fs_reparse_get, fs_reparse_set, fs_security_get, fs_security_set};
use bough::ffi::names::{fs_forget, fs_mkdir};
use bough::ffi::results::*;
use bough::ffi::types::{FS_NODE_ROOT, fs_entry};
use bough::ffi::volume::FS_NAMES_MACOS;
use bough::ffi::xattrs::{fs_xattr_get, fs_xattr_set};

use crate::arguments::{Bytes, Twist, View};
use crate::calls::Call;
use crate::decode;
use crate::harness::{Verdict, check, once};
use crate::messages::Message;
use crate::sanity;
use crate::world::{World, blank, superuser};

pub(crate) type Target = fn(&[u8]) -> Verdict;

/// By name: that of the folder of its corpus, and of its program in `fuzz/fuzz_targets`.
pub(crate) const TARGETS: [(&str, Target); 4] =
    [("calls", calls), ("control", control), ("names", names), ("values", values)];

const MOST_CALLS: usize = 60;
const MOST_MESSAGES: usize = 8;

/// The rules of names that the first byte stands for, and the rest.
fn policy(data: &[u8]) -> (u32, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (u32::from(*first) % (FS_NAMES_MACOS + 1), rest))
}

/// Calls of every export, on one volume.
pub(crate) fn calls(data: &[u8]) -> Verdict {
    let (names, data) = policy(data);
    crate::sequences::run_furnished(names, decode::many(data, MOST_CALLS, &Call::any()))
}

/// Control messages: one of the bytes as they are, and others drawn from them.
pub(crate) fn control(data: &[u8]) -> Verdict {
    let (names, data) = policy(data);
    let request = data.first().map_or(0, |request| u32::from(*request));
    let plain = Message { request, bytes: Bytes(data.get(1..).unwrap_or_default().to_vec()) };
    let mut messages = decode::many(data, MOST_MESSAGES, &any::<Message>());
    messages.push(plain);
    crate::control::run(names, &messages)
}

/// A name and a path, given to every export that takes one.
pub(crate) fn names(data: &[u8]) -> Verdict {
    let (names, data) = policy(data);
    let (one, other) = data.split_at(data.len() / 2);
    crate::names::run_bytes(names, Bytes(one.to_vec()), Bytes(other.to_vec()), data)
}

/// What a value is set as.
#[derive(Clone, Copy)]
enum Kind {
    Xattr(&'static [u8]),
    Security,
    ExtendedAttributes,
    Reparse,
}

const KINDS: [Kind; 7] = [
    Kind::Xattr(b"user.a"),
    Kind::Xattr(b"system.posix_acl_access"),
    Kind::Xattr(b"system.posix_acl_default"),
    Kind::Xattr(b"security.capability"),
    Kind::Security,
    Kind::ExtendedAttributes,
    Kind::Reparse,
];
/// Owner, group and access list.
const PARTS: u32 = 7;
const ROOM: usize = 128 << 10;

impl Kind {
    fn set(self, world: &World, node: u64, value: &[u8]) -> fs_result {
        let (view, who, mut size) = (world.view(View(0)), superuser(), 0);
        let (place, length) = (value.as_ptr().cast(), value.len());
        // SAFETY: all are alive, and as long as they say.
        unsafe {
            match self {
                Kind::Xattr(name) => fs_xattr_set(view, &who, node, name.as_ptr().cast(), name.len(), place, length, 0),
                Kind::Security => fs_security_set(view, &who, node, 0, PARTS, place, length),
                Kind::ExtendedAttributes => fs_ea_set(view, &who, node, 0, place, length, &mut size),
                Kind::Reparse => fs_reparse_set(view, &who, node, 0, place, length),
            }
        }
    }

    fn get(self, world: &World, node: u64) -> (fs_result, Vec<u8>) {
        let (view, who, mut into, mut length) = (world.view(View(0)), superuser(), vec![0_u8; ROOM], 0);
        let place = into.as_mut_ptr().cast();
        // SAFETY: all are alive, and as long as they say.
        let result = unsafe {
            match self {
                Kind::Xattr(name) => {
                    fs_xattr_get(view, &who, node, name.as_ptr().cast(), name.len(), place, ROOM, &mut length)
                }
                Kind::Security => fs_security_get(view, &who, node, 0, PARTS, place, ROOM, &mut length),
                Kind::ExtendedAttributes => {
                    fs_ea_get(view, &who, node, 0, std::ptr::null(), 0, place, ROOM, &mut length)
                }
                Kind::Reparse => fs_reparse_get(view, node, 0, place, ROOM, &mut length),
            }
        };
        into.truncate(length);
        (result, into)
    }
}

/// The value of an extended attribute, a POSIX access list, a security descriptor, a list of EAs or a reparse point: refused, or
/// kept so that what is read can be set again and is read the same.
pub(crate) fn values(data: &[u8]) -> Verdict {
    let (names, data) = policy(data);
    let Some((first, value)) = data.split_first() else { return Ok(()) };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let mut world = World::new(names);
    let mut entry: fs_entry = blank(Twist::Right);
    // SAFETY: all are alive, and as long as they say.
    let made =
        unsafe { fs_mkdir(world.view(View(0)), &superuser(), FS_NODE_ROOT, c"d".as_ptr(), 1, 0o755, &mut entry) };
    assert_eq!(made, FS_OK);
    if kind.set(&world, entry.node, value) == FS_OK {
        let read = kind.get(&world, entry.node);
        // A list of one mode alone is none, and one without content deletes what it names.
        if read.0 == FS_OK && !read.1.is_empty() {
            let again = kind.set(&world, entry.node, &read.1);
            if again != FS_OK || kind.get(&world, entry.node) != read {
                return Err(format!("what was read cannot be set again: {again}"));
            }
        }
    }
    // SAFETY: the view is alive.
    unsafe { fs_forget(world.view(View(0)), entry.node, 1) };
    world.demand_unlatched();
    sanity::check(&mut world)?;
    world.close_all();
    world.verdict()?;
    sanity::demand_empty(world.volume)
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus")).join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    files.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_target_has_a_corpus_that_breaks_nothing() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let data = std::fs::read(&file).unwrap();
            once(move || target(&data).map_err(|why| format!("{}: {why}", file.display())));
        }
    }
}

/// How many cases of bytes each target gets.
const CASES: u32 = 60;

macro_rules! random_bytes {
    ($($test:ident: $target:ident, $most:expr;)*) => {$(
        #[test]
        fn $test() {
            check(stringify!($test), CASES, || vec(any::<u8>(), 0..$most), |data: Vec<u8>| $target(&data));
        }
    )*};
}

random_bytes! {
    calls_made_of_any_bytes_break_nothing: calls, 320;
    control_messages_made_of_any_bytes_break_nothing: control, 700;
    names_made_of_any_bytes_break_nothing: names, 600;
    values_made_of_any_bytes_break_nothing: values, 600;
}

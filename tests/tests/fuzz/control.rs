//! Control messages of any kind on a volume with branches, snapshots and files: each is answered by a known code, and
//! what is refused has changed nothing.

use proptest::collection::vec;
use proptest::prelude::*;

use bough::control::messages::{FS_CONTROL_VERSION, fs_control_header};
use bough::ffi::control::fs_control;
use bough::ffi::paths::{fs_path_mkdir, fs_path_write};
use bough::ffi::refs::{fs_branch_create, fs_snapshot_create};
use bough::ffi::results::*;
use bough::ffi::types::{FS_NODE_ROOT, fs_attr, fs_ref};
use bough::ffi::volume::FS_NAMES_MACOS;

use crate::arguments::{Twist, View};
use crate::harness::{Verdict, check, step};
use crate::messages::{HEADER_BYTES, Message};
use crate::sanity;
use crate::world::{NO_REF, World, blank, superuser};

const CASES: u32 = 300;
const MOST_MESSAGES: usize = 24;

/// A volume with something in it: files, a snapshot `r1`, a branch `r2`.
fn furnished(names: u32) -> World {
    let world = World::new(names);
    let (view, who, mut attr, mut made): (_, _, fs_attr, _) =
        (world.view(View(0)), superuser(), blank(Twist::Right), NO_REF);
    let main = fs_ref { id: 1, kind: 1, reserved: 0 };
    // SAFETY: all are alive, and as long as they say.
    unsafe {
        assert_eq!(fs_path_mkdir(view, &who, FS_NODE_ROOT, c"d".as_ptr(), 1, 0o755, &mut attr), FS_OK);
        let data = b"content";
        let (place, length) = (data.as_ptr().cast(), data.len());
        assert_eq!(fs_path_write(view, &who, FS_NODE_ROOT, c"d/a".as_ptr(), 3, 0, place, length), FS_OK);
        assert_eq!(fs_snapshot_create(world.volume, main, c"r1".as_ptr(), 2, &mut made), FS_OK);
        assert_eq!(fs_path_write(view, &who, FS_NODE_ROOT, c"d/b".as_ptr(), 3, 0, place, length), FS_OK);
        assert_eq!(fs_branch_create(world.volume, c"r2".as_ptr(), 2, main, &mut made), FS_OK);
    }
    world
}

/// All that a refused message must leave as it was.
fn state(world: &World) -> Vec<String> {
    let refs = sanity::refs_of(world.volume);
    let told = |record: &bough::ffi::refs::fs_ref_record| {
        let name = &record.name[..record.name_bytes as usize];
        format!("{:?} {name:?} {:?} {} {} {}", record.id, record.parent, record.children, record.views, record.inodes)
    };
    refs.iter().map(told).collect()
}

fn one(world: &mut World, sent: &Message) -> Verdict {
    let mut message = sent.clone();
    let before = state(world);
    let (place, length) = (message.bytes.0.as_mut_ptr().cast(), message.bytes.0.len());
    // SAFETY: all are alive, and as long as they say.
    let result = unsafe { fs_control(world.view(View(0)), &superuser(), message.request, place, length) };
    let unchanged = before == state(world);
    match result {
        FS_OK => answered(&sent.bytes.0, &message.bytes.0, unchanged),
        FS_BAD_STRUCTURE if message.bytes.0 != sent.bytes.0 => Err("a message that was refused was written to".into()),
        FS_BAD_STRUCTURE if !unchanged => Err("a message that was refused changed something".into()),
        FS_BAD_STRUCTURE => Ok(()),
        _ => Err(format!("fs_control answered {result}")),
    }
}

fn answered(sent: &[u8], message: &[u8], unchanged: bool) -> Verdict {
    let number = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
    let text = &message[std::mem::offset_of!(fs_control_header, text)..HEADER_BYTES];
    let end = text.iter().position(|&byte| byte == 0).ok_or("a text without an end")?;
    std::str::from_utf8(&text[..end]).map_err(|_| "a text that is none")?;
    if number(0) as usize != sent.len() || number(4) != FS_CONTROL_VERSION {
        return Err("an answer has lost its size or version".into());
    }
    match number(8) {
        FS_OK if end > 0 => Err("what was done says why not".into()),
        FS_OK => Ok(()),
        FS_INTERNAL | FS_NULL_POINTER | FS_BAD_UTF8 => Err(format!("an answer's result is {}", number(8))),
        _ if end == 0 => Err("what was refused does not say why".into()),
        _ if !unchanged => Err("what was refused changed something".into()),
        _ => Ok(()),
    }
}

pub(crate) fn run(names: u32, messages: &[Message]) -> Verdict {
    let mut world = furnished(names);
    for (at, message) in messages.iter().enumerate() {
        step(at);
        one(&mut world, message).map_err(|what| format!("{what}\nby {message:?}"))?;
        world.verdict()?;
    }
    world.demand_unlatched();
    sanity::check(&mut world)?;
    world.close_all();
    world.verdict()?;
    sanity::demand_empty(world.volume)
}

#[test]
fn control_messages_are_answered_or_refused_and_break_nothing() {
    let messages = || (0..=FS_NAMES_MACOS, vec(any::<Message>(), 1..MOST_MESSAGES));
    let test = "control_messages_are_answered_or_refused_and_break_nothing";
    check(test, CASES, messages, |(names, messages)| run(names, &messages));
}

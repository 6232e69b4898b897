//! Cases that fuzzing found, and edges that it cannot reach.

use std::ptr;

use bough::ffi::attributes::{FS_SET_LENGTH, fs_set_attr, fs_setattr};
use bough::ffi::locks::{fs_lock_set, fs_lock_test, fs_lock_wait};
use bough::ffi::names::{fs_lookup, fs_mkdir};
use bough::ffi::paths::{fs_path_getattr, fs_path_lookup, fs_path_write};
use bough::ffi::pins::fs_read_pin;
use bough::ffi::refs::fs_branch_create;
use bough::ffi::results::*;
use bough::ffi::types::{FS_NODE_ROOT, fs_attr, fs_entry, fs_ref};
use bough::ffi::volume::{FS_NAMES_POSIX, fs_config, fs_volume_close, fs_volume_open};

use crate::arguments::*;
use crate::harness::{Verdict, once};
use crate::nodes::{Lock, NodeCall};
use crate::paths::PathCall;
use crate::sanity;
use crate::sequences;
use crate::volumes::VolumeCall;
use crate::world::{NO_REF, World, blank, ranges_of, superuser, wait_ended};

const FIRST: View = View(0);
const SUPERUSER: Who = Who(0, Twist::Right);
const RIGHT: Twist = Twist::Right;

fn expect(what: &str, left: impl PartialEq + std::fmt::Debug, right: impl PartialEq + std::fmt::Debug) -> Verdict {
    let (left, right) = (format!("{left:?}"), format!("{right:?}"));
    if left == right { Ok(()) } else { Err(format!("{what}: {left}, not {right}")) }
}

/// A file of so many bytes, all of them a hole.
fn hole(world: &World, length: u64) -> fs_entry {
    let (view, who, mut entry): (_, _, fs_entry) = (world.view(FIRST), superuser(), blank(RIGHT));
    let (mut set, mut attr): (fs_set_attr, fs_attr) = (blank(RIGHT), blank(RIGHT));
    (set.valid, set.length) = (FS_SET_LENGTH, length);
    // SAFETY: all are alive, and as long as they say.
    unsafe {
        assert_eq!(fs_path_write(view, &who, FS_NODE_ROOT, c"hole".as_ptr(), 4, 0, ptr::null(), 0), FS_OK);
        assert_eq!(fs_path_lookup(view, &who, FS_NODE_ROOT, c"hole".as_ptr(), 4, 0, &mut entry), FS_OK);
        assert_eq!(fs_setattr(view, &who, entry.node, 0, &set, &mut attr), FS_OK);
    }
    entry
}

#[test]
fn references_of_the_root_do_not_outlive_a_switch() {
    once(|| {
        let path = Path(Bytes(b".".to_vec()));
        let at = At(FIRST, SUPERUSER, Node::Root);
        let calls = [
            PathCall::fs_path_lookup { at, path, flags: PathFlags(0), out: RIGHT }.into(),
            VolumeCall::fs_branch_create { name: RefName(Bytes(b"r1".to_vec())), from: Ref::Known(0) }.into(),
            VolumeCall::fs_branch_switch { view: FIRST, to: Ref::Known(1) }.into(),
        ];
        sequences::run(FS_NAMES_POSIX, &calls)?;
        let mut world = World::new(FS_NAMES_POSIX);
        for call in &calls {
            expect("call", call.run(&mut world), FS_OK)?;
        }
        let deleted = VolumeCall::fs_ref_delete { id: Ref::Known(0) }.run(&mut world);
        expect("what was shown before can be deleted", deleted, FS_OK)
    });
}

#[test]
fn a_pin_of_the_largest_hole_is_bounded() {
    once(|| {
        let world = World::new(FS_NAMES_POSIX);
        let entry = hole(&world, i64::MAX as u64);
        let (who, mut pin) = (superuser(), ptr::null_mut());
        // SAFETY: all are alive.
        let result = unsafe { fs_read_pin(world.view(FIRST), &who, entry.node, 0, 1, usize::MAX, &mut pin) };
        expect("pinned", result, FS_OK)?;
        let bytes: usize = ranges_of(pin).iter().map(|range| range.length).sum();
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { bough::ffi::pins::fs_pin_release(pin) };
        expect("bytes", bytes, bough::limits::PIN_BYTES)
    });
}

#[test]
fn the_largest_memory_limit_with_a_spill_directory_can_be_counted() {
    once(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().as_os_str().as_encoded_bytes();
        let mut config: fs_config = blank(RIGHT);
        config.memory_bytes = u64::MAX;
        (config.spill_dir, config.spill_dir_bytes) = (path.as_ptr().cast(), path.len());
        let mut volume = ptr::null_mut();
        // SAFETY: both are alive.
        expect("opened", unsafe { fs_volume_open(&config, &mut volume) }, FS_OK)?;
        let counters = sanity::counters(volume);
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_volume_close(volume) };
        expect("capacity", counters.capacity_bytes, u64::MAX)
    });
}

#[test]
fn what_is_logged_holds_no_nul() {
    once(|| {
        let message = Path(Bytes(b"a\0b\nc".to_vec()));
        let calls = [
            VolumeCall::fs_log_set { with: true, level: Flags(5) }.into(),
            VolumeCall::fs_log_write { level: Flags(1), message }.into(),
            VolumeCall::fs_log_set { with: false, level: Flags(0) }.into(),
        ];
        sequences::run(FS_NAMES_POSIX, &calls)
    });
}

#[test]
fn locks_on_what_is_not_there_are_refused() {
    once(|| {
        let world = World::new(FS_NAMES_POSIX);
        let (view, entry) = (world.view(FIRST), hole(&world, 1));
        let (lock, mut conflict, mut wait) =
            (Lock(1, 2, 1, Big(0), Big(2), RIGHT).structure(), blank(RIGHT), blank(RIGHT));
        for node in [0, entry.node + 1, 1 << 47] {
            // SAFETY: all are alive; no wait begins, so that the context is not looked at.
            let results = unsafe {
                (
                    fs_lock_set(view, node, &lock),
                    fs_lock_test(view, node, &lock, &mut conflict),
                    fs_lock_wait(view, node, &lock, Some(wait_ended), ptr::null_mut(), &mut wait),
                )
            };
            expect("locks", results, (FS_STALE, FS_STALE, FS_STALE))?;
        }
        Ok(())
    });
}

#[test]
fn a_wait_from_before_a_switch_is_cancelled_by_its_node() {
    once(|| {
        let (node, lock) = (Node::Known(1), |owner| Lock(1, 2, owner, Big(0), Big(2), RIGHT));
        let calls = [
            NodeCall::fs_mkdir {
                view: FIRST,
                who: SUPERUSER,
                parent: Parent(Node::Root),
                name: Name(Bytes(b"a".to_vec())),
                mode: Mode(0o755),
                out: RIGHT,
            }
            .into(),
            NodeCall::fs_lock_wait { view: FIRST, node, lock: lock(1), out: RIGHT }.into(),
            NodeCall::fs_lock_wait { view: FIRST, node, lock: lock(2), out: RIGHT }.into(),
            VolumeCall::fs_branch_create { name: RefName(Bytes(b"r1".to_vec())), from: Ref::Known(0) }.into(),
            VolumeCall::fs_branch_switch { view: FIRST, to: Ref::Known(1) }.into(),
        ];
        sequences::run(FS_NAMES_POSIX, &calls)
    });
}

#[test]
fn lengths_beyond_what_memory_can_hold_are_refused() {
    once(|| {
        let world = World::new(FS_NAMES_POSIX);
        let (view, who, mut entry, mut attr, mut made) =
            (world.view(FIRST), superuser(), blank::<fs_entry>(RIGHT), blank::<fs_attr>(RIGHT), NO_REF);
        let name = c"name".as_ptr();
        for length in [usize::MAX, isize::MAX as usize + 1] {
            // SAFETY: all are alive; of a text that cannot be so long no byte is read.
            let results = unsafe {
                [
                    fs_lookup(view, &who, FS_NODE_ROOT, name, length, &mut entry),
                    fs_mkdir(view, &who, FS_NODE_ROOT, name, length, 0o755, &mut entry),
                    fs_path_getattr(view, &who, FS_NODE_ROOT, name, length, 0, &mut attr),
                    fs_path_write(view, &who, FS_NODE_ROOT, name, 4, 0, name.cast(), length),
                    fs_branch_create(world.volume, name, length, fs_ref { id: 1, kind: 1, reserved: 0 }, &mut made),
                ]
            };
            expect("results", results, [FS_INVALID; 5])?;
        }
        Ok(())
    });
}

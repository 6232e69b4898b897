//! Calls by node: names, attributes, extended attributes, locks.

use std::ptr;
use std::sync::atomic::AtomicU32;

use bough::ffi::attributes::{fs_set_attr, fs_space};
use bough::ffi::locks::{fs_lock, fs_wait};
use bough::ffi::names::fs_forgotten;
use bough::ffi::results::FS_OK;
use bough::ffi::types::fs_attr;

use crate::arguments::*;
use crate::callbacks::{FORGET, Listing, listed};
use crate::calls::calls;
use crate::world::{Told, blank, text, twist_it, wait_ended};

calls! {
    /// Calls by node.
    NodeCall {
        10 names::fs_lookup(view: View, who: Who, parent: Parent, name: Name, out: Twist) |world, call| {
            let (view, mut entry) = (world.view(view), blank(out));
            let result = call(view, &world.caller(who), world.node(parent), text(&name.0), name.0.0.len(), &mut entry);
            world.know_entry(view, result, &entry)
        };
        4 names::fs_forget(view: View, node: Node, count: Big) |world, call| {
            let (view, node) = (world.view(view), world.node(node));
            world.let_go(view, node);
            call(view, node, count.0)
        };
        4 names::fs_forget_many(view: View, node: Node, other: Node, count: Big) |world, call| {
            let view = world.view(view);
            let nodes = [node, other, node].map(|node| fs_forgotten { node: world.node(node), count: count.0 });
            nodes.iter().for_each(|one| world.let_go(view, one.node));
            call(view, nodes.as_ptr(), nodes.len())
        };
        2 names::fs_references(view: View, node: Node) |world, call| {
            let mut count = 0;
            call(world.view(view), world.node(node), &mut count)
        };
        8 names::fs_mknod(view: View, who: Who, parent: Parent, name: Name, mode: Mode, kind: Kind, device: Big, out: Twist) |world, call| {
            let (view, who, mut entry) = (world.view(view), world.caller(who), blank(out));
            let result = call(view, &who, world.node(parent), text(&name.0), name.0.0.len(), mode.0, kind.0, device.0, &mut entry);
            world.know_entry(view, result, &entry)
        };
        14 names::fs_mkdir(view: View, who: Who, parent: Parent, name: Name, mode: Mode, out: Twist) |world, call| {
            let (view, who, mut entry) = (world.view(view), world.caller(who), blank(out));
            let result = call(view, &who, world.node(parent), text(&name.0), name.0.0.len(), mode.0, &mut entry);
            world.know_entry(view, result, &entry)
        };
        6 names::fs_symlink(view: View, who: Who, parent: Parent, name: Name, target: Target, out: Twist) |world, call| {
            let (view, who, mut entry) = (world.view(view), world.caller(who), blank(out));
            let (name, target) = (name.0, target.0);
            let result = call(view, &who, world.node(parent), text(&name), name.0.len(), text(&target), target.0.len(), &mut entry);
            world.know_entry(view, result, &entry)
        };
        6 names::fs_unlink(view: View, who: Who, parent: Parent, name: Name) |world, call| {
            call(world.view(view), &world.caller(who), world.node(parent), text(&name.0), name.0.0.len())
        };
        4 names::fs_rmdir(view: View, who: Who, parent: Parent, name: Name) |world, call| {
            call(world.view(view), &world.caller(who), world.node(parent), text(&name.0), name.0.0.len())
        };
        8 names::fs_link(view: View, who: Who, node: Node, parent: Parent, name: Name, out: Twist) |world, call| {
            let (view, who, mut entry) = (world.view(view), world.caller(who), blank(out));
            let result = call(view, &who, world.node(node), world.node(parent), text(&name.0), name.0.0.len(), &mut entry);
            world.know_entry(view, result, &entry)
        };
        14 names::fs_rename(view: View, who: Who, parent: Parent, name: Name, new_parent: Parent, new_name: Name, how: Few) |world, call| {
            let (name, new_name) = (name.0, new_name.0);
            let (parent, new_parent) = (world.node(parent), world.node(new_parent));
            call(world.view(view), &world.caller(who), parent, text(&name), name.0.len(), new_parent, text(&new_name), new_name.0.len(), how.0)
        };
        3 names::fs_readlink(view: View, node: Node, room: Room) |world, call| {
            let mut size = 0;
            let result = call(world.view(view), world.node(node), world.buffer.as_mut_ptr().cast(), room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        6 names::fs_readdir(view: View, who: Who, node: Parent, handle: Handle, cookie: Big, flags: ListFlags, most: Flags, then: Flags) |world, call| {
            let (view, node, handle) = (world.view(view), world.node(node), world.handle(handle));
            world.end_waits(view, |_| then.0 == FORGET);
            let mut listing = Listing::new(world, view, node, flags.0, most.0, then.0);
            let context = ptr::from_mut(&mut listing).cast();
            let result = call(view, &world.caller(who), node, handle, cookie.0, flags.0, Some(listed), context);
            listing.tell(world);
            result
        };
        1 names::fs_readdir_ahead(view: View, node: Node, cookie: Big, entries: Big) |world, call| {
            call(world.view(view), world.node(node), cookie.0, entries.0 as usize)
        };
        3 names::fs_readdir_verified(view: View, who: Who, node: Parent, handle: Handle, place: (Big, Big), flags: ListFlags, most: Flags, then: Flags) |world, call| {
            let (view, node, handle) = (world.view(view), world.node(node), world.handle(handle));
            world.end_waits(view, |_| then.0 == FORGET);
            let mut listing = Listing::new(world, view, node, flags.0, most.0, then.0);
            let (context, mut verifier, (cookie, before)) = (ptr::from_mut(&mut listing).cast(), 0, place);
            let who = world.caller(who);
            let result = call(view, &who, node, handle, cookie.0, before.0, flags.0, Some(listed), context, &mut verifier);
            listing.tell(world);
            world.demand((result == FS_OK) == (verifier != 0), "a verifier of 0, or of a refusal");
            result
        };
        4 names::fs_readdir_after(view: View, who: Who, node: Parent, handle: Handle, marker: Name, flags: ListFlags, most: Flags, then: Flags) |world, call| {
            let (view, node, handle) = (world.view(view), world.node(node), world.handle(handle));
            world.end_waits(view, |_| then.0 == FORGET);
            let mut listing = Listing::new(world, view, node, flags.0, most.0, then.0);
            let (context, marker, who) = (ptr::from_mut(&mut listing).cast(), marker.0, world.caller(who));
            let result = call(view, &who, node, handle, text(&marker), marker.0.len(), flags.0, Some(listed), context);
            listing.tell(world);
            result
        };
        4 names::fs_readdir_one(view: View, who: Who, node: Parent, name: Name, flags: ListFlags, most: Flags, then: Flags) |world, call| {
            let (view, node) = (world.view(view), world.node(node));
            world.end_waits(view, |_| then.0 == FORGET);
            let mut listing = Listing::new(world, view, node, flags.0, most.0, then.0);
            let (context, name, who) = (ptr::from_mut(&mut listing).cast(), name.0, world.caller(who));
            let result = call(view, &who, node, text(&name), name.0.len(), flags.0, Some(listed), context);
            listing.tell(world);
            result
        };
        2 names::fs_node_path(view: View, node: Node, flags: Few, room: Room) |world, call| {
            let (view, node, into, mut size) = (world.view(view), world.node(node), world.buffer.as_mut_ptr().cast(), 0);
            let result = call(view, node, flags.0, into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        1 utf16::fs_utf16_to_bytes(units: Units, room: Room) |world, call| {
            let (into, mut size) = (world.buffer.as_mut_ptr().cast(), 0);
            let result = call(units.0.as_ptr(), units.0.len(), into, room.0 as usize, &mut size);
            world.demand(result != FS_OK || size <= 3 * units.0.len(), "a unit took more than three bytes");
            world.know_size(result, room, size)
        };
        1 utf16::fs_utf16_from_bytes(bytes: Name, room: Room) |world, call| {
            let (mut into, mut size, bytes) = (vec![0; room.0 as usize / 2], 0, bytes.0);
            let result = call(text(&bytes), bytes.0.len(), into.as_mut_ptr(), into.len(), &mut size);
            world.know_size(result, Room(into.len() as u32), size)
        };
        1 utf16::fs_utf16_split_path(units: Units, room: Room) |world, call| {
            let (into, mut path, mut stream) = (world.buffer.as_mut_ptr().cast(), 0, 0);
            let result = call(units.0.as_ptr(), units.0.len(), into, room.0 as usize, &mut path, &mut stream);
            world.know_size(result, room, path + stream)
        };
        1 attributes::fs_names_hold(view: View, node: Node) |world, call| {
            let (view, node, mut hold) = (world.view(view), world.node(node), false);
            let result = call(view, node, &mut hold);
            world.demand(hold == (result == FS_OK), "names without a base always hold");
            result
        };
        5 attributes::fs_getattr(view: View, node: Node, out: Twist) |world, call| {
            let mut attr: fs_attr = blank(out);
            let result = call(world.view(view), world.node(node), &mut attr);
            world.know_attr(result, &attr)
        };
        8 attributes::fs_setattr(view: View, who: Who, node: Node, handle: Handle, set: Set, out: Twist) |world, call| {
            let (set, mut attr) = (set.structure(), blank(out));
            let result = call(world.view(view), &world.caller(who), world.node(node), world.handle(handle), &set, &mut attr);
            world.know_attr(result, &attr)
        };
        3 attributes::fs_access(view: View, who: Who, node: Node, want: Few) |world, call| {
            call(world.view(view), &world.caller(who), world.node(node), want.0)
        };
        1 attributes::fs_statfs(view: View, out: Twist) |world, call| {
            let mut space: fs_space = blank(out);
            let result = call(world.view(view), &mut space);
            world.demand(result != 0 || space.blocks_free <= space.blocks, "more blocks are free than there are");
            result
        };
        6 xattrs::fs_xattr_set(view: View, who: Who, node: Node, name: XattrName, value: XattrValue, how: Few) |world, call| {
            let (name, value) = (name.0, value.0);
            call(world.view(view), &world.caller(who), world.node(node), text(&name), name.0.len(), value.0.as_ptr().cast(), value.0.len(), how.0)
        };
        4 xattrs::fs_xattr_get(view: View, who: Who, node: Node, name: XattrName, room: Room) |world, call| {
            let (view, who, node, into, mut size) = (world.view(view), world.caller(who), world.node(node), world.buffer.as_mut_ptr().cast(), 0);
            let result = call(view, &who, node, text(&name.0), name.0.0.len(), into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        2 xattrs::fs_xattr_list(view: View, who: Who, node: Node, room: Room) |world, call| {
            let (view, who, node, into, mut size) = (world.view(view), world.caller(who), world.node(node), world.buffer.as_mut_ptr().cast(), 0);
            let result = call(view, &who, node, into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        2 xattrs::fs_xattr_remove(view: View, who: Who, node: Node, name: XattrName) |world, call| {
            call(world.view(view), &world.caller(who), world.node(node), text(&name.0), name.0.0.len())
        };
        2 locks::fs_lock_test(view: View, node: Node, lock: Lock, out: Twist) |world, call| {
            let (lock, mut conflict) = (lock.structure(), blank(out));
            let result = call(world.view(view), world.node(node), &lock, &mut conflict);
            world.demand(result != 0 || conflict.kind <= 2, "a lock of no kind is in the way");
            result
        };
        4 locks::fs_lock_set(view: View, node: Node, lock: Lock) |world, call| {
            call(world.view(view), world.node(node), &lock.structure())
        };
        6 locks::fs_lock_wait(view: View, node: Node, lock: Lock, out: Twist) |world, call| {
            let (view, lock, mut wait) = (world.view(view), lock.structure(), blank::<fs_wait>(out));
            let told = Box::new(Told { times: AtomicU32::new(0), volume: world.volume });
            let context = ptr::from_ref(&*told).cast_mut().cast();
            let result = call(view, world.node_to_wait_on(view, node), &lock, Some(wait_ended), context, &mut wait);
            world.know_wait(result, view, wait, told)
        };
        2 locks::fs_lock_cancel(view: View, known: Pick, node: Node, number: Big, out: Twist) |world, call| {
            let mut wait: fs_wait = blank(Twist::Right);
            (wait.node, wait.number, wait.space) = (world.node(node), number.0, u32::from(known.0 % 4));
            if known.0 % 3 > 0 && !world.waits.is_empty() {
                wait = world.waits[known.0 as usize % world.waits.len()].wait;
            }
            twist_it(&mut wait, out);
            call(world.view(view), &wait)
        };
        3 locks::fs_lock_unlock(view: View, node: Node, space: Few, owner: Flags, start: Big, end: Big) |world, call| {
            call(world.view(view), world.node(node), space.0, owner.0.into(), start.0, end.0)
        };
        2 locks::fs_lock_forget(view: View, node: Node, space: Few, owner: Flags) |world, call| {
            call(world.view(view), world.node(node), space.0, owner.0.into())
        };
    }
}

/// Attributes to set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set(Flags, Mode, u8, u8, Flags, Big, (Big, Twist));

/// A lock asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock(pub(crate) u8, pub(crate) u8, pub(crate) u8, pub(crate) Big, pub(crate) Big, pub(crate) Twist);

impl Set {
    pub(crate) fn structure(self) -> fs_set_attr {
        let Set(valid, mode, uid, gid, flags, length, (time, twist)) = self;
        let mut set: fs_set_attr = blank(Twist::Right);
        (set.valid, set.mode, set.flags, set.length) = (valid.0, mode.0, flags.0, length.0);
        (set.uid, set.gid) = (u32::from(uid) * 1000, if gid == 3 { u32::MAX } else { gid.into() });
        (set.accessed, set.modified, set.changed, set.born) = (time.0 as i64, -(time.0 as i64 / 2), 0, time.0 as i64);
        twist_it(&mut set, twist);
        set
    }
}

impl Lock {
    pub(crate) fn structure(self) -> fs_lock {
        let Lock(space, kind, owner, start, length, twist) = self;
        let mut lock: fs_lock = blank(Twist::Right);
        (lock.space, lock.kind, lock.owner) = (space.into(), kind.into(), owner.into());
        (lock.start, lock.end) = (start.0, if length.0 % 2 == 0 { length.0 } else { start.0.saturating_add(length.0) });
        twist_it(&mut lock, twist);
        lock
    }
}

impl proptest::arbitrary::Arbitrary for Set {
    type Parameters = ();
    type Strategy = proptest::strategy::BoxedStrategy<Set>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        use proptest::prelude::*;
        let fields =
            (any::<Flags>(), any::<Mode>(), 0..3u8, 0..4u8, any::<Flags>(), any::<Big>(), any::<(Big, Twist)>());
        fields
            .prop_map(|(valid, mode, uid, gid, flags, length, rest)| Set(valid, mode, uid, gid, flags, length, rest))
            .boxed()
    }
}

impl proptest::arbitrary::Arbitrary for Lock {
    type Parameters = ();
    type Strategy = proptest::strategy::BoxedStrategy<Lock>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        use proptest::prelude::*;
        let number = || prop_oneof![20 => 1..3u8, 1 => any::<u8>()];
        let fields = (number(), number(), 0..4u8, any::<Big>(), any::<Big>(), any::<Twist>());
        fields
            .prop_map(|(space, kind, owner, start, length, twist)| Lock(space, kind, owner, start, length, twist))
            .boxed()
    }
}

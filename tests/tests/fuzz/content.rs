//! Calls that open, read and write.

use std::os::fd::FromRawFd;
use std::ptr;

use bough::ffi::content::fs_open_options;

use crate::arguments::*;
use crate::calls::calls;
use crate::world::{blank, text, twist_it};

/// How a file is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options(pub(crate) Flags, pub(crate) Mode, pub(crate) Twist);

impl Options {
    pub(crate) fn structure(self) -> fs_open_options {
        let mut options: fs_open_options = blank(Twist::Right);
        (options.flags, options.mode) = (self.0.0, self.1.0);
        twist_it(&mut options, self.2);
        options
    }
}

impl proptest::arbitrary::Arbitrary for Options {
    type Parameters = ();
    type Strategy = proptest::strategy::BoxedStrategy<Options>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        use proptest::prelude::*;
        let usual = proptest::sample::select(&[1u32, 2, 3, 3, 3, 7, 10, 11, 17, 35, 67, 66, 75][..]).prop_map(Flags);
        let flags = prop_oneof![10 => usual, 1 => any::<Flags>()];
        (flags, any::<Mode>(), any::<Twist>()).prop_map(|(flags, mode, twist)| Options(flags, mode, twist)).boxed()
    }
}

calls! {
    /// Calls that open, read and write.
    ContentCall {
        8 content::fs_open(view: View, who: Who, node: Content, options: Options) |world, call| {
            let mut handle = 0;
            let result = call(world.view(view), &world.caller(who), world.node(node), &options.structure(), &mut handle);
            world.know_handle(result, handle)
        };
        10 content::fs_create(view: View, who: Who, parent: Parent, name: Name, options: Options, out: Twist) |world, call| {
            let (view, who, mut entry, mut handle) = (world.view(view), world.caller(who), blank(out), 0);
            let parent = world.node(parent);
            let result = call(view, &who, parent, text(&name.0), name.0.0.len(), &options.structure(), &mut entry, &mut handle);
            world.know_handle(result, handle);
            world.know_entry(view, result, &entry)
        };
        3 content::fs_tmpfile(view: View, who: Who, parent: Parent, options: Options, out: Twist) |world, call| {
            let (view, who, mut entry, mut handle) = (world.view(view), world.caller(who), blank(out), 0);
            let result = call(view, &who, world.node(parent), &options.structure(), &mut entry, &mut handle);
            world.know_handle(result, handle);
            world.know_entry(view, result, &entry)
        };
        4 content::fs_release(view: View, handle: Handle) |world, call| {
            call(world.view(view), world.handle(handle))
        };
        2 content::fs_host_file(view: View, handle: Handle) |world, call| {
            let mut file = -1;
            let result = call(world.view(view), world.handle(handle), &mut file);
            world.demand((result == 0) == (file >= 0), "a descriptor without success, or success without one");
            if file >= 0 {
                drop(std::os::fd::OwnedFd::from_raw_fd(file));
            }
            result
        };
        6 content::fs_read(view: View, who: Who, node: Content, handle: Handle, offset: Big, room: Room) |world, call| {
            let (view, who, node, handle) = (world.view(view), world.caller(who), world.node(node), world.handle(handle));
            let mut size = 0;
            let result = call(view, &who, node, handle, offset.0, world.buffer.as_mut_ptr().cast(), room.0 as usize, &mut size);
            world.demand(result != 0 || size <= room.0 as usize, "more was read than asked for");
            result
        };
        16 content::fs_write(view: View, who: Who, node: Content, handle: Handle, offset: Big, room: Room) |world, call| {
            let (view, who, node, handle) = (world.view(view), world.caller(who), world.node(node), world.handle(handle));
            let mut size = 0;
            world.buffer[..room.0 as usize].fill(room.0 as u8 | 1);
            let result = call(view, &who, node, handle, offset.0, world.buffer.as_ptr().cast(), room.0 as usize, &mut size);
            world.demand(result != 0 || size <= room.0 as usize, "more was written than there was");
            result
        };
        4 content::fs_write_within(view: View, who: Who, node: Content, handle: Handle, offset: Big, room: Room) |world, call| {
            let (view, who, node, handle) = (world.view(view), world.caller(who), world.node(node), world.handle(handle));
            let mut size = 0;
            world.buffer[..room.0 as usize].fill(room.0 as u8 | 1);
            let result = call(view, &who, node, handle, offset.0, world.buffer.as_ptr().cast(), room.0 as usize, &mut size);
            world.demand(result != 0 || size <= room.0 as usize, "more was written than there was");
            result
        };
        1 content::fs_flush(view: View, node: Node, flags: Few, owner: Flags) |world, call| {
            call(world.view(view), world.node(node), flags.0, owner.0.into())
        };
        1 content::fs_fsync(view: View, node: Node) |world, call| {
            call(world.view(view), world.node(node))
        };
        8 content::fs_fallocate(view: View, who: Who, node: Content, handle: Handle, offset: Big, length: Big, how: Kind) |world, call| {
            call(world.view(view), &world.caller(who), world.node(node), world.handle(handle), offset.0, length.0, how.0)
        };
        4 content::fs_lseek(view: View, node: Content, offset: Big, what: Kind) |world, call| {
            let mut found = 0;
            let result = call(world.view(view), world.node(node), offset.0, what.0, &mut found);
            world.demand(result != 0 || found >= offset.0, "lseek went back");
            result
        };
        8 content::fs_copy_range(who: Who, source: (View, Content), source_handle: Handle, source_offset: Big, node: Content, handle: Handle, offset: Big, length: Big) |world, call| {
            let (view, who, from, to) = (world.view(source.0), world.caller(who), world.node(source.1), world.node(node));
            let (source_handle, handle, mut copied) = (world.handle(source_handle), world.handle(handle), 0);
            let result = call(view, &who, from, source_handle, source_offset.0, to, handle, offset.0, length.0, &mut copied);
            world.demand(result != 0 || copied <= length.0, "more was copied than asked for");
            result
        };
        5 pins::fs_read_pin(view: View, who: Who, node: Content, handle: Handle, offset: Big, length: Big) |world, call| {
            let (view, who, mut pin) = (world.view(view), world.caller(who), ptr::null_mut());
            let result = call(view, &who, world.node(node), world.handle(handle), offset.0, length.0 as usize, &mut pin);
            world.know_pin(result, pin)
        };
        1 pins::fs_pin_ranges(pin: Pick) |world, call| {
            let (mut ranges, mut count) = (ptr::null(), 0);
            match world.pins.get(pin.0 as usize % world.pins.len().max(1)) {
                Some(lent) => call(lent.pin, &mut ranges, &mut count),
                None => 0,
            }
        };
        3 pins::fs_pin_release(pin: Pick) |world, call| {
            let _: unsafe extern "C" fn(_) = call;
            world.release_pin(pin);
            0
        };
    }
}

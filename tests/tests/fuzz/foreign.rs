//! Calls for what files carry for Windows and macOS. Descriptors, lists and buffers are drawn well formed, or with a few bytes changed.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use bough::ffi::foreign::{fs_file_info, fs_mac_info, fs_new, fs_set_file_info};
use bough::ffi::types::fs_entry;

use crate::arguments::*;
use crate::calls::calls;
use crate::world::{World, blank, text, twist_it};

/// Bytes in one of the formats of Windows, mostly.
#[derive(Debug, Clone)]
pub(crate) struct Format(Bytes);

const WELL_FORMED: &[&[u8]] = &[
    b"",
    // A descriptor with an empty DACL, and one with an owner and an entry for everyone.
    b"\x01\0\x04\x80\0\0\0\0\0\0\0\0\0\0\0\0\x14\0\0\0\x02\0\x08\0\0\0\0\0",
    b"\x01\0\x04\x84\x14\0\0\0\x14\0\0\0\0\0\0\0\x20\0\0\0\x01\x01\0\0\0\0\0\x05\x12\0\0\0\x02\0\x1c\0\x01\0\0\0\0\x03\x14\0\xff\x01\x1f\0\x01\x01\0\0\0\0\0\x01\0\0\0\0",
    // Lists of extended attributes, of names, and one that deletes.
    b"\0\0\0\0\0\x02\x01\0Ea\x001",
    b"\x10\0\0\0\x80\x02\x01\0Ea\x001\0\0\0\0\0\0\0\0\0\x01\x02\0B\0xy",
    b"\0\0\0\0\0\x02\0\0eA\0",
    b"\0\0\0\0\x02EA\0",
    // Reparse points: of nobody, with and without data, symbolic links of Windows and of Linux, a pipe, a socket.
    b"\x42\0\0\0\x01\0\0\0ABCDEFGHIJKLMNOPx",
    b"\x42\0\0\0\0\0\0\0ABCDEFGHIJKLMNOP",
    b"\x0c\0\0\xa0\x14\0\0\0\0\0\x04\0\x04\0\x04\0\x01\0\0\0a\0b\0a\0b\0",
    b"\x0c\0\0\xa0\0\0\0\0",
    b"\x03\0\0\xa0\x14\0\0\0\0\0\x0c\0\x0c\0\0\0\\\0?\0?\0\\\0C\0:\0",
    b"\x1d\0\0\xa0\x06\0\0\0\x02\0\0\0ab",
    b"\x24\0\0\x80\0\0\0\0",
    b"\x23\0\0\x80\0\0\0\0",
];

impl Arbitrary for Format {
    type Parameters = ();
    type Strategy = BoxedStrategy<Format>;
    fn arbitrary_with((): ()) -> BoxedStrategy<Format> {
        let good = || select(WELL_FORMED).prop_map(<[u8]>::to_vec);
        let changed = (good(), vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), any::<prop::sample::Index>());
        let changed = changed.prop_map(|(mut bytes, changes, length)| {
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes.truncate(length.index(2 * bytes.len() + 1));
            bytes
        });
        let large = select(&[16_384_usize, 16_385, 65_536, 65_537][..]).prop_map(|length| vec![1; length]);
        prop_oneof![10 => good(), 6 => changed, 1 => vec(any::<u8>(), 0..80), 1 => large]
            .prop_map(|bytes| Format(Bytes(bytes)))
            .boxed()
    }
}

impl Format {
    fn pointer(&self) -> *const std::ffi::c_void {
        text(&self.0).cast()
    }

    fn len(&self) -> usize {
        self.0.0.len()
    }
}

/// A number for one of four times, or attributes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basic(u32, [i64; 4]);

impl Arbitrary for Basic {
    type Parameters = ();
    type Strategy = BoxedStrategy<Basic>;
    fn arbitrary_with((): ()) -> BoxedStrategy<Basic> {
        let time = || prop_oneof![4 => Just(0_i64), 2 => -3..2_i64, 1 => any::<i64>()];
        let attributes = prop_oneof![3 => Just(0_u32), 6 => 0..0x140_u32, 1 => Just(u32::MAX), 1 => any::<u32>()];
        (attributes, [time(), time(), time(), time()]).prop_map(|(bits, times)| Basic(bits, times)).boxed()
    }
}

fn know_info(world: &mut World, result: u32, info: &fs_file_info) -> u32 {
    let sound = info.attributes != 0 && info.allocation >= info.length && info.created != 0;
    world.demand(result != 0 || sound, "a file without attributes or birth, or larger than what is set aside for it");
    result
}

calls! {
    /// Calls for what files carry for Windows and macOS.
    ForeignCall {
        6 foreign::fs_make(place: (View, Parent), who: Who, name: Name, how: (Few, Few, Mode), attributes: Flags, bytes: (Format, Format, Format), twists: (Twist, Twist)) |world, call| {
            let (view, parent, who) = (world.view(place.0), world.node(place.1), world.caller(who));
            let mut new: fs_new = blank(Twist::Right);
            (new.kind, new.security_how, new.mode, new.attributes) = (how.0.0 + 1, how.1.0, how.2.0, attributes.0);
            (new.security, new.security_bytes) = (bytes.0.pointer(), if how.1.0 == 0 { 0 } else { bytes.0.len() });
            (new.eas, new.eas_bytes) = (bytes.1.pointer(), if attributes.0 % 2 == 0 { 0 } else { bytes.1.len() });
            (new.reparse, new.reparse_bytes) = (bytes.2.pointer(), if attributes.0 % 4 == 0 { bytes.2.len() } else { 0 });
            new.allocation = u64::from(attributes.0 % 70_000);
            twist_it(&mut new, twists.0);
            let mut entry: fs_entry = blank(twists.1);
            let result = call(view, &who, parent, text(&name.0), name.0.0.len(), &new, &mut entry);
            world.know_entry(view, result, &entry)
        };
        3 foreign::fs_file_info_get(view: View, node: Node, handle: Handle, out: Twist) |world, call| {
            let mut info: fs_file_info = blank(out);
            let result = call(world.view(view), world.node(node), world.handle(handle), &mut info);
            know_info(world, result, &info)
        };
        6 foreign::fs_file_info_set(view: View, who: Who, node: Node, handle: Handle, basic: Basic, twists: (Twist, Twist)) |world, call| {
            let mut set: fs_set_file_info = blank(Twist::Right);
            set.attributes = basic.0;
            [set.created, set.accessed, set.written, set.changed] = basic.1;
            twist_it(&mut set, twists.0);
            let mut info: fs_file_info = blank(twists.1);
            let (view, who) = (world.view(view), world.caller(who));
            let result = call(view, &who, world.node(node), world.handle(handle), &set, &mut info);
            know_info(world, result, &info)
        };
        4 foreign::fs_allocation_set(view: View, who: Who, node: Content, handle: Handle, bytes: Big, out: Twist) |world, call| {
            let mut info: fs_file_info = blank(out);
            let (view, who) = (world.view(view), world.caller(who));
            // What is set aside takes memory.
            let bytes = if bytes.0 < 1 << 40 { bytes.0 % (1 << 20) } else { bytes.0 };
            let result = call(view, &who, world.node(node), world.handle(handle), bytes, &mut info);
            know_info(world, result, &info)
        };
        2 foreign::fs_allocation_give_back(view: View, node: Content, handle: Handle) |world, call| {
            call(world.view(view), world.node(node), world.handle(handle))
        };
        3 foreign::fs_security_get(view: View, who: Who, node: Node, handle: Handle, parts: Flags, room: Room) |world, call| {
            let (view, who, into, mut size) = (world.view(view), world.caller(who), world.buffer.as_mut_ptr().cast(), 0);
            let (node, handle) = (world.node(node), world.handle(handle));
            let result = call(view, &who, node, handle, parts.0, into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        6 foreign::fs_security_set(view: View, who: Who, node: Node, handle: Handle, parts: Flags, bytes: Format) |world, call| {
            let (view, who) = (world.view(view), world.caller(who));
            call(view, &who, world.node(node), world.handle(handle), parts.0, bytes.pointer(), bytes.len())
        };
        3 foreign::fs_ea_get(view: View, who: Who, node: Node, handle: Handle, names: Format, room: Room) |world, call| {
            let (view, who, into, mut size) = (world.view(view), world.caller(who), world.buffer.as_mut_ptr().cast(), 0);
            let (node, handle) = (world.node(node), world.handle(handle));
            let result = call(view, &who, node, handle, names.pointer(), names.len(), into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        6 foreign::fs_ea_set(view: View, who: Who, node: Node, handle: Handle, list: Format) |world, call| {
            let (view, who, mut size) = (world.view(view), world.caller(who), 0);
            let (node, handle) = (world.node(node), world.handle(handle));
            let result = call(view, &who, node, handle, list.pointer(), list.len(), &mut size);
            world.demand(result != 0 || size <= 1 << 16, "more extended attributes than there can be");
            result
        };
        3 foreign::fs_reparse_get(view: View, node: Node, handle: Handle, room: Room) |world, call| {
            let (view, into, mut size) = (world.view(view), world.buffer.as_mut_ptr().cast(), 0);
            let result = call(view, world.node(node), world.handle(handle), into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        6 foreign::fs_reparse_set(view: View, who: Who, node: Node, handle: Handle, bytes: Format) |world, call| {
            let (view, who) = (world.view(view), world.caller(who));
            call(view, &who, world.node(node), world.handle(handle), bytes.pointer(), bytes.len())
        };
        4 foreign::fs_reparse_delete(view: View, who: Who, node: Node, handle: Handle, bytes: Format) |world, call| {
            let (view, who) = (world.view(view), world.caller(who));
            call(view, &who, world.node(node), world.handle(handle), bytes.pointer(), bytes.len())
        };
        2 foreign::fs_mac_info_get(view: View, node: Node, out: Twist) |world, call| {
            let mut info: fs_mac_info = blank(out);
            let result = call(world.view(view), world.node(node), &mut info);
            world.demand(result != 0 || info.valid == 7, "something macOS is told is missing");
            result
        };
        4 foreign::fs_mac_info_set(view: View, who: Who, node: Node, valid: Flags, flags: Flags, time: Big, twists: (Twist, Twist)) |world, call| {
            let mut set: fs_mac_info = blank(Twist::Right);
            (set.valid, set.flags, set.added, set.backed_up) = (valid.0, flags.0, time.0 as i64, -1);
            twist_it(&mut set, twists.0);
            let mut info: fs_mac_info = blank(twists.1);
            call(world.view(view), &world.caller(who), world.node(node), &set, &mut info)
        };
        3 foreign::fs_xattr_read(view: View, who: Who, node: Node, name: MacName, position: Big, room: Room) |world, call| {
            let (view, who, node, into, mut size) = (world.view(view), world.caller(who), world.node(node), world.buffer.as_mut_ptr().cast(), 0);
            let result = call(view, &who, node, text(&name.0), name.0.0.len(), position.0, into, room.0 as usize, &mut size);
            world.demand(result != 0 || size <= room.0 as usize, "more was read than there was room for");
            result
        };
        5 foreign::fs_xattr_write(view: View, who: Who, node: Node, name: MacName, position: Big, value: XattrValue, how: Few) |world, call| {
            let (view, who, value) = (world.view(view), world.caller(who), value.0);
            call(view, &who, world.node(node), text(&name.0), name.0.0.len(), position.0, value.0.as_ptr().cast(), value.0.len(), how.0)
        };
    }
}

/// Names of extended attributes that mean more on a Mac, and others.
#[derive(Debug, Clone)]
pub(crate) struct MacName(Bytes);

impl Arbitrary for MacName {
    type Parameters = ();
    type Strategy = BoxedStrategy<MacName>;
    fn arbitrary_with((): ()) -> BoxedStrategy<MacName> {
        let known: &[&[u8]] = &[b"com.apple.ResourceFork", b"com.apple.FinderInfo"];
        prop_oneof![6 => select(known).prop_map(<[u8]>::to_vec), 2 => any::<XattrName>().prop_map(|name| name.0.0)]
            .prop_map(|bytes| MacName(Bytes(bytes)))
            .boxed()
    }
}

//! Calls that open as Windows does, and what their handles do.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

use bough::ffi::locks::fs_wait;
use bough::ffi::opens::fs_windows_request;
use bough::ffi::tokens::{fs_token, fs_token_create, fs_token_group, fs_token_parts};
use bough::ffi::types::fs_caller;
use proptest::arbitrary::Arbitrary;
use proptest::prelude::*;

use crate::arguments::*;
use crate::calls::calls;
use crate::world::{Told, blank, text, twist_it, wait_ended};

static SIDS: [u8; 40] = [
    1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xE9, 3, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 0,
    0, 0, 0,
];

/// How something is opened: access, share mode, disposition, options, attributes, request flags, and what is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request([u32; 6], Twist);

impl Arbitrary for Request {
    type Parameters = ();
    type Strategy = BoxedStrategy<Request>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        let access = prop_oneof![
            6 => proptest::sample::select(&[0x1200A9_u32, 0x12_0116, 0x1F_01FF, 0x1_0000, 0x200_0000, 0x8000_0000][..]),
            1 => any::<u32>(),
        ];
        let options = prop_oneof![
            12 => proptest::sample::select(&[0_u32, 0, 0, 1, 0x40, 0x1000, 0x20_0000, 0x4000][..]),
            1 => any::<u32>(),
        ];
        let share = prop_oneof![4 => Just(7_u32), 4 => 0..8_u32, 1 => any::<u32>()];
        let attributes = prop_oneof![6 => Just(0_u32), 3 => 0..8_u32, 1 => any::<u32>()];
        let flags = prop_oneof![12 => Just(0_u32), 2 => 0..8_u32];
        (access, share, 0..7_u32, options, attributes, flags, any::<Twist>())
            .prop_map(|(a, s, d, o, t, f, twist)| Request([a, s, d, o, t, f], twist))
            .boxed()
    }
}

impl Request {
    fn structure(self, stream: &Bytes, odd: &Bytes) -> fs_windows_request {
        let mut request: fs_windows_request = blank(Twist::Right);
        let [access, share, disposition, options, attributes, flags] = self.0;
        (request.access, request.share, request.disposition) = (access, share, disposition);
        (request.options, request.attributes, request.flags) = (options, attributes, flags);
        request.mode = 0o777;
        if attributes % 3 == 1 {
            (request.stream, request.stream_bytes) = (text(stream), stream.0.len());
        }
        if attributes % 16 == 8 {
            (request.security, request.security_bytes) = (odd.0.as_ptr(), odd.0.len());
        }
        if attributes % 16 == 9 {
            (request.extended_attributes, request.extended_attributes_bytes) = (odd.0.as_ptr(), odd.0.len());
        }
        twist_it(&mut request, self.1);
        request
    }
}

/// A token of somebody who is in no file's descriptor but as everyone; made once.
fn token() -> *const fs_token {
    static TOKEN: OnceLock<usize> = OnceLock::new();
    let made = TOKEN.get_or_init(|| {
        let group = fs_token_group { sid: SIDS[28..].as_ptr(), sid_bytes: 12, attributes: 4, reserved: 0 };
        let mut parts: fs_token_parts = blank(Twist::Right);
        (parts.user, parts.user_bytes, parts.groups, parts.groups_count) = (SIDS.as_ptr(), 28, &group, 1);
        let mut token = ptr::null_mut();
        // SAFETY: all are alive.
        assert_eq!(unsafe { fs_token_create(&parts, &mut token) }, 0);
        token as usize
    });
    *made as *const fs_token
}

fn with_token(mut caller: fs_caller, pick: Pick) -> fs_caller {
    if pick.0.is_multiple_of(4) {
        caller.token = token();
    }
    caller
}

calls! {
    /// Calls that open as Windows does, and what their handles do.
    OpensCall {
        24 opens::fs_windows_open(place: (View, Parent, Handle), who: (Who, Pick), path: Path, request: Request, stream: Name, odd: XattrValue, out: Twist) |world, call| {
            let (view, who) = (world.view(place.0), with_token(world.caller(who.0), who.1));
            let (node, within, request) = (world.node(place.1), world.handle(place.2), request.structure(&stream.0, &odd.0));
            let mut opened: bough::ffi::opens::fs_windows_opened = blank(out);
            let result = call(view, &who, node, within, text(&path.0), path.0.0.len(), &request, &mut opened);
            if result == 0 {
                world.demand(opened.outcome <= 3 && opened.node != 0, "an open did nothing known");
                world.know_attr(result, &opened.attr);
            }
            world.know_handle(result, opened.handle)
        };
        3 opens::fs_windows_info(view: View, handle: Handle, out: Twist) |world, call| {
            let mut info: bough::ffi::opens::fs_windows_handle_info = blank(out);
            let result = call(world.view(view), world.handle(handle), &mut info);
            world.demand(result != 0 || info.flags <= 3, "a handle is something unknown");
            result
        };
        10 opened_names::fs_windows_dispose(view: View, handle: Handle, flags: Flags) |world, call| {
            let flags = if flags.0 < 1 << 20 { flags.0 & 0x1F } else { flags.0 };
            call(world.view(view), world.handle(handle), flags)
        };
        4 opens::fs_windows_overwrite(view: View, who: Who, handle: Handle, request: Request, stream: Name, odd: XattrValue) |world, call| {
            call(world.view(view), &world.caller(who), world.handle(handle), &request.structure(&stream.0, &odd.0))
        };
        3 opens::fs_windows_cleanup(view: View, handle: Handle) |world, call| {
            call(world.view(view), world.handle(handle))
        };
        10 opened_names::fs_windows_rename(view: View, who: (Who, Pick), handle: Handle, to: (Parent, Handle), path: Path, flags: Few) |world, call| {
            let (view, who) = (world.view(view), with_token(world.caller(who.0), who.1));
            let (handle, node, within) = (world.handle(handle), world.node(to.0), world.handle(to.1));
            call(view, &who, handle, node, within, text(&path.0), path.0.0.len(), flags.0)
        };
        5 opened_names::fs_windows_link(view: View, who: (Who, Pick), handle: Handle, to: (Parent, Handle), path: Path, flags: Few) |world, call| {
            let (view, who) = (world.view(view), with_token(world.caller(who.0), who.1));
            let (handle, node, within) = (world.handle(handle), world.node(to.0), world.handle(to.1));
            call(view, &who, handle, node, within, text(&path.0), path.0.0.len(), flags.0)
        };
        5 opened_ranges::fs_windows_lock(view: View, handle: Handle, start: Big, length: Big, flags: Few) |world, call| {
            call(world.view(view), world.handle(handle), start.0, length.0, flags.0, 1)
        };
        3 opened_ranges::fs_windows_lock_wait(view: View, handle: Handle, start: Big, length: Big, flags: Few, out: Twist) |world, call| {
            let (view, handle, mut wait) = (world.view(view), world.handle(handle), blank::<fs_wait>(out));
            let told = Box::new(Told { times: AtomicU32::new(0), volume: world.volume });
            let context = ptr::from_ref(&*told).cast_mut().cast();
            world.told_late.push(told);
            let result = call(view, handle, start.0, length.0, flags.0, Some(wait_ended), context, &mut wait);
            if result == 0 && wait.number != 0 {
                let cancelled = bough::ffi::opened_ranges::fs_windows_lock_cancel(view, handle, &wait);
                world.demand(matches!(cancelled, 0 | 1), "a wait can be cancelled");
            }
            result
        };
        1 opened_ranges::fs_windows_lock_cancel(view: View, handle: Handle, node: Node, number: Big, out: Twist) |world, call| {
            let mut wait: fs_wait = blank(Twist::Right);
            (wait.node, wait.number) = (world.node(node), number.0);
            twist_it(&mut wait, out);
            call(world.view(view), world.handle(handle), &wait)
        };
        3 opened_ranges::fs_windows_unlock(view: View, handle: Handle, start: Big, length: Big) |world, call| {
            call(world.view(view), world.handle(handle), start.0, length.0)
        };
        1 opened_ranges::fs_windows_unlock_all(view: View, handle: Handle) |world, call| {
            call(world.view(view), world.handle(handle))
        };
        2 tokens::fs_token_create(sizes: (Pick, Pick), privileges: Few, attributes: Few, out: Twist) |world, call| {
            let bytes = |pick: Pick| usize::from(pick.0) % SIDS.len();
            let group = fs_token_group { sid: SIDS.as_ptr(), sid_bytes: bytes(sizes.1), attributes: attributes.0, reserved: 0 };
            let mut parts: fs_token_parts = blank(Twist::Right);
            (parts.user, parts.user_bytes) = (SIDS.as_ptr(), if sizes.0.0 % 2 == 0 { 28 } else { bytes(sizes.0) });
            (parts.groups, parts.groups_count, parts.privileges) = (&group, usize::from(sizes.1.0 % 2), privileges.0);
            twist_it(&mut parts, out);
            let mut made = ptr::null_mut();
            let result = call(&parts, &mut made);
            world.demand((result == 0) != made.is_null(), "a token is made when that is said");
            bough::ffi::tokens::fs_token_free(made);
            result
        };
        1 tokens::fs_token_free() |world, call| {
            let _ = &world;
            call(ptr::null_mut());
            0
        };
    }
}

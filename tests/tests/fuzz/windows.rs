//! Calls that only Windows and macOS ask for: named streams.

use std::ffi::c_void;

use proptest::prelude::*;
use proptest::sample::select;

use bough::ffi::streams::fs_stream;
use bough::ffi::types::fs_attr;

use crate::arguments::*;
use crate::calls::calls;
use crate::content::Options;
use crate::world::{blank, text};

calls! {
    /// Calls that only Windows and macOS ask for.
    WindowsCall {
        8 streams::fs_stream_open(view: View, who: Who, node: Node, name: StreamName, options: Options) |world, call| {
            let (view, who, node, mut handle) = (world.view(view), world.caller(who), world.node(node), 0);
            let result = call(view, &who, node, text(&name.0), name.0.0.len(), &options.structure(), &mut handle);
            world.know_handle(result, handle)
        };
        2 streams::fs_stream_list(view: View, node: Node, most: Flags) |world, call| {
            let mut seen = Seen { most: most.0, ..Seen::default() };
            let result = call(world.view(view), world.node(node), Some(stream_listed), (&raw mut seen).cast());
            world.demand(!seen.odd, "a stream without a name, longer than a file can be, or listed twice");
            result
        };
        3 streams::fs_stream_rename(view: View, who: Who, node: Node, name: StreamName, new_name: StreamName, how: Few) |world, call| {
            let (view, who, node, name, new) = (world.view(view), world.caller(who), world.node(node), name.0, new_name.0);
            call(view, &who, node, text(&name), name.0.len(), text(&new), new.0.len(), how.0)
        };
        3 streams::fs_stream_remove(view: View, who: Who, node: Node, name: StreamName) |world, call| {
            call(world.view(view), &world.caller(who), world.node(node), text(&name.0), name.0.0.len())
        };
        2 streams::fs_handle_getattr(view: View, handle: Handle, out: Twist) |world, call| {
            let mut attr: fs_attr = blank(out);
            let result = call(world.view(view), world.handle(handle), &mut attr);
            world.know_attr(result, &attr)
        };
        2 streams::fs_handle_lseek(view: View, handle: Handle, offset: Big, what: Few) |world, call| {
            call(world.view(view), world.handle(handle), offset.0, what.0, &mut 0)
        };
    }
}

/// Names of streams, and what is none.
#[derive(Debug, Clone)]
pub(crate) struct StreamName(pub(crate) Bytes);

impl Arbitrary for StreamName {
    type Parameters = ();
    type Strategy = BoxedStrategy<StreamName>;
    fn arbitrary_with((): ()) -> BoxedStrategy<StreamName> {
        let known: &[&[u8]] = &[b"s", b"S", b"t", b"com.apple.ResourceFork", b"\xED\xA0\x80"];
        let odd: &[&[u8]] = &[b"", b":", b"s:$DATA", b"a\\b", b"a/b", b"\0", b"\xff", b"\xED\xA0\xBC\xED\xBC\xB2"];
        prop_oneof![
            20 => select(known).prop_map(<[u8]>::to_vec),
            2 => select(odd).prop_map(<[u8]>::to_vec),
            1 => select(&[255usize, 256, 765, 766][..]).prop_map(|length| vec![b'n'; length]),
            1 => any::<Name>().prop_map(|name| name.0.0),
        ]
        .prop_map(|bytes| StreamName(Bytes(bytes)))
        .boxed()
    }
}

#[derive(Default)]
struct Seen {
    most: u32,
    names: Vec<Vec<u8>>,
    odd: bool,
}

unsafe extern "C" fn stream_listed(context: *mut c_void, stream: *const fs_stream) -> bool {
    // SAFETY: the call hands over what it was given; stream and name live until this returns.
    let (seen, stream, name) = unsafe {
        let stream = &*stream;
        (&mut *context.cast::<Seen>(), stream, std::slice::from_raw_parts(stream.name.cast::<u8>(), stream.name_bytes))
    };
    seen.odd |= name.is_empty() || stream.length > i64::MAX as u64 || seen.names.iter().any(|other| other == name);
    seen.names.push(name.to_vec());
    seen.most = seen.most.saturating_sub(1);
    seen.most > 0
}

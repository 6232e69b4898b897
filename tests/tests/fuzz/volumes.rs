//! Calls on the whole: results, volumes, views, branches and snapshots, control, diffs, events, logging.

use std::ffi::CStr;
use std::ptr;
use std::sync::Once;

use bough::control::messages::{fs_activity, fs_holdings};
use bough::ffi::diff::{fs_diff_close, fs_diff_entry};
use bough::ffi::events::{fs_event, fs_events_close, fs_watch};
use bough::ffi::identity::{FS_LABEL_BYTES, fs_volume_info};
use bough::ffi::names::fs_mkdir;
use bough::ffi::refs::fs_ref_record;
use bough::ffi::results::{FS_OK, FS_READ_ONLY};
use bough::ffi::types::FS_NODE_ROOT;
use bough::ffi::view::{fs_view_close, fs_view_record};
use bough::ffi::volume::{fs_config, fs_counters, fs_volume, fs_volume_close, fs_volume_open};

use crate::arguments::*;
use crate::callbacks::{change_taken, logged, node_given, ref_listed, view_listed};
use crate::calls::calls;
use crate::messages::Message;
use crate::names::is_name;
use crate::world::{MOST_HELD, NO_REF, blank, open_view, superuser, text, twist_it};

calls! {
    /// Calls on the whole.
    VolumeCall {
        1 results::fs_abi_version() |world, call| {
            world.demand(call() == bough::ffi::results::FS_ABI_VERSION, "another version");
            0
        };
        1 results::fs_version() |world, call| {
            world.demand(!CStr::from_ptr(call()).is_empty(), "no version");
            0
        };
        1 results::fs_result_errno(result: Flags) |world, call| {
            world.demand((call(result.0) == 0) == (result.0 == FS_OK), "an errno of 0");
            0
        };
        1 results::fs_result_ntstatus(result: Flags) |world, call| {
            world.demand((call(result.0) == 0) == (result.0 == FS_OK), "an NTSTATUS of 0");
            0
        };
        1 results::fs_result_win32(result: Flags) |world, call| {
            world.demand((call(result.0) == 0) == (result.0 == FS_OK), "a Win32 error of 0");
            0
        };
        1 results::fs_result_darwin_errno(result: Flags) |world, call| {
            world.demand((call(result.0) == 0) == (result.0 == FS_OK), "an errno of macOS of 0");
            0
        };
        1 results::fs_result_message(result: Flags) |world, call| {
            world.demand(!CStr::from_ptr(call(result.0)).is_empty(), "a result that says nothing");
            0
        };
        2 results::fs_error_text(room: Room) |world, call| {
            let mut size = 0;
            let result = call(world.buffer.as_mut_ptr().cast(), room.0 as usize, &mut size);
            let told = &world.buffer[..size.min(room.0 as usize)];
            let is_text = std::str::from_utf8(told).is_ok() && !told.contains(&0);
            world.demand(result != FS_OK || room.0 == 0 || is_text, "an error's text is none");
            world.know_size(result, room, size)
        };
        1 volume::fs_volume_open(config: Config) |world, call| {
            let Config((flags, names), name, memory, spill, twist) = config;
            let mut config: fs_config = blank(Twist::Right);
            (config.flags, config.names, config.memory_bytes) = (flags.0, names.0, memory.0);
            (config.name, config.name_bytes) = (text(&name.0), name.0.0.len());
            (config.endpoint, config.endpoint_bytes) = (text(&name.0), name.0.0.len());
            if let Some(spill) = &spill {
                (config.spill_dir, config.spill_dir_bytes) = (text(spill), spill.0.len());
            }
            twist_it(&mut config, twist);
            let mut volume = ptr::null_mut();
            let result = call(&config, &mut volume);
            if result == FS_OK {
                let mut counters: fs_counters = blank(Twist::Right);
                bough::ffi::volume::fs_volume_stats(volume, &mut counters);
                world.demand(counters.branches == 1, "a new volume does not have one branch");
                fs_volume_close(volume);
            }
            result
        };
        1 volume::fs_volume_close() |world, call| {
            // A view keeps its volume alive.
            let volume = another_volume();
            let view = open_view(volume, NO_REF);
            call(volume);
            call(ptr::null_mut());
            match view {
                Ok(view) => fs_view_close(view),
                Err(result) => world.complain(format!("a new volume has no view: {result}")),
            }
            0
        };
        1 volume::fs_volume_stats(out: Twist) |world, call| {
            let mut counters: fs_counters = blank(out);
            let result = call(world.volume, &mut counters);
            world.demand(result != FS_OK || counters.used_bytes <= counters.capacity_bytes, "more is used than there is");
            result
        };
        1 volume::fs_volume_activity(out: Twist) |world, call| {
            let mut activity: fs_activity = blank(out);
            call(world.volume, &mut activity)
        };
        1 identity::fs_volume_info_get(view: View, out: Twist) |world, call| {
            let mut info: fs_volume_info = blank(out);
            let result = call(world.view(view), &mut info);
            let sane = info.free_bytes <= info.total_bytes && (info.label_bytes as usize) < FS_LABEL_BYTES;
            world.demand(result != FS_OK || sane, "a volume says of itself what cannot be");
            result
        };
        1 identity::fs_volume_label_set(view: View, who: Who, label: Name, flags: Few) |world, call| {
            call(world.view(view), &world.caller(who), text(&label.0), label.0.0.len(), flags.0)
        };
        1 volume::fs_volume_latch(name: Name) |world, call| {
            let volume = another_volume();
            let view = open_view(volume, NO_REF).unwrap();
            let latched = call(volume);
            let mut entry = blank(Twist::Right);
            let made = fs_mkdir(view, &superuser(), FS_NODE_ROOT, text(&name.0), name.0.0.len(), 0, &mut entry);
            world.demand(latched == FS_OK && made != FS_OK, "a latched volume changed");
            world.demand(made == FS_READ_ONLY || !is_name(&name.0.0), "a latched volume is not read-only");
            fs_view_close(view);
            fs_volume_close(volume);
            made
        };
        1 volume::fs_volume_views(most: Flags) |world, call| {
            let mut most = most.0;
            call(world.volume, Some(view_listed), ptr::from_mut(&mut most).cast())
        };
        5 view::fs_view_open(shows: Ref, label: RefName, flags: Few) |world, call| {
            let (shows, mut view) = (world.shown(shows), ptr::null_mut());
            let result = call(world.volume, shows, text(&label.0), label.0.0.len(), flags.0, &mut view);
            world.know_view(result, view)
        };
        2 view::fs_view_close(view: Pick) |world, call| {
            call(ptr::null_mut());
            world.close_view(view);
            0
        };
        1 view::fs_view_info(view: View, out: Twist) |world, call| {
            let mut record: fs_view_record = blank(out);
            let result = call(world.view(view), &mut record);
            world.know_ref(result, record.shows)
        };
        1 view::fs_view_nodes(view: View) |world, call| {
            call(world.view(view), &mut 0)
        };
        1 view::fs_view_each_node(view: View, most: Flags) |world, call| {
            let mut most = most.0;
            call(world.view(view), Some(node_given), ptr::from_mut(&mut most).cast())
        };
        2 refs::fs_ref_find(name: RefName) |world, call| {
            let mut found = NO_REF;
            let result = call(world.volume, text(&name.0), name.0.0.len(), &mut found);
            world.know_ref(result, found)
        };
        2 refs::fs_ref_info(id: Ref, out: Twist) |world, call| {
            let mut record: fs_ref_record = blank(out);
            call(world.volume, world.shown(id), &mut record)
        };
        1 refs::fs_ref_holdings(id: Ref, out: Twist) |world, call| {
            let mut holdings: fs_holdings = blank(out);
            call(world.volume, world.shown(id), &mut holdings)
        };
        1 refs::fs_ref_list(most: Flags) |world, call| {
            let mut most = most.0;
            call(world.volume, Some(ref_listed), ptr::from_mut(&mut most).cast())
        };
        1 refs::fs_snapshot_list(most: Flags) |world, call| {
            let mut most = most.0;
            call(world.volume, Some(ref_listed), ptr::from_mut(&mut most).cast())
        };
        1 refs::fs_branch_list(most: Flags) |world, call| {
            let mut most = most.0;
            call(world.volume, Some(ref_listed), ptr::from_mut(&mut most).cast())
        };
        8 refs::fs_snapshot_create(branch: Ref, named: bool, name: RefName) |world, call| {
            let (mut taken, name) = (NO_REF, name.0);
            let place = if named { text(&name) } else { ptr::null() };
            let result = call(world.volume, world.shown(branch), place, name.0.len(), &mut taken);
            world.know_ref(result, taken)
        };
        8 refs::fs_branch_create(name: RefName, from: Ref) |world, call| {
            let mut grown = NO_REF;
            let result = call(world.volume, text(&name.0), name.0.0.len(), world.shown(from), &mut grown);
            world.know_ref(result, grown)
        };
        8 refs::fs_branch_switch(view: View, to: Ref) |world, call| {
            call(world.view(view), world.shown(to))
        };
        3 refs::fs_ref_rename(id: Ref, name: RefName) |world, call| {
            call(world.volume, world.shown(id), text(&name.0), name.0.0.len())
        };
        6 refs::fs_ref_delete(id: Ref) |world, call| {
            call(world.volume, world.shown(id))
        };
        6 control::fs_control(view: View, who: Who, message: Message) |world, call| {
            let mut message = message;
            call(world.view(view), &world.caller(who), message.request, message.bytes.0.as_mut_ptr().cast(), message.bytes.0.len())
        };
        4 diff::fs_diff_open(before: Ref, after: Ref) |world, call| {
            let mut diff = ptr::null_mut();
            let result = call(world.volume, world.shown(before), world.shown(after), &mut diff);
            if result == FS_OK {
                world.diffs.push(diff);
                if world.diffs.len() > MOST_HELD {
                    fs_diff_close(world.diffs.remove(0));
                }
            }
            result
        };
        8 diff::fs_diff_next(diff: Pick, out: Twist) |world, call| {
            let mut entry: fs_diff_entry = blank(out);
            if world.diffs.is_empty() {
                return 0;
            }
            let result = call(world.diffs[diff.0 as usize % world.diffs.len()], &mut entry);
            if result == FS_OK && entry.kind != 0 {
                let path = std::slice::from_raw_parts(entry.path.cast::<u8>(), entry.path_bytes);
                let sane = (1..=4).contains(&entry.kind) && !path.contains(&0) && !path.starts_with(b"/");
                world.demand(sane && entry.inode != 0, "a difference that is none");
            }
            result
        };
        1 diff::fs_diff_close(diff: Pick) |world, call| {
            call(ptr::null_mut());
            if !world.diffs.is_empty() {
                call(world.diffs.remove(diff.0 as usize % world.diffs.len()));
            }
            0
        };
        2 events::fs_events_open(view: View, capacity: Big, flags: Few) |world, call| {
            let mut events = ptr::null_mut();
            let result = call(world.view(view), capacity.0 as usize, flags.0, &mut events);
            if result == FS_OK {
                world.events.push(events);
                if world.events.len() > MOST_HELD {
                    fs_events_close(world.events.remove(0));
                }
            }
            result
        };
        3 events::fs_events_next(events: Pick, out: Twist) |world, call| {
            let mut event: fs_event = blank(out);
            if world.events.is_empty() {
                return 0;
            }
            let result = call(world.events[events.0 as usize % world.events.len()], 0, &mut event);
            let ended = |name: &[std::ffi::c_char], bytes: u32| bytes < 256 && name[bytes as usize] == 0;
            let sane = ended(&event.name, event.name_bytes) && ended(&event.new_name, event.new_name_bytes);
            world.demand(result != FS_OK || sane, "an event's name has no end");
            result
        };
        2 events::fs_events_watch(view: View, node: Node, watch: (Big, Few, Flags), out: Twist) |world, call| {
            let (mut asked, (capacity, flags, filter)) = (blank::<fs_watch>(Twist::Right), watch);
            (asked.flags, asked.capacity, asked.filter) = (flags.0.wrapping_mul(2) | (filter.0 & 9), capacity.0, filter.0);
            asked.node = if filter.0 % 2 == 0 { 0 } else { world.node(node) };
            twist_it(&mut asked, out);
            let mut events = ptr::null_mut();
            let result = call(world.view(view), &asked, &mut events);
            if result == FS_OK {
                world.events.push(events);
                if world.events.len() > MOST_HELD {
                    fs_events_close(world.events.remove(0));
                }
            }
            result
        };
        3 events::fs_events_take(events: Pick, most: Flags) |world, call| {
            if world.events.is_empty() {
                return 0;
            }
            let (mut most, events) = (most.0, world.events[events.0 as usize % world.events.len()]);
            call(events, 0, Some(change_taken), ptr::from_mut(&mut most).cast())
        };
        1 events::fs_events_stop(events: Pick) |world, call| {
            if world.events.is_empty() {
                return 0;
            }
            call(world.events[events.0 as usize % world.events.len()])
        };
        1 events::fs_events_close(events: Pick) |world, call| {
            call(ptr::null_mut());
            if !world.events.is_empty() {
                call(world.events.remove(events.0 as usize % world.events.len()));
            }
            0
        };
        1 log::fs_log_init() |_world, call| {
            // Nobody wants to read what is logged meanwhile.
            static QUIET: Once = Once::new();
            // SAFETY: the environment is read through the standard library only, which locks it.
            QUIET.call_once(|| unsafe { std::env::set_var("BOUGH_LOG", "off") });
            call()
        };
        1 log::fs_log_set(with: bool, level: Flags) |_world, call| {
            if with { call(Some(logged), ptr::null_mut(), level.0) } else { call(None, ptr::null_mut(), level.0) }
        };
        1 log::fs_log_write(level: Flags, message: Path) |_world, call| {
            call(level.0, text(&message.0), message.0.0.len())
        };
    }
}

/// How a volume is opened.
#[derive(Debug, Clone)]
pub(crate) struct Config((Few, Flags), RefName, Big, Option<Bytes>, Twist);

impl proptest::arbitrary::Arbitrary for Config {
    type Parameters = ();
    type Strategy = proptest::strategy::BoxedStrategy<Config>;
    fn arbitrary_with((): ()) -> Self::Strategy {
        use proptest::prelude::*;
        let temp = std::env::temp_dir().into_os_string().into_encoded_bytes();
        let nowhere = odd_path().prop_map(|path| [&b"/nonexistent/"[..], &path].concat());
        let folder = prop_oneof![
            3 => Just(None),
            1 => Just(Some(Bytes(temp))),
            1 => nowhere.prop_map(|path| Some(Bytes(path))),
            1 => Just(Some(Bytes(Vec::new()))),
        ];
        let fields = (any::<(Few, Flags)>(), any::<RefName>(), any::<Big>(), folder, any::<Twist>());
        fields.prop_map(|(flags, name, memory, folder, twist)| Config(flags, name, memory, folder, twist)).boxed()
    }
}

fn another_volume() -> *mut fs_volume {
    let mut config: fs_config = blank(Twist::Right);
    config.memory_bytes = 1 << 20;
    let mut volume = ptr::null_mut();
    // SAFETY: both are alive.
    assert_eq!(unsafe { fs_volume_open(&config, &mut volume) }, FS_OK);
    volume
}

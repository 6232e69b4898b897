//! Calls by path.

use crate::arguments::*;
use crate::calls::calls;
use crate::content::Options;
use crate::nodes::Set;
use crate::world::{blank, text};

calls! {
    /// Calls by path.
    PathCall {
        3 paths::fs_path_getattr(at: At, path: Path, flags: PathFlags, out: Twist) |world, call| {
            let (path, mut attr) = (path.0, blank(out));
            let result = call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), flags.0, &mut attr);
            world.know_attr(result, &attr)
        };
        4 paths::fs_path_setattr(at: At, path: Path, flags: PathFlags, set: Set, out: Twist) |world, call| {
            let (path, set, mut attr) = (path.0, set.structure(), blank(out));
            let result = call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), flags.0, &set, &mut attr);
            world.know_attr(result, &attr)
        };
        5 paths::fs_path_lookup(at: At, path: Path, flags: PathFlags, out: Twist) |world, call| {
            let (view, path, mut entry) = (world.view(at.0), path.0, blank(out));
            let result = call(view, &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), flags.0, &mut entry);
            world.know_entry(view, result, &entry)
        };
        3 paths::fs_path_mknod(at: At, path: Path, mode: Mode, kind: Kind, device: Big, out: Twist) |world, call| {
            let (path, mut attr) = (path.0, blank(out));
            let result = call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), mode.0, kind.0, device.0, &mut attr);
            world.know_attr(result, &attr)
        };
        6 paths::fs_path_mkdir(at: At, path: Path, mode: Mode, out: Twist) |world, call| {
            let (path, mut attr) = (path.0, blank(out));
            let result = call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), mode.0, &mut attr);
            world.know_attr(result, &attr)
        };
        5 paths::fs_path_symlink(at: At, path: Path, target: Target, out: Twist) |world, call| {
            let (path, target, mut attr) = (path.0, target.0, blank(out));
            let (view, who, start) = (world.view(at.0), world.caller(at.1), world.node(at.2));
            let result = call(view, &who, start, text(&path), path.0.len(), text(&target), target.0.len(), &mut attr);
            world.know_attr(result, &attr)
        };
        3 paths::fs_path_unlink(at: At, path: Path) |world, call| {
            call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path.0), path.0.0.len())
        };
        2 paths::fs_path_rmdir(at: At, path: Path) |world, call| {
            call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path.0), path.0.0.len())
        };
        4 paths::fs_path_link(at: At, path: Path, flags: PathFlags, new_start: Parent, new_path: Path, out: Twist) |world, call| {
            let (view, who, start, new_start) = (world.view(at.0), world.caller(at.1), world.node(at.2), world.node(new_start));
            let (path, new_path, mut attr) = (path.0, new_path.0, blank(out));
            let result = call(view, &who, start, text(&path), path.0.len(), flags.0, new_start, text(&new_path), new_path.0.len(), &mut attr);
            world.know_attr(result, &attr)
        };
        6 paths::fs_path_rename(at: At, path: Path, new_start: Parent, new_path: Path, how: Few) |world, call| {
            let (view, who, start, new_start) = (world.view(at.0), world.caller(at.1), world.node(at.2), world.node(new_start));
            let (path, new_path) = (path.0, new_path.0);
            call(view, &who, start, text(&path), path.0.len(), new_start, text(&new_path), new_path.0.len(), how.0)
        };
        2 paths::fs_path_readlink(at: At, path: Path, room: Room) |world, call| {
            let (view, who, start, mut size) = (world.view(at.0), world.caller(at.1), world.node(at.2), 0);
            let into = world.buffer.as_mut_ptr().cast();
            let result = call(view, &who, start, text(&path.0), path.0.0.len(), into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        2 paths::fs_path_access(at: At, path: Path, flags: PathFlags, want: Few) |world, call| {
            call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path.0), path.0.0.len(), flags.0, want.0)
        };
        3 paths::fs_path_xattr_set(at: At, path: Path, flags: PathFlags, name: XattrName, value: XattrValue, how: Few) |world, call| {
            let (view, who, start) = (world.view(at.0), world.caller(at.1), world.node(at.2));
            let (path, name, value) = (path.0, name.0, value.0);
            call(view, &who, start, text(&path), path.0.len(), flags.0, text(&name), name.0.len(), value.0.as_ptr().cast(), value.0.len(), how.0)
        };
        2 paths::fs_path_xattr_get(at: At, path: Path, flags: PathFlags, name: XattrName, room: Room) |world, call| {
            let (view, who, start, mut size) = (world.view(at.0), world.caller(at.1), world.node(at.2), 0);
            let (path, name, into) = (path.0, name.0, world.buffer.as_mut_ptr().cast());
            let result = call(view, &who, start, text(&path), path.0.len(), flags.0, text(&name), name.0.len(), into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        1 paths::fs_path_xattr_list(at: At, path: Path, flags: PathFlags, room: Room) |world, call| {
            let (view, who, start, mut size) = (world.view(at.0), world.caller(at.1), world.node(at.2), 0);
            let (path, into) = (path.0, world.buffer.as_mut_ptr().cast());
            let result = call(view, &who, start, text(&path), path.0.len(), flags.0, into, room.0 as usize, &mut size);
            world.know_size(result, room, size)
        };
        1 paths::fs_path_xattr_remove(at: At, path: Path, flags: PathFlags, name: XattrName) |world, call| {
            let (path, name) = (path.0, name.0);
            call(world.view(at.0), &world.caller(at.1), world.node(at.2), text(&path), path.0.len(), flags.0, text(&name), name.0.len())
        };
        5 paths::fs_path_open(at: At, path: Path, flags: PathFlags, options: Options) |world, call| {
            let (view, who, start, mut handle) = (world.view(at.0), world.caller(at.1), world.node(at.2), 0);
            let result = call(view, &who, start, text(&path.0), path.0.0.len(), flags.0, &options.structure(), &mut handle);
            world.know_handle(result, handle)
        };
        8 paths::fs_path_write(at: At, path: Path, flags: PathFlags, room: Room) |world, call| {
            let (view, who, start) = (world.view(at.0), world.caller(at.1), world.node(at.2));
            world.buffer[..room.0 as usize].fill(room.0 as u8 | 1);
            call(view, &who, start, text(&path.0), path.0.0.len(), flags.0, world.buffer.as_ptr().cast(), room.0 as usize)
        };
        3 paths::fs_path_read(at: At, path: Path, flags: PathFlags, offset: Big, room: Room) |world, call| {
            let (view, who, start, mut size) = (world.view(at.0), world.caller(at.1), world.node(at.2), 0);
            let (path, into) = (path.0, world.buffer.as_mut_ptr().cast());
            let result = call(view, &who, start, text(&path), path.0.len(), flags.0, offset.0, into, room.0 as usize, &mut size);
            world.demand(result != 0 || size <= room.0 as usize, "more was read than asked for");
            result
        };
    }
}

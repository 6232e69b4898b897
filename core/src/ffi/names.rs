//! Names: finding, making, removing, moving and listing them, by node.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::utf16::name_of;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{DirEntry, ListFrom, ListOptions, NewNode, RenameMode};
use crate::tree::name::{windows_path, wtf8};
use crate::types::NodeId;

/// Rename: an entry that has the new name is replaced, as rename(2) does.
pub const FS_RENAME_REPLACE: u32 = 0;
/// Rename: an entry that has the new name is an error.
pub const FS_RENAME_NO_REPLACE: u32 = 1;
/// Rename: the two change places; both must exist.
pub const FS_RENAME_EXCHANGE: u32 = 2;

/// Listing: attributes with every entry; each entry taken counts as one lookup of its node, but for `.` and `..`.
pub const FS_READDIR_ATTRIBUTES: u32 = 1;
/// Listing: `.` and `..` first.
pub const FS_READDIR_DOTS: u32 = 2;
/// Listing: `.` and `..` first, but not in the root, as Windows lists.
pub const FS_READDIR_DOTS_BELOW_ROOT: u32 = 4;
/// Listing, with `FS_READDIR_ATTRIBUTES`: no attributes of what the host has references to already and hears the changes of. Each entry
/// taken counts as one lookup all the same.
pub const FS_READDIR_ONLY_NEWS: u32 = 16;
/// Listing: names are UTF-16 both ways: those that the call takes, their length in bytes as ever, and with every entry `name_utf16`.
pub const FS_READDIR_UTF16: u32 = 8;

/// One entry of a listing.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_dirent {
    /// `sizeof(fs_dirent)`.
    pub size: u32,
    /// `FS_KIND_...`.
    pub kind: u32,
    /// The node it shows; counted as a lookup only with `FS_READDIR_ATTRIBUTES`.
    pub node: fs_node,
    /// Its inode id.
    pub inode: u64,
    /// Where to go on after this entry; below 2^63.
    pub cookie: u64,
    /// Its name, not ended by a NUL.
    pub name: *const c_char,
    /// Length of `name`.
    pub name_bytes: usize,
    /// Its attributes; NULL when they were not asked for or it was removed meanwhile.
    pub attr: *const fs_attr,
    /// Its name in UTF-16, not ended by a NUL; NULL but with `FS_READDIR_UTF16`.
    pub name_utf16: *const u16,
    /// Length of `name_utf16`, in units.
    pub name_units: usize,
    /// 0.
    pub reserved: [u64; 3],
}

/// A node that a host forgets, and how many references to it.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_forgotten {
    /// The node.
    pub node: fs_node,
    /// How many references to it are given back.
    pub count: u64,
}

/// Is given one entry at a time; `entry` and what it points to live until it returns. True: taken, go on; false: not taken,
/// and that was enough.
pub type fs_readdir_callback = Option<unsafe extern "C" fn(context: *mut c_void, entry: *const fs_dirent) -> bool>;

pub(super) fn rename_mode(how: u32) -> Outcome<RenameMode> {
    match how {
        FS_RENAME_REPLACE => Ok(RenameMode::Replace),
        FS_RENAME_NO_REPLACE => Ok(RenameMode::NoReplace),
        FS_RENAME_EXCHANGE => Ok(RenameMode::Exchange),
        _ => Err(Error::Invalid("a way to rename that this version does not know").into()),
    }
}

/// What mknod makes.
pub(super) fn new_node(kind: u32, device: u64) -> Outcome<NewNode<'static>> {
    match kind {
        FS_KIND_FILE => Ok(NewNode::File),
        FS_KIND_FIFO => Ok(NewNode::Fifo),
        FS_KIND_SOCKET => Ok(NewNode::Socket),
        FS_KIND_CHAR_DEVICE => Ok(NewNode::CharDevice(device)),
        FS_KIND_BLOCK_DEVICE => Ok(NewNode::BlockDevice(device)),
        _ => Err(Error::Invalid("mknod: a kind that it does not make").into()),
    }
}

/// Finds the entry `name` of a directory; `.` and `..` too.
///
/// `parent`: the directory.
/// `name`, `name_bytes`: the name.
/// `entry`: the answer; its `size` must be set. Counts one reference, given back with `fs_forget`.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, `FS_NOT_A_DIRECTORY`, `FS_ACCESS_DENIED`, `FS_NAME_TOO_LONG`, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_lookup(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, entry) = (caller_in(caller)?, name_in(name, name_bytes)?, output_structure(entry)?);
            entry.put(view.0.lookup(&who, NodeId(parent), name)?.into());
            Ok(())
        })
    }
}

/// Gives back references to a node.
///
/// `count`: how many; more than there are is all of them.
///
/// Results: `FS_OK`, also for a node that is not known any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_forget(view: *const fs_view, node: fs_node, count: u64) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            view.0.forget(NodeId(node), count);
            Ok(())
        })
    }
}

/// Gives back references to many nodes: cheaper than a call of `fs_forget` for each.
///
/// `nodes`: which, and how many of each; more than there are is all of them. The caller's, not kept; NULL will do for none. Their order does
/// not matter, and a node may be there more than once.
/// `count`: how many there are. Any number: no lock is held for longer than a few hundred of them take.
///
/// Any thread may call it, beside all other calls. Of what it gives back, another call may see some as given back and some not yet.
///
/// Results: `FS_OK`, also for nodes that are not known any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_forget_many(view: *const fs_view, nodes: *const fs_forgotten, count: usize) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            view.0.forget_many(items(nodes, count)?.iter().map(|one| (NodeId(one.node), one.count)));
            Ok(())
        })
    }
}

/// How many references to a node the host has not given back. An answer that tells the host's kernel of a node may still be under way then.
///
/// `count`: the answer; 0 for a node that is not known, and for `FS_NODE_ROOT`, which is always known and never counted.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_references(view: *const fs_view, node: fs_node, count: *mut u64) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output(count)?.put(view.0.references(NodeId(node)));
            Ok(())
        })
    }
}

/// Makes a file, named pipe, socket or device node under a name.
///
/// `mode`: permission bits, before the caller's umask or the directory's default ACL.
/// `kind`: `FS_KIND_FILE`, `_FIFO`, `_SOCKET`, `_CHAR_DEVICE` or `_BLOCK_DEVICE`.
/// `device`: the number of a device, as the host encodes it.
/// `entry`: the answer; its `size` must be set. Counts one reference.
///
/// Results: `FS_OK`, `FS_EXISTS`, `FS_NOT_FOUND`, `FS_NOT_A_DIRECTORY`, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED`, `FS_READ_ONLY`,
/// `FS_NAME_TOO_LONG`, `FS_INVALID`, `FS_LIMIT`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_mknod(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    mode: u32,
    kind: u32,
    device: u64,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, entry) = (caller_in(caller)?, name_in(name, name_bytes)?, output_structure(entry)?);
            entry.put(view.0.make(&who, NodeId(parent), name, mode, new_node(kind, device)?)?.into());
            Ok(())
        })
    }
}

/// Makes a directory. Parameters and results as `fs_mknod`; also `FS_TOO_MANY_LINKS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_mkdir(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    mode: u32,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, entry) = (caller_in(caller)?, name_in(name, name_bytes)?, output_structure(entry)?);
            entry.put(view.0.make(&who, NodeId(parent), name, mode, NewNode::Directory)?.into());
            Ok(())
        })
    }
}

/// Makes a symbolic link. Parameters and results as `fs_mknod`.
///
/// `target`, `target_bytes`: where it leads, 1 to 4,095 bytes that are not interpreted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_symlink(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    target: *const c_char,
    target_bytes: usize,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, target) = (caller_in(caller)?, name_in(target, target_bytes)?);
            let (name, entry) = (name_in(name, name_bytes)?, output_structure(entry)?);
            entry.put(view.0.make(&who, NodeId(parent), name, 0o777, NewNode::Symlink(target))?.into());
            Ok(())
        })
    }
}

/// Removes a name of anything but a directory.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, `FS_IS_A_DIRECTORY`, `FS_NOT_A_DIRECTORY`, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED`, `FS_READ_ONLY`,
/// `FS_NAME_TOO_LONG`, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_unlink(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            Ok(view.0.unlink(&who, NodeId(parent), name)?)
        })
    }
}

/// Removes an empty directory. Results as `fs_unlink`; also `FS_NOT_EMPTY`, `FS_BUSY`; `FS_NOT_A_DIRECTORY` for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_rmdir(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            Ok(view.0.rmdir(&who, NodeId(parent), name)?)
        })
    }
}

/// Gives a node a further name.
///
/// `node`: which.
/// `parent`, `name`, `name_bytes`: the directory and the name.
/// `entry`: the answer; its `size` must be set. Counts one reference.
///
/// Results: `FS_OK`, `FS_EXISTS`, `FS_NOT_PERMITTED` for a directory, `FS_TOO_MANY_LINKS`, `FS_CROSSES_VOLUMES` when the two nodes are of
/// different switches, and as `fs_mknod`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_link(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, entry) = (caller_in(caller)?, name_in(name, name_bytes)?, output_structure(entry)?);
            entry.put(view.0.link(&who, NodeId(node), NodeId(parent), name)?.into());
            Ok(())
        })
    }
}

/// Moves or renames an entry, in one step to every observer.
///
/// `how`: `FS_RENAME_...`.
///
/// Results: `FS_OK`, `FS_NOT_FOUND`, `FS_EXISTS` with `FS_RENAME_NO_REPLACE`, `FS_IS_A_DIRECTORY`, `FS_NOT_A_DIRECTORY`, `FS_NOT_EMPTY`,
/// `FS_INTO_ITSELF`, `FS_CROSSES_VOLUMES`, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED`, `FS_READ_ONLY`, `FS_TOO_MANY_LINKS`, `FS_BUSY`,
/// `FS_NAME_TOO_LONG`, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_rename(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    new_parent: fs_node,
    new_name: *const c_char,
    new_name_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, new_name) = (caller_in(caller)?, name_in(new_name, new_name_bytes)?);
            let (name, how) = (name_in(name, name_bytes)?, rename_mode(how)?);
            Ok(view.0.rename(&who, NodeId(parent), name, NodeId(new_parent), new_name, how)?)
        })
    }
}

/// The target of a symbolic link, by the size protocol.
///
/// `into`, `capacity`: where it goes; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `target_bytes`: how long it is. No NUL is added.
///
/// Results: `FS_OK`, `FS_INVALID` when it is no symbolic link, `FS_BUFFER_TOO_SMALL`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readlink(
    view: *const fs_view,
    node: fs_node,
    into: *mut c_char,
    capacity: usize,
    target_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(target_bytes)?);
            put_sized(&view.0.read_link(NodeId(node))?, into, size)
        })
    }
}

const ALL_READDIR_FLAGS: u32 =
    FS_READDIR_ATTRIBUTES | FS_READDIR_DOTS | FS_READDIR_DOTS_BELOW_ROOT | FS_READDIR_UTF16 | FS_READDIR_ONLY_NEWS;

fn list_options(flags: u32) -> Outcome<ListOptions> {
    if flags & !ALL_READDIR_FLAGS != 0 {
        return Err(Error::Invalid("a listing flag that this version does not know").into());
    }
    Ok(ListOptions {
        attributes: flags & FS_READDIR_ATTRIBUTES != 0,
        only_news: flags & FS_READDIR_ONLY_NEWS != 0,
        dots: flags & FS_READDIR_DOTS != 0,
        dots_below_root: flags & FS_READDIR_DOTS_BELOW_ROOT != 0,
    })
}

/// Hands entries on to C.
struct Listing {
    callback: unsafe extern "C" fn(context: *mut c_void, entry: *const fs_dirent) -> bool,
    context: *mut c_void,
    utf16: bool,
    /// The entry's name; kept, so that a long listing allocates once.
    units: Vec<u16>,
    /// A name that UTF-16 cannot say ended the listing.
    refused: Option<Error>,
}

impl Listing {
    fn new(callback: fs_readdir_callback, context: *mut c_void, flags: u32) -> Outcome<Listing> {
        let callback = callback.ok_or(Fault::NullPointer)?;
        Ok(Listing { callback, context, utf16: flags & FS_READDIR_UTF16 != 0, units: Vec::new(), refused: None })
    }

    /// # Safety
    /// The callback and its context are as the header asks.
    unsafe fn take(&mut self, entry: &DirEntry<'_>) -> bool {
        self.units.clear();
        if self.utf16
            && let Err(error) = wtf8::extend_utf16(entry.name, &mut self.units)
        {
            self.refused = Some(error);
            return false;
        }
        let attr = entry.attr.map(fs_attr::from);
        let entry = dirent(entry, attr.as_ref(), self.utf16.then_some(&self.units));
        // SAFETY: the caller's promise is this function's own; the entry lives until the callback returns.
        unsafe { (self.callback)(self.context, &entry) }
    }

    fn done<T>(self, answer: crate::error::Result<T>) -> Outcome<T> {
        let answer = answer?;
        self.refused.map_or(Ok(answer), |error| Err(error.into()))
    }
}

fn dirent(entry: &DirEntry<'_>, attr: Option<&fs_attr>, units: Option<&Vec<u16>>) -> fs_dirent {
    fs_dirent {
        size: size_of::<fs_dirent>() as u32,
        kind: entry.kind as u32,
        node: entry.node.0,
        inode: entry.inode.0,
        cookie: entry.cookie,
        name: entry.name.as_ptr().cast(),
        name_bytes: entry.name.len(),
        attr: attr.map_or(std::ptr::null(), std::ptr::from_ref),
        name_utf16: units.map_or(std::ptr::null(), |units| units.as_ptr()),
        name_units: units.map_or(0, Vec::len),
        reserved: [0; 3],
    }
}

/// Gives the entries of a directory to `callback`, in an order that stays while entries come and go: an entry that is there
/// throughout several calls is given exactly once. What fails after an entry was taken ends the call with `FS_OK`, and is the answer to the
/// next, which goes on after that entry.
///
/// `handle`: the directory opened for reading, or `FS_HANDLE_NONE`: the caller's permission is checked then.
/// `cookie`: 0, or that of the entry after which to go on.
/// `flags`: `FS_READDIR_...` bits.
/// `callback`: called by this thread before the function returns; it may use the volume.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`, `FS_NOT_A_DIRECTORY`, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`, `FS_INVALID` for an unknown flag, `FS_STALE`;
/// `FS_BAD_UTF8` at the entry, with `FS_READDIR_UTF16`, whose name no UTF-16 stands for (there is none with `FS_NAMES_WINDOWS` or
/// `FS_NAMES_MACOS`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readdir(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    cookie: u64,
    flags: u32,
    callback: fs_readdir_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let (who, mut listing) = (caller_in(caller)?, Listing::new(callback, context, flags)?);
            let (options, mut take) = (list_options(flags)?, |entry: &DirEntry<'_>| listing.take(entry));
            let answer = view.0.list(&who, NodeId(node), handle_in(handle), cookie, options, &mut take);
            listing.done(answer)
        })
    }
}

/// Says that a listing with `FS_READDIR_ATTRIBUTES` is about to go on: what it will read of a large directory is read now, so that it does
/// not wait for memory then. For a host that has just answered one part of a listing and has nothing else to do. Changes nothing.
///
/// `cookie`: after which entry it will go on.
/// `entries`: about how many it will take. Any number: no more than a thousand are looked at.
///
/// Any thread may call it, beside all other calls.
///
/// Results: `FS_OK`, also where there is nothing to read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readdir_ahead(
    view: *const fs_view,
    node: fs_node,
    cookie: u64,
    entries: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            view.0.list_ahead(NodeId(node), cookie, entries);
            Ok(())
        })
    }
}

/// As `fs_readdir`, for hosts that must know whether the directory changed between two calls (FSKit's enumerateDirectory).
///
/// `verifier_before`: with a cookie other than 0 the verifier that was answered with it. The cookie stays good while entries come and go;
/// it is refused when the two are not of this directory as the view shows it since its last switch.
/// `verifier`: the directory's verifier now: never 0, and another after every change of its entries.
///
/// Results: as `fs_readdir`; `FS_BAD_COOKIE` when the listing cannot go on there and must begin anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readdir_verified(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    cookie: u64,
    verifier_before: u64,
    flags: u32,
    callback: fs_readdir_callback,
    context: *mut c_void,
    verifier: *mut u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let (who, mut listing) = (caller_in(caller)?, Listing::new(callback, context, flags)?);
            let (verifier, options) = (output(verifier)?, list_options(flags)?);
            let from = ListFrom::Verified { cookie, verifier: verifier_before };
            let mut take = |entry: &DirEntry<'_>| listing.take(entry);
            let now = view.0.list_from(&who, NodeId(node), handle_in(handle), from, options, &mut take);
            verifier.put(listing.done(now)?);
            Ok(())
        })
    }
}

/// As `fs_readdir`, but goes on after a name (WinFsp's ReadDirectory). When the entry has gone meanwhile, after where it was.
///
/// `marker`, `marker_bytes`: the name of the entry given last, `.` or `..` too; of length 0: from the start. UTF-16 with
/// `FS_READDIR_UTF16`.
///
/// Results: as `fs_readdir`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readdir_after(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    marker: *const c_char,
    marker_bytes: usize,
    flags: u32,
    callback: fs_readdir_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let (who, mut listing) = (caller_in(caller)?, Listing::new(callback, context, flags)?);
            let (options, marker) = (list_options(flags)?, name_of(marker, marker_bytes, listing.utf16)?);
            let mut take = |entry: &DirEntry<'_>| listing.take(entry);
            let from = ListFrom::Name(&marker);
            let answer = view.0.list_from(&who, NodeId(node), handle_in(handle), from, options, &mut take);
            listing.done(answer)?;
            Ok(())
        })
    }
}

/// Gives the one entry of this name to `callback`, with its name as it is stored: on a volume that takes several spellings for one, that
/// of the entry (WinFsp's GetDirInfoByName, FSKit's lookupItem). Needs search permission, as `fs_lookup` does.
///
/// `name`, `name_bytes`: the name, `.` and `..` too. UTF-16 with `FS_READDIR_UTF16`.
/// `flags`: `FS_READDIR_...` bits; those about `.` and `..` have no effect.
/// `callback`: called once, by this thread before the function returns; with `FS_READDIR_ATTRIBUTES` an entry taken counts one
/// reference.
/// `context`: handed to it; may be NULL.
///
/// Results: as `fs_lookup` and `fs_readdir`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_readdir_one(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    flags: u32,
    callback: fs_readdir_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(view, |view| {
            let (who, mut listing) = (caller_in(caller)?, Listing::new(callback, context, flags)?);
            let (options, name) = (list_options(flags)?, name_of(name, name_bytes, listing.utf16)?);
            let mut take = |entry: &DirEntry<'_>| listing.take(entry);
            let answer = view.0.list_one(&who, NodeId(node), &name, options, &mut take);
            listing.done(answer)
        })
    }
}

/// Path: UTF-16, its components separated by backslashes, as Windows has it.
pub const FS_PATH_WINDOWS: u32 = 2;

/// The path of a node from the root, with a leading `/`, its names as they are stored; of a file with several names, one of them. By the
/// size protocol.
///
/// `flags`: `FS_PATH_WINDOWS`: as `\\dir\\file` in UTF-16 (WinFsp's normalized name, GetFinalPathNameByHandle); or 0.
/// `into`, `capacity`: where it goes, and its size in bytes; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `path_bytes`: how many bytes it has, also of UTF-16. No NUL is added.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_NOT_FOUND` for a node without a name, `FS_BAD_UTF8` where no UTF-16 stands for a name,
/// `FS_INVALID` for an unknown flag, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_node_path(
    view: *const fs_view,
    node: fs_node,
    flags: u32,
    into: *mut c_char,
    capacity: usize,
    path_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(path_bytes)?);
            if flags & !FS_PATH_WINDOWS != 0 {
                return Err(Error::Invalid("a path flag that this version does not know").into());
            }
            let path = view.0.path_of(NodeId(node))?;
            if flags == 0 {
                return put_sized(&path, into, size);
            }
            put_sized(bytemuck::cast_slice(&windows_path::to_utf16(&path)?), into, size)
        })
    }
}

//! Control: snapshots, branches, switches, diffs and counters asked for through a mount, as fixed-size messages. The same on
//! every host, whatever carries them there: an ioctl, a device control code, a socket.

mod base;
pub mod messages;

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result, tables};
use crate::history::diff::DiffEntry;
use crate::history::holdings::Holdings;
use crate::history::refs::RefInfo;
use crate::meter::{LATENCY_BUCKETS, OPERATIONS, Operation};
use crate::types::{BranchId, Caller, Privileges, RefId, SnapshotId, ViewId};
use crate::volume::view::View;
use crate::volume::{Activity, ViewInfo, Volume};
use messages::*;

/// A message: plain bytes that begin with a header.
pub trait Message: Pod {
    /// Its number.
    const REQUEST: u32;
    /// Its header.
    fn header(&mut self) -> &mut fs_control_header;
}

macro_rules! messages {
    ($($message:ty = $request:expr;)*) => {
        $(
            const _: () = assert!(size_of::<$message>() <= 16_383, "an ioctl carries at most 16,383 bytes");
            impl Message for $message {
                const REQUEST: u32 = $request;
                fn header(&mut self) -> &mut fs_control_header {
                    &mut self.header
                }
            }
        )*
    };
}

messages! {
    fs_control_info = request::FS_CONTROL_INFO;
    fs_control_snapshot = request::FS_CONTROL_SNAPSHOT;
    fs_control_list = request::FS_CONTROL_LIST;
    fs_control_branch = request::FS_CONTROL_BRANCH;
    fs_control_switch = request::FS_CONTROL_SWITCH;
    fs_control_rename = request::FS_CONTROL_RENAME;
    fs_control_delete = request::FS_CONTROL_DELETE;
    fs_control_diff_open = request::FS_CONTROL_DIFF_OPEN;
    fs_control_diff_read = request::FS_CONTROL_DIFF_READ;
    fs_control_diff_close = request::FS_CONTROL_DIFF_CLOSE;
    fs_control_stats = request::FS_CONTROL_STATS;
    fs_control_views = request::FS_CONTROL_VIEWS;
    fs_control_attach = request::FS_CONTROL_ATTACH;
    fs_control_activity = request::FS_CONTROL_ACTIVITY;
    fs_control_holdings = request::FS_CONTROL_HOLDINGS;
    fs_control_check = request::FS_CONTROL_CHECK;
    fs_control_base = request::FS_CONTROL_BASE;
    fs_control_origin = request::FS_CONTROL_ORIGIN;
    fs_control_revert = request::FS_CONTROL_REVERT;
    fs_control_ranges = request::FS_CONTROL_RANGES;
}

/// An empty message of its kind, its header filled in.
#[must_use]
pub fn message<M: Message>() -> M {
    let mut message = M::zeroed();
    let header = message.header();
    header.size = size_of::<M>() as u32;
    header.version = FS_CONTROL_VERSION;
    message
}

/// The number of a request as Linux' ioctl wants it: `_IOWR('B', request, message)`.
#[must_use]
pub const fn ioctl_number<M: Message>() -> u32 {
    3 << 30 | (size_of::<M>() as u32) << 16 | (b'B' as u32) << 8 | M::REQUEST
}

/// A name or label as text; what is not UTF-8 in it is replaced.
#[must_use]
pub fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(until_nul(bytes)).into_owned()
}

/// A field filled with a name or label; what does not fit is cut.
#[must_use]
pub fn filled<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let length = text.len().min(N - 1);
    bytes[..length].copy_from_slice(&text[..length]);
    bytes
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The name in a field; `None` when it is empty.
fn name_in(field: &fs_control_name) -> Result<Option<&str>> {
    if !field.bytes.contains(&0) {
        return Err(Error::BadRefName("it is longer than 255 bytes"));
    }
    let name = std::str::from_utf8(until_nul(&field.bytes)).map_err(|_| Error::BadRefName("it is not UTF-8"))?;
    Ok((!name.is_empty()).then_some(name))
}

fn required(name: Option<&str>) -> Result<&str> {
    name.ok_or(Error::BadRefName("it is empty"))
}

fn name_field(name: &str) -> fs_control_name {
    fs_control_name { bytes: filled(name.as_bytes()) }
}

fn split(id: RefId) -> (u64, u32) {
    match id {
        RefId::Branch(id) => (id.0, FS_REF_BRANCH),
        RefId::Snapshot(id) => (id.0, FS_REF_SNAPSHOT),
    }
}

fn join(id: u64, kind: u32) -> Option<RefId> {
    match kind {
        FS_REF_BRANCH => Some(RefId::Branch(BranchId(id))),
        FS_REF_SNAPSHOT => Some(RefId::Snapshot(SnapshotId(id))),
        _ => None,
    }
}

impl View {
    /// Answers a control message in place. The caller must own the volume or have [`Privileges::ADMIN`].
    ///
    /// A confined view answers only what it is, and not where its host listens: whoever works in it shall not reach other branches.
    ///
    /// Errors: [`Error::BadStructure`] for an unknown request, size or version, [`Error::NotPermitted`]; nothing is written then.
    /// What goes wrong in carrying a request out stands in the message's header.
    pub fn control(self: &Arc<View>, caller: &Caller<'_>, request: u32, bytes: &mut [u8]) -> Result<()> {
        if caller.uid != self.volume.owner_uid() && !caller.may(Privileges::ADMIN) {
            return Err(Error::NotPermitted);
        }
        if self.info().confined && request != request::FS_CONTROL_INFO {
            return Err(Error::NotPermitted);
        }
        match request {
            request::FS_CONTROL_INFO => answer(bytes, |message| self.control_info(message)),
            request::FS_CONTROL_SNAPSHOT => answer(bytes, |message| self.control_snapshot(message)),
            request::FS_CONTROL_LIST => answer(bytes, |message| self.control_list(message)),
            request::FS_CONTROL_BRANCH => answer(bytes, |message| self.control_branch(message)),
            request::FS_CONTROL_SWITCH => answer(bytes, |message| self.control_switch(message)),
            request::FS_CONTROL_RENAME => answer(bytes, |message| self.control_rename(message)),
            request::FS_CONTROL_DELETE => answer(bytes, |message| self.control_delete(message)),
            request::FS_CONTROL_DIFF_OPEN => answer(bytes, |message| self.control_diff_open(message)),
            request::FS_CONTROL_DIFF_READ => answer(bytes, |message| self.control_diff_read(message)),
            request::FS_CONTROL_DIFF_CLOSE => answer(bytes, |message| self.control_diff_close(message)),
            request::FS_CONTROL_STATS => answer(bytes, |message| self.control_stats(message)),
            request::FS_CONTROL_VIEWS => answer(bytes, |message| self.control_views(message)),
            request::FS_CONTROL_ACTIVITY => answer(bytes, |message| self.control_activity(message)),
            request::FS_CONTROL_HOLDINGS => answer(bytes, |message| self.control_holdings(message)),
            request::FS_CONTROL_CHECK => answer(bytes, |message| self.control_check(message)),
            request::FS_CONTROL_BASE => answer(bytes, |message| self.control_base(message)),
            request::FS_CONTROL_ORIGIN => answer(bytes, |message| self.control_origin(message)),
            request::FS_CONTROL_REVERT => answer(bytes, |message| self.control_revert(message)),
            request::FS_CONTROL_RANGES => answer(bytes, |message| self.control_ranges(message)),
            _ => Err(Error::BadStructure("no control request of that number")),
        }
    }

    fn control_info(&self, message: &mut fs_control_info) -> Result<()> {
        let info = self.info();
        let shows = self.volume.ref_info(info.shows)?;
        message.volume = name_field(self.volume.name());
        message.shows = name_field(&shows.name);
        (message.shows_id, message.shows_kind) = split(info.shows);
        message.flags = flags_of(&info);
        message.view = info.id.0;
        message.pid = std::process::id();
        message.ignores_case = u32::from(self.volume.ignores_case());
        message.label = fs_control_label { bytes: filled(info.label.as_bytes()) };
        let endpoint = if info.confined { "" } else { self.volume.endpoint() };
        message.endpoint = fs_control_label { bytes: filled(endpoint.as_bytes()) };
        Ok(())
    }

    fn control_snapshot(&self, message: &mut fs_control_snapshot) -> Result<()> {
        let of = match name_in(&message.branch)? {
            Some(name) => self.volume.find(name)?,
            None => self.info().shows,
        };
        let RefId::Branch(branch) = of else {
            return Err(Error::Invalid("that is a snapshot; snapshots are taken of branches"));
        };
        let id = self.volume.create_snapshot(branch, name_in(&message.name)?)?;
        message.name = name_field(&self.volume.ref_info(RefId::Snapshot(id))?.name);
        message.id = id.0;
        Ok(())
    }

    fn control_list(&self, message: &mut fs_control_list) -> Result<()> {
        let after = join(message.after_id, message.after_kind);
        let page = self.volume.list_refs(after, FS_CONTROL_LIST_ENTRIES);
        message.count = page.len() as u32;
        for (entry, info) in message.entries.iter_mut().zip(&page) {
            *entry = ref_entry(info);
        }
        Ok(())
    }

    fn control_branch(&self, message: &mut fs_control_branch) -> Result<()> {
        let from = match name_in(&message.from)? {
            Some(name) => self.volume.find(name)?,
            None => self.info().shows,
        };
        message.id = self.volume.create_branch(required(name_in(&message.name)?)?, from)?.0;
        Ok(())
    }

    fn control_switch(&self, message: &mut fs_control_switch) -> Result<()> {
        self.switch(self.volume.find(required(name_in(&message.to)?)?)?)
    }

    fn control_rename(&self, message: &mut fs_control_rename) -> Result<()> {
        let id = self.volume.find_kind(required(name_in(&message.from)?)?, message.kind)?;
        self.volume.rename_ref(id, required(name_in(&message.to)?)?)
    }

    fn control_delete(&self, message: &mut fs_control_delete) -> Result<()> {
        let id = self.volume.find_kind(required(name_in(&message.name)?)?, message.kind)?;
        match message.changes {
            0 => self.volume.delete_ref(id),
            changes => self.volume.delete_unchanged(id, changes),
        }
    }

    fn control_diff_open(&self, message: &mut fs_control_diff_open) -> Result<()> {
        let after = match name_in(&message.after)? {
            Some(name) => self.volume.find(name)?,
            None => self.info().shows,
        };
        let before = match name_in(&message.before)? {
            Some(name) => self.volume.find(name)?,
            None => self.volume.ref_info(after)?.parent.ok_or(Error::Invalid("it grew from nothing: name two"))?,
        };
        message.id = self.volume.open_diff(self.volume.diff(before, after)?);
        Ok(())
    }

    fn control_diff_read(&self, message: &mut fs_control_diff_read) -> Result<()> {
        message.count = self.volume.sessions.read(message.id, &mut message.data, &*self.volume.context.clock)? as u32;
        Ok(())
    }

    fn control_diff_close(&self, message: &mut fs_control_diff_close) -> Result<()> {
        self.volume.close_diff(message.id);
        Ok(())
    }

    fn control_stats(&self, message: &mut fs_control_stats) -> Result<()> {
        let stats = self.volume.stats();
        message.branches = stats.branches;
        message.snapshots = stats.snapshots;
        message.views = stats.views;
        message.nodes = self.reference_count();
        message.memory_bytes = stats.memory_bytes;
        message.used_bytes = stats.used_bytes;
        message.capacity_bytes = stats.capacity_bytes;
        message.chunks = stats.chunks;
        message.small_bytes = stats.small_bytes;
        message.chunks_allocated = stats.chunks_allocated;
        message.chunks_copied = stats.chunks_copied;
        message.spill_bytes = stats.spill_bytes;
        Ok(())
    }

    fn control_activity(&self, message: &mut fs_control_activity) -> Result<()> {
        message.activity = fs_activity::of(&self.volume.activity());
        Ok(())
    }

    fn control_check(&self, message: &mut fs_control_check) -> Result<()> {
        let report = self.volume.check_invariants(message.flags & FS_CONTROL_STILL != 0);
        let problems: String = report.problems.iter().map(|problem| format!("{problem}\n")).collect();
        message.problems = filled(problems.as_bytes());
        message.problem_bytes = problems.len().min(FS_CONTROL_PROBLEM_BYTES - 1) as u32;
        message.trees = report.trees;
        message.inodes = report.inodes;
        message.entries = report.entries;
        message.chunks = report.chunks;
        message.small_buffers = report.small_buffers;
        message.problem_count = report.problem_count;
        Ok(())
    }

    fn control_holdings(&self, message: &mut fs_control_holdings) -> Result<()> {
        let after = join(message.after_id, message.after_kind);
        let mut page = self.volume.list_refs(after, FS_CONTROL_HOLDINGS_ENTRIES + 1);
        message.more = u32::from(page.len() > FS_CONTROL_HOLDINGS_ENTRIES);
        page.truncate(FS_CONTROL_HOLDINGS_ENTRIES);
        message.count = page.len() as u32;
        for (entry, info) in message.entries.iter_mut().zip(&page) {
            let (id, kind) = split(info.id);
            // What has been deleted since it was listed holds nothing.
            let holdings = fs_holdings::of(&self.volume.holdings(info.id).unwrap_or_default());
            *entry = fs_control_holding { name: name_field(&info.name), id, kind, reserved: 0, holdings };
        }
        Ok(())
    }

    fn control_views(&self, message: &mut fs_control_views) -> Result<()> {
        let mut views = self.volume.views();
        views.retain(|view| view.id > ViewId(message.after));
        message.count = views.len().min(FS_CONTROL_VIEWS_ENTRIES) as u32;
        for (entry, info) in message.entries.iter_mut().zip(&views) {
            *entry = view_entry(&self.volume, info);
        }
        Ok(())
    }
}

impl fs_activity {
    pub(crate) fn of(activity: &Activity) -> fs_activity {
        const { assert!(OPERATIONS <= FS_OPERATIONS && LATENCY_BUCKETS == FS_LATENCY_BUCKETS) };
        let mut answer = fs_activity {
            size: size_of::<fs_activity>() as u32,
            resident_bytes: activity.resident_bytes,
            chunk_reads: activity.chunk_reads,
            faults: activity.faults,
            ahead_hits: activity.ahead_hits,
            stalls: activity.stalls,
            evictions: activity.evictions,
            spill_read_bytes: activity.spill_read_bytes,
            spill_written_bytes: activity.spill_written_bytes,
            ..fs_activity::zeroed()
        };
        let known = Operation::ALL.iter().zip(&activity.operations);
        for (place, (operation, stats)) in answer.operations.iter_mut().zip(known) {
            *place = fs_operation {
                name: filled(operation.name().as_bytes()),
                count: stats.count,
                timed: stats.timed,
                total_ns: stats.total_ns,
                slowest_ns: stats.slowest_ns,
                buckets: stats.buckets,
            };
        }
        answer
    }
}

impl fs_holdings {
    pub(crate) fn of(holdings: &Holdings) -> fs_holdings {
        fs_holdings {
            size: size_of::<fs_holdings>() as u32,
            reserved0: 0,
            inodes: holdings.inodes,
            content_bytes: holdings.content_bytes,
            shared_bytes: holdings.shared_bytes(),
            exclusive_inodes: holdings.exclusive.inodes,
            exclusive_content_bytes: holdings.exclusive.content_bytes,
            exclusive_memory_bytes: holdings.exclusive.memory_bytes,
            exclusive_spilled_bytes: holdings.exclusive.spilled_bytes,
            exclusive_metadata_bytes: holdings.exclusive.metadata_bytes,
            reserved: [0; 3],
        }
    }
}

/// Reads a message out of `bytes`, runs `run` on it, and writes it back with the result in its header.
fn answer<M: Message>(bytes: &mut [u8], run: impl FnOnce(&mut M) -> Result<()>) -> Result<()> {
    if bytes.len() != size_of::<M>() {
        return Err(Error::BadStructure("the control message has another size in this version"));
    }
    let mut message: M = bytemuck::pod_read_unaligned(bytes);
    let header = *message.header();
    if header.version != FS_CONTROL_VERSION || header.size as usize != bytes.len() {
        return Err(Error::BadStructure("the control message has another version or size than this volume's host"));
    }
    match run(&mut message) {
        Ok(()) => set_result(message.header(), 0, ""),
        Err(error) => set_result(message.header(), tables::code(&error), &error.to_string()),
    }
    bytes.copy_from_slice(bytemuck::bytes_of(&message));
    Ok(())
}

fn set_result(header: &mut fs_control_header, result: u32, text: &str) {
    header.result = result;
    header.text = filled(text.as_bytes());
}

fn flags_of(info: &ViewInfo) -> u32 {
    let read_only = if info.read_only { FS_CONTROL_READ_ONLY } else { 0 };
    let no_access_time = if info.no_access_time { FS_CONTROL_NO_ACCESS_TIME } else { 0 };
    let confined = if info.confined { FS_CONTROL_CONFINED } else { 0 };
    read_only | no_access_time | confined
}

fn ref_entry(info: &RefInfo) -> fs_control_ref {
    let (id, kind) = split(info.id);
    let (parent_id, parent_kind) = info.parent.map_or((0, 0), split);
    fs_control_ref {
        name: name_field(&info.name),
        id,
        parent_id,
        kind,
        parent_kind,
        created: info.created.0,
        children: info.children,
        views: info.views,
        inodes: info.inodes,
        changes: info.changes,
    }
}

fn view_entry(volume: &Volume, info: &ViewInfo) -> fs_control_view {
    let (shows_id, shows_kind) = split(info.shows);
    let name = volume.ref_info(info.shows).map_or_else(|_| "".into(), |shows| shows.name);
    fs_control_view {
        id: info.id.0,
        shows_id,
        shows_kind,
        flags: flags_of(info),
        shows: name_field(&name),
        label: fs_control_label { bytes: filled(info.label.as_bytes()) },
    }
}

/// A difference as it travels: a record and the two paths.
pub(crate) fn encode_difference(entry: &DiffEntry, into: &mut Vec<u8>) {
    let old_path = entry.old_path.as_deref().unwrap_or_default();
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let record = fs_control_diff_record {
        inode: entry.inode.0,
        kind: entry.kind as u32,
        aspects: entry.aspects.0,
        file_kind: entry.file_kind as u32,
        path_bytes: entry.path.len() as u32,
        old_path_bytes: old_path.len() as u32,
        changed_by: bit(entry.changed_by.before, FS_CONTROL_CHANGED_BEFORE)
            | bit(entry.changed_by.after, FS_CONTROL_CHANGED_AFTER)
            | bit(entry.further_names, FS_CONTROL_FURTHER_NAMES),
    };
    into.extend_from_slice(bytemuck::bytes_of(&record));
    into.extend_from_slice(&entry.path);
    into.extend_from_slice(old_path);
}

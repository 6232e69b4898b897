//! Share modes, delete-pending, deletion and renames against a naive model: random sequences on a few names, every result and the
//! directory compared after each step.

use std::collections::BTreeMap;

use bough::windows::{create_options as options, rights};
use bough::{Disposal, Disposition, Error, HandleId, Renaming, WindowsOpen};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::windows::*;
use crate::support::*;

const NAMES: [&str; 3] = ["a", "b", "c"];
const ACCESSES: [u32; 5] =
    [rights::READ_DATA, rights::WRITE_DATA, rights::DELETE, rights::FILE_ALL, rights::READ_ATTRIBUTES];
const DISPOSITIONS: [Disposition; 6] = [
    Disposition::Supersede,
    Disposition::Open,
    Disposition::Create,
    Disposition::OpenIf,
    Disposition::Overwrite,
    Disposition::OverwriteIf,
];

#[derive(Debug, Clone)]
enum Op {
    Open { name: usize, access: usize, share: u32, disposition: usize, on_close: bool },
    Close(usize),
    CleanUp(usize),
    Dispose(usize, Disposal),
    Rename(usize, usize, Renaming),
    Unlink(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let share = prop_oneof![3 => Just(7_u32), 2 => 0..8_u32];
    let dispose = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(delete, posix, on_close)| Disposal { delete, posix, on_close, ..Disposal::default() });
    let renaming =
        (any::<bool>(), any::<bool>()).prop_map(|(replace, posix)| Renaming { replace, posix, ..Renaming::default() });
    prop_oneof![
        8 => (0..3_usize, 0..5_usize, share, 0..6_usize, prop::bool::weighted(0.15)).prop_map(
            |(name, access, share, disposition, on_close)| Op::Open { name, access, share, disposition, on_close }
        ),
        3 => (0..8_usize).prop_map(Op::Close),
        1 => (0..8_usize).prop_map(Op::CleanUp),
        4 => (0..8_usize, dispose).prop_map(|(handle, how)| Op::Dispose(handle, how)),
        4 => (0..8_usize, 0..3_usize, renaming).prop_map(|(handle, to, how)| Op::Rename(handle, to, how)),
        1 => (0..3_usize).prop_map(Op::Unlink),
    ]
}

/// A handle as the model has it.
#[derive(Debug, Clone)]
struct Open {
    id: HandleId,
    file: u32,
    access: u32,
    share: u32,
    on_close: bool,
    posix: bool,
    /// Cleaned up.
    ended: bool,
}

impl Open {
    /// What it does, as share bits.
    fn does(&self) -> u32 {
        does(self.access)
    }

    fn counts(&self) -> bool {
        self.does() != 0
    }
}

fn does(access: u32) -> u32 {
    let bit = |right: u32, bit: u32| if access & right != 0 { bit } else { 0 };
    bit(rights::READ_DATA | rights::EXECUTE, 1)
        | bit(rights::WRITE_DATA | rights::APPEND_DATA, 2)
        | bit(rights::DELETE, 4)
}

#[derive(Debug, Default)]
struct Model {
    names: BTreeMap<usize, u32>,
    /// Files that are to be deleted.
    pending: Vec<u32>,
    /// Files without a name.
    gone: Vec<u32>,
    handles: Vec<Open>,
    last: u32,
}

impl Model {
    fn holders(&self, file: u32) -> impl Iterator<Item = &Open> {
        self.handles.iter().filter(move |open| open.file == file && !open.ended)
    }

    fn agrees(&self, file: u32, access: u32, share: u32, extra: u32) -> bool {
        let (mine, all) = (does(access), does(access) | extra);
        self.holders(file).filter(|open| open.counts()).all(|open| {
            let lets_me = open.share & all == all;
            let i_let = mine == 0 || share & open.does() == open.does();
            lets_me && (mine != 0 || extra == 0 || share & open.does() == open.does()) && i_let
        })
    }

    fn open(&mut self, name: usize, access: u32, share: u32, how: Disposition, on_close: bool) -> Result<u32, Error> {
        if on_close && access & rights::DELETE == 0 {
            // Refused for what it asks, unless the name refuses first.
            let pending = self.names.get(&name).is_some_and(|file| self.pending.contains(file));
            return Err(if pending { Error::DeletePending } else { Error::Invalid("") });
        }
        let Some(&file) = self.names.get(&name) else {
            if matches!(how, Disposition::Open | Disposition::Overwrite) {
                return Err(Error::NotFound);
            }
            self.last += 1;
            self.names.insert(name, self.last);
            return Ok(self.last);
        };
        if self.pending.contains(&file) {
            return Err(Error::DeletePending);
        }
        let extra = match how {
            Disposition::Create => return Err(Error::Exists),
            Disposition::Supersede => 4,
            Disposition::Overwrite | Disposition::OverwriteIf => 2,
            Disposition::Open | Disposition::OpenIf => 0,
        };
        if self.agrees(file, access, share, extra) { Ok(file) } else { Err(Error::SharingViolation) }
    }

    fn clean_up(&mut self, index: usize) {
        let open = &mut self.handles[index];
        if std::mem::replace(&mut open.ended, true) {
            return;
        }
        let (file, on_close, posix) = (open.file, open.on_close, open.posix);
        if on_close && !self.gone.contains(&file) {
            self.pending.push(file);
        }
        let last = self.holders(file).next().is_none();
        if self.pending.contains(&file) && (last || posix) {
            self.lose_name(file);
        }
    }

    fn lose_name(&mut self, file: u32) {
        self.names.retain(|_, named| *named != file);
        self.pending.retain(|pending| *pending != file);
        self.gone.push(file);
    }

    fn dispose(&mut self, index: usize, how: Disposal) -> Result<(), Error> {
        let open = &self.handles[index];
        let file = open.file;
        if open.access & rights::DELETE == 0 {
            return Err(Error::AccessDenied);
        }
        if open.ended {
            return Err(Error::BadHandle);
        }
        // Whether it is to go when the handle ends can be unsaid of what has gone; nothing else can.
        if self.gone.contains(&file) && (how.delete || !how.on_close) {
            return Err(Error::Deleted);
        }
        if how.on_close {
            self.handles[index].on_close = how.delete;
        } else {
            self.pending.retain(|pending| *pending != file);
            if how.delete {
                self.pending.push(file);
            }
        }
        self.handles[index].posix = how.delete && how.posix;
        Ok(())
    }

    fn rename(&mut self, index: usize, to: usize, how: Renaming) -> Result<(), Error> {
        let open = &self.handles[index];
        let file = open.file;
        match open {
            open if open.ended => return Err(Error::BadHandle),
            open if open.access & rights::DELETE == 0 => return Err(Error::AccessDenied),
            _ if self.pending.contains(&file) || self.gone.contains(&file) => return Err(Error::AccessDenied),
            _ => {}
        }
        match self.names.get(&to).copied() {
            Some(target) if target == file => return Ok(()),
            Some(_) if !how.replace => return Err(Error::Exists),
            Some(target) if self.pending.contains(&target) => return Err(Error::AccessDenied),
            Some(target) => {
                let open: Vec<&Open> = self.holders(target).collect();
                if !open.is_empty() && !how.posix {
                    return Err(Error::AccessDenied);
                }
                if open.iter().any(|open| open.counts() && open.share & 4 == 0) {
                    return Err(Error::SharingViolation);
                }
                self.lose_name(target);
            }
            None => {}
        }
        self.names.retain(|_, named| *named != file);
        self.names.insert(to, file);
        Ok(())
    }
}

/// Texts of errors are not the model's to know.
fn kind<T>(result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|error| if let Error::Invalid(_) = error { Error::Invalid("") } else { error })
}

struct Run {
    fs: Fs,
    model: Model,
    /// Inodes by the model's files.
    inodes: BTreeMap<u32, u64>,
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Open { name, access, share, disposition, on_close } => {
                self.open(name, access, share, disposition, on_close)
            }
            Op::Close(pick) => {
                let Some(index) = self.pick(pick) else { return };
                self.model.clean_up(index);
                self.fs.close(self.model.handles.remove(index).id);
            }
            Op::CleanUp(pick) => {
                let Some(index) = self.pick(pick) else { return };
                self.model.clean_up(index);
                self.fs.windows_clean_up(self.model.handles[index].id).unwrap();
            }
            Op::Dispose(pick, how) => {
                let Some(index) = self.pick(pick) else { return };
                let id = self.model.handles[index].id;
                assert_eq!(self.fs.windows_dispose(id, how), self.model.dispose(index, how));
            }
            Op::Rename(pick, to, how) => {
                let Some(index) = self.pick(pick) else { return };
                let id = self.model.handles[index].id;
                assert_eq!(self.fs.rename_handle(id, NAMES[to], how), self.model.rename(index, to, how));
            }
            Op::Unlink(name) => {
                let found = self.fs.path_unlink(&ROOT, at(NAMES[name]));
                let file = self.model.names.get(&name).copied();
                assert_eq!(found, file.map(drop).ok_or(Error::NotFound));
                file.into_iter().for_each(|file| self.model.lose_name(file));
            }
        }
    }

    fn pick(&self, pick: usize) -> Option<usize> {
        let count = self.model.handles.len();
        (count > 0).then(|| pick % count)
    }

    fn open(&mut self, name: usize, access: usize, share: u32, disposition: usize, on_close: bool) {
        let (access, disposition) = (ACCESSES[access], DISPOSITIONS[disposition]);
        let options = if on_close { options::DELETE_ON_CLOSE } else { 0 };
        let request = WindowsOpen { access, share, disposition, options, ..READING };
        let found = kind(self.fs.ask(NAMES[name], request));
        let wanted = self.model.open(name, access, share, disposition, on_close);
        assert_eq!(found.as_ref().map(drop).map_err(Clone::clone), wanted.as_ref().map(drop).map_err(Clone::clone));
        if let (Ok(opened), Ok(file)) = (found, wanted) {
            assert_eq!(*self.inodes.entry(file).or_insert(opened.attr.inode.0), opened.attr.inode.0, "another file");
            let open = Open { id: opened.handle, file, access, share, on_close, posix: false, ended: false };
            self.model.handles.push(open);
        }
    }

    fn compare(&self) {
        let named: Vec<(String, u64)> =
            self.model.names.iter().map(|(name, file)| (NAMES[*name].into(), self.inodes[file])).collect();
        let there: Vec<(String, u64)> =
            self.fs.names("/").into_iter().map(|name| (name.clone(), self.fs.stat(&name).inode.0)).collect();
        assert_eq!(there, named);
        for open in self.model.handles.iter().filter(|open| !open.ended) {
            let pending = self.model.pending.contains(&open.file) || self.model.gone.contains(&open.file);
            assert_eq!(self.fs.windows_info(open.id).unwrap().delete_pending, pending, "{open:?}");
        }
    }
}

#[test]
fn opens_deletions_and_renames_do_what_a_naive_model_says() {
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() };
    let sequences = prop::collection::vec(op(), 1..60);
    let outcome = TestRunner::new(config).run(&sequences, |ops| {
        let mut run = Run { fs: Fs::new(), model: Model::default(), inodes: BTreeMap::new() };
        for op in &ops {
            run.step(op);
            run.compare();
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

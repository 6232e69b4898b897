//! Locks on files, by node: of ranges and of the whole, taken, waited for and given up.

use super::view::View;
use crate::error::{Error, Result};
use crate::history::head::Head;
use crate::meter::Operation;
use crate::operations::lock_table::{Conflict, Lock, LockSpace, WaitId};
use crate::types::NodeId;

impl View {
    fn locking<R>(&self, node: NodeId, with: impl FnOnce(&Head) -> Result<R>) -> Result<R> {
        self.with(node, |at| match at.tree.head() {
            Some(head) => with(head),
            // Nobody can change a snapshot, so whoever reads it needs no lock against anybody.
            None => Err(Error::NotSupported),
        })
    }

    /// As [`View::locking`], for a node that must be there: locks on what is gone would never go.
    fn locking_known<R>(&self, node: NodeId, with: impl FnOnce(&Head) -> Result<R>) -> Result<R> {
        self.with(node, |at| if at.exists(node.inode()) { Ok(()) } else { Err(Error::Stale) })?;
        self.locking(node, |head| with(head))
    }

    /// As [`View::locking_known`], for who takes a lock: that takes memory, which may be waited for here, before anything is locked.
    fn locking_more<R>(&self, node: NodeId, with: impl FnOnce(&Head) -> Result<R>) -> Result<R> {
        // Who may not lock it hears that at once.
        self.locking_known(node, |_| Ok(()))?;
        self.with_room_for_lock(|| self.with(node, |at| at.context.store.admit()))?;
        self.locking_known(node, with)
    }

    /// A lock of somebody else that stands in the way of `lock`, if there is one (F_GETLK).
    ///
    /// Errors: [`Error::NotSupported`] on a snapshot, [`Error::Stale`].
    pub fn test_lock(&self, node: NodeId, space: LockSpace, owner: u64, lock: Lock) -> Result<Option<Conflict>> {
        let _timed = self.timed(Operation::Lock);
        self.locking_known(node, |head| Ok(head.locks.test(node.inode(), space, owner, lock)))
    }

    /// Takes a lock, changes one, or says that another owner is in the way.
    ///
    /// Errors: [`Error::WouldBlock`], [`Error::Limit`], [`Error::NotSupported`] on a snapshot.
    pub fn set_lock(&self, node: NodeId, space: LockSpace, owner: u64, lock: Lock) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking_more(node, |head| head.locks.set(node.inode(), space, owner, lock))
    }

    /// Takes a lock as soon as nobody is in the way. `None`: it is taken; else `done` is called once, by another thread, when it is or
    /// when the wait was cancelled.
    ///
    /// Errors: [`Error::Deadlock`], [`Error::Limit`], [`Error::NotSupported`] on a snapshot; `done` is not called then.
    pub fn wait_lock(
        &self,
        node: NodeId,
        space: LockSpace,
        owner: u64,
        lock: Lock,
        done: Box<dyn FnOnce(Result<()>) + Send>,
    ) -> Result<Option<WaitId>> {
        let _timed = self.timed(Operation::Lock);
        self.locking_more(node, |head| head.locks.wait(node.inode(), space, owner, lock, done))
    }

    /// Cancels a wait; false when it is over already.
    #[must_use]
    pub fn cancel_wait(&self, node: NodeId, wait: WaitId) -> bool {
        self.locking(node, |head| Ok(head.locks.cancel(wait))).unwrap_or(false)
    }

    /// Gives up an owner's locks on a range of bytes (`start..=end`).
    ///
    /// Errors: [`Error::NotSupported`] on a snapshot, [`Error::Stale`].
    pub fn unlock(&self, node: NodeId, space: LockSpace, owner: u64, start: u64, end: u64) -> Result<()> {
        let _timed = self.timed(Operation::Lock);
        self.locking(node, |head| head.locks.unlock(node.inode(), space, owner, start, end))
    }

    /// An owner is gone: gives up all its locks of this kind on the node and cancels its waits. For flock(2) a host calls it when the
    /// open file description is released.
    ///
    /// Errors: [`Error::Stale`]; a snapshot has no locks to give up.
    pub fn forget_owner(&self, node: NodeId, space: LockSpace, owner: u64) -> Result<()> {
        self.with(node, |at| {
            if let Some(head) = at.tree.head() {
                head.locks.forget_owner(node.inode(), space, owner);
            }
            Ok(())
        })
    }
}

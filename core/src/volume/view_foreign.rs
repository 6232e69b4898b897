//! What files carry for Windows and macOS, by node and by handle.

use super::handles::Span;
use super::view::{Entry, View};
use crate::error::Result;
use crate::meter::Operation;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::streams::Target;
use crate::operations::uses::Use;
use crate::operations::windows::security::Parts;
use crate::operations::{FileInfo, MacInfo, NewExtras, NewNode, SetFileInfo, SetMacInfo, XattrMode};
use crate::types::{Caller, HandleId, HeldTimes, NodeId, Privileges};

impl View {
    /// As [`View::carried`], on behalf of `caller`. A handle that was opened the Windows way must have been granted what the use
    /// needs, and is asked for nothing else then.
    fn using<R>(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        what: Use,
        with: impl FnOnce(&Attachment, Target, &Caller<'_>) -> Result<R>,
    ) -> Result<R> {
        let windows = handle.map(|handle| self.handles.get(handle)).transpose()?.filter(|it| it.windows.is_some());
        let Some(handle) = windows else {
            return self.carried(node, handle, |at, target| with(at, target, caller));
        };
        handle.require(what.rights())?;
        let granted = Caller { privileges: caller.privileges.with(Privileges::CHECKED), ..*caller };
        with(&handle.at, handle.target(), &granted)
    }

    /// Runs `with` on what a handle is open on, or else on the node.
    fn carried<R>(
        &self,
        node: NodeId,
        handle: Option<HandleId>,
        with: impl FnOnce(&Attachment, Target) -> Result<R>,
    ) -> Result<R> {
        match handle {
            None => self.with(node, |at| with(at, node.inode().into())),
            Some(handle) => {
                let handle = self.handles.get(handle)?;
                with(&handle.at, handle.target())
            }
        }
    }

    /// Makes a file or directory that carries all this from the start. `mode`: as [`View::make`], where
    /// [`NewExtras::security`] does not say more. Counts one reference.
    ///
    /// Errors: as [`View::make`]; [`crate::Error::NotSupported`] for anything but a file or directory, [`crate::Error::BadSecurity`],
    /// [`crate::Error::BadOwner`], [`crate::Error::BadEaList`], [`crate::Error::BadEaName`], [`crate::Error::BadReparse`], [`crate::Error::BadReparseTag`],
    /// [`crate::Error::NoSpace`].
    pub fn make_carrying(
        &self,
        caller: &Caller<'_>,
        parent: NodeId,
        name: &[u8],
        mode: u32,
        new: NewNode<'_>,
        extras: &NewExtras<'_>,
    ) -> Result<Entry> {
        let _timed = self.timed(Operation::Create);
        self.with_room(|| {
            self.with(parent, |at| {
                let hold = |id| {
                    at.reference(id);
                    Ok(())
                };
                let attr = at.make_carrying(caller, parent.inode(), name, mode, new, extras, hold)?;
                Ok(Entry { node: at.node(attr.inode), attr })
            })
        })
    }

    /// What Windows programs are told of a file, or of the stream that a handle is open on.
    ///
    /// Errors: [`crate::Error::Stale`], [`crate::Error::BadHandle`].
    pub fn file_info(&self, node: NodeId, handle: Option<HandleId>) -> Result<FileInfo> {
        let _timed = self.timed(Operation::Attributes);
        self.carried(node, handle, |at, target| at.file_info(target))
    }

    /// Sets attributes and times of Windows, all of those named or none. With a handle, what is said of its later
    /// operations holds for it.
    ///
    /// Errors: [`crate::Error::Invalid`] for a time before 1601 or attributes that exclude the kind of file, [`crate::Error::NotPermitted`],
    /// [`crate::Error::ReadOnly`], [`crate::Error::BadHandle`], [`crate::Error::Stale`].
    pub fn set_file_info(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        set: &SetFileInfo,
    ) -> Result<FileInfo> {
        let _timed = self.timed(Operation::SetAttributes);
        let (info, hold, release) = self.with_room(|| {
            self.using(caller, node, handle, Use::WriteAttributes, |at, target, caller| {
                at.set_file_info(caller, target, set)
            })
        })?;
        if let Some(handle) = handle.filter(|_| hold != HeldTimes::default() || release != HeldTimes::default()) {
            self.handles.get(handle)?.hold_times(hold, release);
        }
        Ok(info)
    }

    /// Sets the allocation size of a file or of the stream that a handle is open on, rounded up to a whole number of units. One below
    /// the size cuts it.
    ///
    /// Errors: [`crate::Error::NoSpace`], [`crate::Error::FileTooLarge`], and as [`View::write`].
    pub fn set_allocation(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        bytes: u64,
    ) -> Result<FileInfo> {
        let _timed = self.timed(Operation::Allocate);
        self.with_room(|| {
            // No bytes: sizes ask no locks.
            self.opened(caller, node, handle, Mask::WRITE, Span::At(0, 0), |at, target| {
                at.set_allocation(caller, target, bytes)
            })
        })
    }

    /// Gives back what was set aside beyond the size: to be called when the last handle that asked for it closes.
    ///
    /// Errors: [`crate::Error::ReadOnly`], [`crate::Error::BadHandle`], [`crate::Error::Stale`].
    pub fn give_back_allocation(&self, node: NodeId, handle: Option<HandleId>) -> Result<()> {
        let _timed = self.timed(Operation::Allocate);
        self.carried(node, handle, |at, target| at.give_back_allocation(target))
    }

    /// The parts of a security descriptor that the bits of SECURITY_INFORMATION in `parts` name, self-relative.
    ///
    /// Errors: [`crate::Error::Invalid`] for unknown bits, [`crate::Error::PrivilegeNotHeld`] for audits.
    pub fn get_security(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        parts: u32,
    ) -> Result<Vec<u8>> {
        let _timed = self.timed(Operation::GetXattr);
        let what = Use::ReadSecurity(Parts::from_bits(parts)?);
        self.using(caller, node, handle, what, |at, target, caller| at.get_security(caller, target.id, parts))
    }

    /// Sets those parts from a self-relative descriptor; the others stay. Owner, group and mode follow.
    ///
    /// Errors: [`crate::Error::BadSecurity`], [`crate::Error::BadOwner`] when the owner to set is missing, [`crate::Error::NotPermitted`],
    /// [`crate::Error::PrivilegeNotHeld`], [`crate::Error::Invalid`] for unknown bits, [`crate::Error::ReadOnly`].
    pub fn set_security(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        parts: u32,
        descriptor: &[u8],
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| {
            let what = Use::WriteSecurity(Parts::from_bits(parts)?, None, None);
            self.using(caller, node, handle, what, |at, target, caller| {
                at.set_security(caller, target.id, parts, descriptor)
            })
        })
    }

    /// Extended attributes of Windows, as a list of FILE_FULL_EA_INFORMATION: all, or those that `names` (a list of
    /// FILE_GET_EA_INFORMATION) asks for; one that is not there has an empty value.
    ///
    /// Errors: [`crate::Error::BadEaList`], [`crate::Error::BadEaName`], [`crate::Error::AccessDenied`].
    pub fn get_eas(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        names: &[u8],
    ) -> Result<Vec<u8>> {
        let _timed = self.timed(Operation::GetXattr);
        self.using(caller, node, handle, Use::ReadEas, |at, target, caller| at.get_eas(caller, target.id, names))
    }

    /// Sets extended attributes of Windows from such a list; an empty value deletes. Answers EaSize afterwards.
    ///
    /// Errors: [`crate::Error::BadEaList`], [`crate::Error::BadEaName`], [`crate::Error::TooManyAttributes`], [`crate::Error::AccessDenied`], [`crate::Error::ReadOnly`].
    pub fn set_eas(&self, caller: &Caller<'_>, node: NodeId, handle: Option<HandleId>, list: &[u8]) -> Result<u32> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| {
            self.using(caller, node, handle, Use::WriteEas, |at, target, caller| at.set_eas(caller, target.id, list))
        })
    }

    /// The REPARSE_DATA_BUFFER of a reparse point; that of a symbolic link, pipe, socket or device as Windows would have it.
    ///
    /// Errors: [`crate::Error::NotAReparsePoint`]; [`crate::Error::BadUtf8`] and [`crate::Error::NameTooLong`] for a link whose target Windows cannot say.
    pub fn get_reparse(&self, node: NodeId, handle: Option<HandleId>) -> Result<Vec<u8>> {
        let _timed = self.timed(Operation::ReadLink);
        self.carried(node, handle, |at, target| at.get_reparse(target.id))
    }

    /// Makes a file or directory a reparse point, or changes the one it is.
    ///
    /// Errors: [`crate::Error::BadReparse`], [`crate::Error::BadReparseTag`], [`crate::Error::ReparseTagMismatch`], [`crate::Error::ReparseConflict`],
    /// [`crate::Error::NotEmpty`], [`crate::Error::NotADirectory`] for a mount point on a file, [`crate::Error::AccessDenied`], [`crate::Error::ReadOnly`].
    pub fn set_reparse(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        buffer: &[u8],
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| {
            self.using(caller, node, handle, Use::WriteReparse, |at, target, caller| {
                at.set_reparse(caller, target.id, buffer)
            })
        })
    }

    /// Makes a reparse point a plain file or directory again. `request` holds its tag and GUID, and no data.
    ///
    /// Errors: [`crate::Error::NotAReparsePoint`], and as [`View::set_reparse`].
    pub fn delete_reparse(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        handle: Option<HandleId>,
        request: &[u8],
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| {
            self.using(caller, node, handle, Use::WriteReparse, |at, target, caller| {
                at.delete_reparse(caller, target.id, request)
            })
        })
    }

    /// What macOS is told of a file.
    ///
    /// Errors: [`crate::Error::Stale`].
    pub fn mac_info(&self, node: NodeId) -> Result<MacInfo> {
        let _timed = self.timed(Operation::Attributes);
        self.with(node, |at| at.mac_info(node.inode()))
    }

    /// Sets what macOS knows, all of what is named or none.
    ///
    /// Errors: [`crate::Error::NotSupported`] for a flag that is not kept, [`crate::Error::NotPermitted`], [`crate::Error::ReadOnly`].
    pub fn set_mac_info(&self, caller: &Caller<'_>, node: NodeId, set: &SetMacInfo) -> Result<MacInfo> {
        let _timed = self.timed(Operation::SetAttributes);
        self.with_room(|| self.with(node, |at| at.set_mac_info(caller, node.inode(), set)))
    }

    /// Reads an extended attribute from `position` on; answers how many bytes. Only the resource fork on a volume of macOS can be
    /// read from elsewhere than its beginning, and in parts.
    ///
    /// Errors: as [`View::get_xattr`]; [`crate::Error::Invalid`] for a position, [`crate::Error::BufferTooSmall`].
    pub fn read_xattr(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        position: u64,
        into: &mut [u8],
    ) -> Result<usize> {
        let _timed = self.timed(Operation::GetXattr);
        self.with(node, |at| at.read_xattr(caller, node.inode(), name, position, into))
    }

    /// Writes to the resource fork from `position` on, the rest stays; any other attribute is set whole, from position 0.
    ///
    /// Errors: as [`View::set_xattr`]; [`crate::Error::Invalid`] for a position, [`crate::Error::NoSpace`].
    pub fn write_xattr(
        &self,
        caller: &Caller<'_>,
        node: NodeId,
        name: &[u8],
        position: u64,
        data: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        let _timed = self.timed(Operation::SetXattr);
        self.with_room(|| self.with(node, |at| at.write_xattr(caller, node.inode(), name, position, data, mode)))
    }
}

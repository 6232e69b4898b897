//! Reparse points: REPARSE_DATA_BUFFER and REPARSE_GUID_DATA_BUFFER (\[MS-FSCC\] 2.1.2), symbolic links and mount points
//! among them, and which buffer may take the place of which.
//!
//! A reparse point is kept as the buffer that set it. Following one is left to whoever resolves paths; for a symbolic link
//! that means something to POSIX programs, [`Symlink::posix_target`] says what.

use super::bytes::{part, read_u16, read_u32};
use crate::error::{Error, Result};
use crate::limits;
use crate::tree::name::wtf8;

pub(crate) const TAG_MOUNT_POINT: u32 = 0xA000_0003;
pub(crate) const TAG_SYMLINK: u32 = 0xA000_000C;
/// A symbolic link of the Windows Subsystem for Linux.
pub(crate) const TAG_LX_SYMLINK: u32 = 0xA000_001D;
pub(crate) const TAG_AF_UNIX: u32 = 0x8000_0023;
pub(crate) const TAG_LX_FIFO: u32 = 0x8000_0024;
pub(crate) const TAG_LX_CHAR: u32 = 0x8000_0025;
pub(crate) const TAG_LX_BLOCK: u32 = 0x8000_0026;

/// The tag is Microsoft's; others say by a GUID whose they are.
const MICROSOFT: u32 = 1 << 31;
/// Directories that are not empty can have the tag.
const ANY_DIRECTORY: u32 = 1 << 28;
/// Bits that a tag can have.
const TAG_BITS: u32 = 0xF000_FFFF;
/// Tags up to this one are reserved.
const RESERVED_TAGS: u32 = 2;

/// Tag, length of the data, reserved.
const HEADER_BYTES: usize = 8;
const GUID_BYTES: usize = 16;
/// Offsets and lengths of the two names of a link.
const NAMES_BYTES: usize = 8;
const SYMLINK_FLAG_RELATIVE: u32 = 1;
/// What NT's own names of files begin with.
const NT_PREFIX: &[u8] = b"\\??\\";

/// A buffer that was found to be well formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reparse<'a> {
    pub(crate) tag: u32,
    /// Whose tag it is, unless it is Microsoft's.
    pub(crate) guid: Option<[u8; GUID_BYTES]>,
    pub(crate) data: &'a [u8],
}

impl<'a> Reparse<'a> {
    /// Reads a buffer and checks it: sizes, tag, and for links the names within.
    pub(crate) fn parse(buffer: &'a [u8]) -> Result<Reparse<'a>> {
        let reparse = Reparse::parse_header(buffer)?;
        match reparse.tag {
            TAG_SYMLINK => drop(Symlink::parse(reparse.data)?),
            TAG_MOUNT_POINT => drop(MountPoint::parse(reparse.data)?),
            _ => {}
        }
        Ok(reparse)
    }

    fn parse_header(buffer: &'a [u8]) -> Result<Reparse<'a>> {
        if buffer.len() > limits::REPARSE_BYTES {
            return Err(Error::BadReparse("the buffer is longer than 16 KiB"));
        }
        let short = Error::BadReparse("the buffer is shorter than its header");
        let (Some(tag), Some(length)) = (read_u32(buffer, 0), read_u16(buffer, 4)) else {
            return Err(short);
        };
        check_tag(tag)?;
        let guid_bytes = if tag & MICROSOFT != 0 { 0 } else { GUID_BYTES };
        let Some(data) = buffer.get(HEADER_BYTES + guid_bytes..) else {
            return Err(short);
        };
        if data.len() != usize::from(length) {
            return Err(Error::BadReparse("the length of the data is not that of the buffer"));
        }
        let guid = buffer[HEADER_BYTES..].first_chunk().copied().filter(|_| guid_bytes != 0);
        Ok(Reparse { tag, guid, data })
    }

    /// The buffer. The data must be short enough for one, as all that was parsed is.
    pub(crate) fn to_buffer(self) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(HEADER_BYTES + GUID_BYTES + self.data.len());
        buffer.extend_from_slice(&self.tag.to_le_bytes());
        buffer.extend_from_slice(&(self.data.len() as u16).to_le_bytes());
        buffer.extend_from_slice(&[0, 0]);
        buffer.extend_from_slice(self.guid.as_ref().map_or(&[], |guid| guid));
        buffer.extend_from_slice(self.data);
        buffer
    }

    /// Whether it may take the place of `current`, or delete it: the tag, and the GUID of one that is not Microsoft's,
    /// must be the same (\[MS-FSA\] 2.1.5.10.37, FSCTL_SET_REPARSE_POINT; the reference: "must match tag").
    pub(crate) fn may_replace(&self, current: &Reparse<'_>) -> Result<()> {
        if self.tag != current.tag {
            return Err(Error::ReparseTagMismatch);
        }
        if self.guid != current.guid {
            return Err(Error::ReparseConflict);
        }
        Ok(())
    }
}

/// What a request to delete a reparse point holds: tag and GUID, and no data (\[MS-FSCC\] 2.3.5).
pub(crate) fn parse_deletion(buffer: &[u8]) -> Result<Reparse<'_>> {
    let reparse = Reparse::parse_header(buffer)?;
    if reparse.data.is_empty() { Ok(reparse) } else { Err(Error::BadReparse("a request to delete holds no data")) }
}

/// Whether a file or directory can become such a reparse point (\[MS-FSA\] 2.1.5.10.37): a directory must be empty
/// unless the tag says otherwise, a mount point is a directory.
pub(crate) fn check_target(tag: u32, directory: bool, empty: bool) -> Result<()> {
    if directory && !empty && tag & ANY_DIRECTORY == 0 {
        return Err(Error::NotEmpty);
    }
    if !directory && tag == TAG_MOUNT_POINT { Err(Error::NotADirectory) } else { Ok(()) }
}

fn check_tag(tag: u32) -> Result<()> {
    if tag & !TAG_BITS == 0 && tag > RESERVED_TAGS { Ok(()) } else { Err(Error::BadReparseTag) }
}

/// A symbolic link (\[MS-FSCC\] 2.1.2.4). Names are WTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symlink {
    /// Where it leads.
    pub(crate) substitute: Vec<u8>,
    /// What people are shown.
    pub(crate) print: Vec<u8>,
    /// It leads from where it stands, or, with a backslash first, from the volume's root.
    pub(crate) relative: bool,
}

impl Symlink {
    pub(crate) fn parse(data: &[u8]) -> Result<Symlink> {
        let flags = read_u32(data, NAMES_BYTES).ok_or(Error::BadReparse("the data of a link ends before its names"))?;
        if flags & !SYMLINK_FLAG_RELATIVE != 0 {
            return Err(Error::BadReparse("a symbolic link has unknown flags"));
        }
        let (substitute, print) = parse_names(data, NAMES_BYTES + 4)?;
        Ok(Symlink { substitute, print, relative: flags != 0 })
    }

    /// The whole buffer of the link.
    pub(crate) fn to_buffer(&self) -> Result<Vec<u8>> {
        let flags = if self.relative { SYMLINK_FLAG_RELATIVE } else { 0 };
        link_buffer(TAG_SYMLINK, &self.substitute, &self.print, &flags.to_le_bytes())
    }

    /// The link that leads where a POSIX program said.
    pub(crate) fn from_posix(target: &[u8]) -> Symlink {
        let substitute: Vec<u8> = target.iter().map(|&byte| if byte == b'/' { b'\\' } else { byte }).collect();
        Symlink { print: substitute.clone(), substitute, relative: true }
    }

    /// Where it leads for POSIX programs; `None` for one that leaves the volume.
    pub(crate) fn posix_target(&self) -> Option<Vec<u8>> {
        let slashes = |&byte: &u8| if byte == b'\\' { b'/' } else { byte };
        self.relative.then(|| self.substitute.iter().map(slashes).collect())
    }
}

/// A mount point, or junction (\[MS-FSCC\] 2.1.2.5). Names are WTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// Where it leads: a name as NT has it, `\??\C:\directory`.
    pub(crate) substitute: Vec<u8>,
    /// What people are shown.
    pub(crate) print: Vec<u8>,
}

impl MountPoint {
    pub(crate) fn parse(data: &[u8]) -> Result<MountPoint> {
        let (substitute, print) = parse_names(data, NAMES_BYTES)?;
        if !substitute.starts_with(NT_PREFIX) {
            return Err(Error::BadReparse("a mount point does not lead to a name that begins with \\??\\"));
        }
        Ok(MountPoint { substitute, print })
    }

    /// The whole buffer of the mount point.
    #[cfg(test)]
    pub(crate) fn to_buffer(&self) -> Result<Vec<u8>> {
        link_buffer(TAG_MOUNT_POINT, &self.substitute, &self.print, &[])
    }
}

/// The two names of a link, which lie somewhere after `names_at`.
fn parse_names(data: &[u8], names_at: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let names = data.get(names_at..).ok_or(Error::BadReparse("the data of a link ends before its names"))?;
    let substitute = parse_name(data, names, 0)?;
    if substitute.is_empty() {
        return Err(Error::BadReparse("a link leads nowhere"));
    }
    Ok((substitute, parse_name(data, names, 4)?))
}

fn parse_name(data: &[u8], names: &[u8], header_at: usize) -> Result<Vec<u8>> {
    let (Some(offset), Some(length)) = (read_u16(data, header_at), read_u16(data, header_at + 2)) else {
        return Err(Error::BadReparse("the data of a link ends before its names"));
    };
    if !offset.is_multiple_of(2) || !length.is_multiple_of(2) {
        return Err(Error::BadReparse("a name of a link is no whole number of UTF-16 units"));
    }
    let name =
        part(names, offset.into(), length.into()).ok_or(Error::BadReparse("a name of a link ends beyond its data"))?;
    let units: Vec<u16> = name.as_chunks().0.iter().copied().map(u16::from_le_bytes).collect();
    if units.contains(&0) {
        return Err(Error::BadReparse("a name of a link holds NUL"));
    }
    Ok(wtf8::from_utf16(&units))
}

/// A buffer with both names, each ended by a NUL that its length leaves out, as Windows' own tools write it.
fn link_buffer(tag: u32, substitute: &[u8], print: &[u8], flags: &[u8]) -> Result<Vec<u8>> {
    let (substitute, print) = (wtf8::to_utf16(substitute)?, wtf8::to_utf16(print)?);
    let bytes_of = |units: usize| u16::try_from(units * 2).map_err(|_| Error::NameTooLong);
    let mut data = Vec::new();
    let (substitute_bytes, print_bytes) = (bytes_of(substitute.len())?, bytes_of(print.len())?);
    let print_at = bytes_of(substitute.len() + 1)?;
    for number in [0, substitute_bytes, print_at, print_bytes] {
        data.extend_from_slice(&number.to_le_bytes());
    }
    data.extend_from_slice(flags);
    for unit in substitute.iter().chain(&[0]).chain(&print).chain(&[0]) {
        data.extend_from_slice(&unit.to_le_bytes());
    }
    if HEADER_BYTES + data.len() > limits::REPARSE_BYTES {
        return Err(Error::NameTooLong);
    }
    let buffer = Reparse { tag, guid: None, data: &data }.to_buffer();
    Reparse::parse(&buffer)?;
    Ok(buffer)
}

#[cfg(test)]
mod tests;

//! Rights that a handle is opened for, by the numbers of Windows.

/// Right: read a file's bytes, list a directory.
pub const FS_RIGHT_READ_DATA: u32 = 0x1;
/// Right: write a file's bytes, make files in a directory.
pub const FS_RIGHT_WRITE_DATA: u32 = 0x2;
/// Right: write at a file's end, make directories in a directory.
pub const FS_RIGHT_APPEND_DATA: u32 = 0x4;
/// Right: read extended attributes.
pub const FS_RIGHT_READ_EA: u32 = 0x8;
/// Right: write extended attributes.
pub const FS_RIGHT_WRITE_EA: u32 = 0x10;
/// Right: execute a file, go through a directory.
pub const FS_RIGHT_EXECUTE: u32 = 0x20;
/// Right: delete what is in a directory.
pub const FS_RIGHT_DELETE_CHILD: u32 = 0x40;
/// Right: read attributes and times.
pub const FS_RIGHT_READ_ATTRIBUTES: u32 = 0x80;
/// Right: write attributes and times.
pub const FS_RIGHT_WRITE_ATTRIBUTES: u32 = 0x100;
/// Right: delete the file.
pub const FS_RIGHT_DELETE: u32 = 0x10000;
/// Right: read the security descriptor, but for its SACL.
pub const FS_RIGHT_READ_CONTROL: u32 = 0x20000;
/// Right: change the DACL.
pub const FS_RIGHT_WRITE_DAC: u32 = 0x40000;
/// Right: change owner and group.
pub const FS_RIGHT_WRITE_OWNER: u32 = 0x80000;
/// Right: wait for the handle.
pub const FS_RIGHT_SYNCHRONIZE: u32 = 0x100000;
/// Right: read and write the SACL.
pub const FS_RIGHT_SYSTEM_SECURITY: u32 = 0x1000000;
/// Right: all that can be had.
pub const FS_RIGHT_MAXIMUM_ALLOWED: u32 = 0x2000000;
/// Right: all that a file allows.
pub const FS_RIGHT_GENERIC_ALL: u32 = 0x10000000;
/// Right: what executing needs.
pub const FS_RIGHT_GENERIC_EXECUTE: u32 = 0x20000000;
/// Right: what writing needs.
pub const FS_RIGHT_GENERIC_WRITE: u32 = 0x40000000;
/// Right: what reading needs.
pub const FS_RIGHT_GENERIC_READ: u32 = 0x80000000;

// What the header says in numbers is what the core says by name.
const _: () = {
    use crate::operations::windows::rights;
    assert!(FS_RIGHT_READ_DATA == rights::READ_DATA && FS_RIGHT_WRITE_DATA == rights::WRITE_DATA);
    assert!(FS_RIGHT_APPEND_DATA == rights::APPEND_DATA && FS_RIGHT_READ_EA == rights::READ_EA);
    assert!(FS_RIGHT_WRITE_EA == rights::WRITE_EA && FS_RIGHT_EXECUTE == rights::EXECUTE);
    assert!(FS_RIGHT_DELETE_CHILD == rights::DELETE_CHILD && FS_RIGHT_READ_ATTRIBUTES == rights::READ_ATTRIBUTES);
    assert!(FS_RIGHT_WRITE_ATTRIBUTES == rights::WRITE_ATTRIBUTES && FS_RIGHT_DELETE == rights::DELETE);
    assert!(FS_RIGHT_READ_CONTROL == rights::READ_CONTROL && FS_RIGHT_WRITE_DAC == rights::WRITE_DAC);
    assert!(FS_RIGHT_WRITE_OWNER == rights::WRITE_OWNER && FS_RIGHT_SYNCHRONIZE == rights::SYNCHRONIZE);
    assert!(FS_RIGHT_SYSTEM_SECURITY == rights::SYSTEM_SECURITY);
    assert!(FS_RIGHT_MAXIMUM_ALLOWED == rights::MAXIMUM_ALLOWED && FS_RIGHT_GENERIC_ALL == rights::GENERIC_ALL);
    assert!(FS_RIGHT_GENERIC_EXECUTE == rights::GENERIC_EXECUTE && FS_RIGHT_GENERIC_WRITE == rights::GENERIC_WRITE);
    assert!(FS_RIGHT_GENERIC_READ == rights::GENERIC_READ);
};

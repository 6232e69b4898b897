//! The bits of an access mask (\[MS-DTYP\] 2.4.3; \[MS-FSCC\] and \[MS-SMB2\] 2.2.13.1 for those of files).

/// Read a file's bytes.
pub const READ_DATA: u32 = 0x1;
/// List a directory: the same bit.
pub const LIST_DIRECTORY: u32 = READ_DATA;
/// Write a file's bytes.
pub const WRITE_DATA: u32 = 0x2;
/// Make files in a directory: the same bit.
pub const ADD_FILE: u32 = WRITE_DATA;
/// Write at a file's end.
pub const APPEND_DATA: u32 = 0x4;
/// Make directories in a directory: the same bit.
pub const ADD_SUBDIRECTORY: u32 = APPEND_DATA;
/// Read extended attributes.
pub const READ_EA: u32 = 0x8;
/// Write extended attributes.
pub const WRITE_EA: u32 = 0x10;
/// Execute a file.
pub const EXECUTE: u32 = 0x20;
/// Go through a directory: the same bit.
pub const TRAVERSE: u32 = EXECUTE;
/// Delete what is in a directory.
pub const DELETE_CHILD: u32 = 0x40;
/// Read attributes and times.
pub const READ_ATTRIBUTES: u32 = 0x80;
/// Write attributes and times.
pub const WRITE_ATTRIBUTES: u32 = 0x100;
/// Delete the file.
pub const DELETE: u32 = 0x1_0000;
/// Read the security descriptor, but for its SACL.
pub const READ_CONTROL: u32 = 0x2_0000;
/// Change the DACL.
pub const WRITE_DAC: u32 = 0x4_0000;
/// Change owner and group.
pub const WRITE_OWNER: u32 = 0x8_0000;
/// Wait for the handle.
pub const SYNCHRONIZE: u32 = 0x10_0000;
/// Read and write the SACL.
pub const SYSTEM_SECURITY: u32 = 0x100_0000;
/// All that can be had.
pub const MAXIMUM_ALLOWED: u32 = 0x200_0000;
/// All that a file allows.
pub const GENERIC_ALL: u32 = 0x1000_0000;
/// What executing needs.
pub const GENERIC_EXECUTE: u32 = 0x2000_0000;
/// What writing needs.
pub const GENERIC_WRITE: u32 = 0x4000_0000;
/// What reading needs.
pub const GENERIC_READ: u32 = 0x8000_0000;

const GENERIC: u32 = GENERIC_ALL | GENERIC_EXECUTE | GENERIC_WRITE | GENERIC_READ;
const STANDARD: u32 = READ_CONTROL | SYNCHRONIZE;

/// What GENERIC_READ means for a file.
pub const FILE_READ: u32 = STANDARD | READ_DATA | READ_EA | READ_ATTRIBUTES;
/// What GENERIC_WRITE means for a file.
pub const FILE_WRITE: u32 = STANDARD | WRITE_DATA | APPEND_DATA | WRITE_EA | WRITE_ATTRIBUTES;
/// What GENERIC_EXECUTE means for a file.
pub const FILE_EXECUTE: u32 = STANDARD | EXECUTE | READ_ATTRIBUTES;
/// What GENERIC_ALL means for a file: every right that a file has.
pub const FILE_ALL: u32 = 0x1F_01FF;

/// The mask with what generic rights mean for a file in their place (MapGenericMask).
#[must_use]
pub fn map_generic(mask: u32) -> u32 {
    let meanings = [
        (GENERIC_READ, FILE_READ),
        (GENERIC_WRITE, FILE_WRITE),
        (GENERIC_EXECUTE, FILE_EXECUTE),
        (GENERIC_ALL, FILE_ALL),
    ];
    let meant = meanings.iter().filter(|(generic, _)| mask & generic != 0);
    meant.fold(mask & !GENERIC, |mask, (_, meaning)| mask | meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_rights_mean_what_the_headers_of_windows_say() {
        assert_eq!((FILE_READ, FILE_WRITE, FILE_EXECUTE), (0x12_0089, 0x12_0116, 0x12_00A0));
        assert_eq!(map_generic(GENERIC_READ), FILE_READ);
        assert_eq!(map_generic(GENERIC_WRITE | DELETE), FILE_WRITE | DELETE);
        assert_eq!(map_generic(GENERIC_EXECUTE | GENERIC_READ), FILE_EXECUTE | FILE_READ);
        assert_eq!(map_generic(GENERIC_ALL), FILE_ALL);
        assert_eq!(map_generic(READ_DATA | MAXIMUM_ALLOWED), READ_DATA | MAXIMUM_ALLOWED);
        for mask in [FILE_READ, FILE_WRITE, FILE_EXECUTE] {
            assert_eq!(mask & !FILE_ALL, 0);
        }
    }
}

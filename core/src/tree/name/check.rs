//! What a name may be, by policy. Every refusal says which rule it is.

use super::{NamePolicy, wtf8};
use crate::error::{Error, Result};
use crate::limits;

/// Whether an entry may have this name.
pub(super) fn check(policy: NamePolicy, name: &[u8]) -> Result<()> {
    match name {
        b"" => return Err(Error::Invalid("the name is empty")),
        b"." | b".." => return Err(Error::Invalid("the names . and .. are taken by the system")),
        _ => {}
    }
    match policy {
        NamePolicy::Posix | NamePolicy::PosixCaseInsensitive => check_posix(name),
        NamePolicy::Windows => check_windows(name),
        NamePolicy::MacOs => check_posix(name).and_then(|()| check_utf8(name)),
    }
}

fn check_posix(name: &[u8]) -> Result<()> {
    if name.len() > limits::NAME_BYTES {
        return Err(Error::NameTooLong);
    }
    if name.iter().any(|&byte| byte == b'/' || byte == 0) {
        return Err(Error::Invalid("a name holds neither / nor NUL"));
    }
    Ok(())
}

/// APFS stores nothing but UTF-8, and answers EILSEQ to the rest.
fn check_utf8(name: &[u8]) -> Result<()> {
    std::str::from_utf8(name).map(|_| ()).map_err(|_| Error::BadUtf8)
}

/// "Naming Files, Paths, and Namespaces" (Microsoft), "Naming Conventions"; \[MS-FSCC\] 2.1.5.2, "Filename".
fn check_windows(name: &[u8]) -> Result<()> {
    if name.len() > limits::NAME_UNITS * limits::UNIT_BYTES || wtf8::units(name)? > limits::NAME_UNITS {
        return Err(Error::NameTooLong);
    }
    name.iter().try_for_each(|&byte| check_character(byte))?;
    match name {
        [.., b'.'] => return Err(Error::BadName("a Windows name does not end in a dot")),
        [.., b' '] => return Err(Error::BadName("a Windows name does not end in a space")),
        _ => {}
    }
    if is_device(name) {
        return Err(Error::BadName("a Windows name is not that of a device: CON, PRN, AUX, NUL, COM1, LPT1 and so on"));
    }
    Ok(())
}

fn check_character(byte: u8) -> Result<()> {
    match byte {
        0..0x20 => Err(Error::BadName("a Windows name holds no control characters")),
        b'/' | b'\\' => Err(Error::BadName("a Windows name holds neither / nor \\: they separate names")),
        b':' => Err(Error::BadName("a Windows name holds no colon: it separates the name of a stream")),
        b'*' | b'?' | b'<' | b'>' | b'"' => {
            Err(Error::BadName("a Windows name holds none of * ? < > \": they are wildcards"))
        }
        b'|' => Err(Error::BadName("a Windows name holds no |")),
        _ => Ok(()),
    }
}

/// Whether Windows programs would reach a device by the name, whatever its extension: what stands before the first dot,
/// less spaces at its end, decides.
fn is_device(name: &[u8]) -> bool {
    let stem = name.split(|&byte| byte == b'.').next().unwrap_or(name).trim_ascii_end();
    let Some((start, number)) = stem.split_at_checked(3) else {
        return false;
    };
    let is = |device: &[u8]| start.eq_ignore_ascii_case(device);
    if number.is_empty() {
        return is(b"con") || is(b"prn") || is(b"aux") || is(b"nul");
    }
    // The superscripts ¹, ² and ³ are digits to Windows as well.
    let digit = matches!(number, [b'1'..=b'9'] | [0xC2, 0xB9 | 0xB2 | 0xB3]);
    digit && (is(b"com") || is(b"lpt"))
}

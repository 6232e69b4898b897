//! Paths as Windows writes them (`\dir\file:stream`, in UTF-16) and as the core has them (`/dir/file`, in bytes).
//!
//! Only the form is looked at: what a component may be is the volume's policy. A `/` in a name of Windows is refused here,
//! because it would become a separator.

use super::wtf8;
use crate::error::{Error, Result};

const BACKSLASH: u16 = b'\\' as u16;
const SLASH: u16 = b'/' as u16;
const COLON: u16 = b':' as u16;
const DATA: &[u8] = b"$DATA";

/// A path taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WindowsPath {
    /// The path with `/` for separators; `/` for the root.
    pub(crate) path: Vec<u8>,
    /// The name of the stream, without its type; empty: the file's own content.
    pub(crate) stream: Vec<u8>,
}

/// Takes a path of Windows apart. A backslash at its end stays, as a slash: it asks for a directory.
pub(crate) fn from_utf16(units: &[u16]) -> Result<WindowsPath> {
    if units.contains(&SLASH) {
        return Err(Error::BadName("a name of Windows holds no /"));
    }
    if units.windows(2).any(|pair| pair == [BACKSLASH, BACKSLASH]) {
        return Err(Error::BadName("two backslashes in a row"));
    }
    let colon = units.iter().position(|&unit| unit == COLON).unwrap_or(units.len());
    let (path, stream) = units.split_at(colon);
    let path: Vec<u16> = path.iter().map(|&unit| if unit == BACKSLASH { SLASH } else { unit }).collect();
    let stream = stream.get(1..).map_or(Ok(Vec::new()), stream_name)?;
    Ok(WindowsPath { path: wtf8::from_utf16(&path), stream })
}

/// The name of a stream from what follows the first colon: `name`, `name:$DATA` or `:$DATA`.
fn stream_name(units: &[u16]) -> Result<Vec<u8>> {
    if units.contains(&BACKSLASH) {
        return Err(Error::BadName("a stream is named after the last component only"));
    }
    let bytes = wtf8::from_utf16(units);
    if bytes.is_empty() {
        return Err(Error::BadName("a colon without the name of a stream"));
    }
    let Some(colon) = bytes.iter().position(|&byte| byte == b':') else {
        return Ok(bytes);
    };
    if bytes[colon + 1..].eq_ignore_ascii_case(DATA) {
        Ok(bytes[..colon].to_vec())
    } else {
        Err(Error::BadName("a stream of another type than $DATA"))
    }
}

/// A path of the core as Windows writes it.
pub(crate) fn to_utf16(path: &[u8]) -> Result<Vec<u16>> {
    let mut units = wtf8::to_utf16(path)?;
    for unit in &mut units {
        match *unit {
            SLASH => *unit = BACKSLASH,
            // Only a volume with POSIX names has such a name, and no path of Windows leads to it.
            BACKSLASH => return Err(Error::BadName("a name with a backslash has no path of Windows")),
            _ => {}
        }
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(path: &str) -> Result<(String, String)> {
        let units: Vec<u16> = path.encode_utf16().collect();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text in, text out");
        from_utf16(&units).map(|found| (text(found.path), text(found.stream)))
    }

    #[test]
    fn a_path_is_taken_apart_into_path_and_stream() {
        for (path, expected) in [
            ("\\", ("/", "")),
            ("", ("", "")),
            ("\\dir\\file", ("/dir/file", "")),
            ("dir\\file.txt", ("dir/file.txt", "")),
            ("\\dir\\", ("/dir/", "")),
            ("\\dir\\file:stream", ("/dir/file", "stream")),
            ("\\file:stream:$DATA", ("/file", "stream")),
            ("\\file:stream:$data", ("/file", "stream")),
            ("\\file::$DATA", ("/file", "")),
            ("\\Größe:名", ("/Größe", "名")),
        ] {
            assert_eq!(taken(path), Ok((expected.0.into(), expected.1.into())), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_reason() {
        for path in
            ["\\a/b", "\\\\server\\share", "\\a\\\\b", "\\a:s\\b", "\\a:s:$INDEX_ALLOCATION", "\\a:b:c:$DATA", "\\a:"]
        {
            assert!(matches!(taken(path), Err(Error::BadName(_))), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_path_without_a_stream_comes_back(units in proptest::collection::vec(
            prop_oneof![any::<u16>(), 0xD800_u16..0xE000, 0x61_u16..0x64, Just(BACKSLASH)], 0..40))
        {
            if let Ok(found) = from_utf16(&units) && found.stream.is_empty() && !units.contains(&COLON) {
                prop_assert_eq!(to_utf16(&found.path), Ok(units));
            }
        }

        #[test]
        fn any_units_are_taken_or_refused(units in proptest::collection::vec(any::<u16>(), 0..80)) {
            if let Err(error) = from_utf16(&units) {
                prop_assert!(matches!(error, Error::BadName(_)));
            }
        }
    }
}

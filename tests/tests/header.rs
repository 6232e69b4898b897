//! The header is what cbindgen makes of the C API, and nobody has to remember to run it.
//!
//! To write it anew: `BOUGH_BLESS=1 cargo test -p bough-tests --test header`.

// What helps a test is part of it.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bough::ffi::layout::{LAYOUTS, Layout};

/// In the order in which a reader meets them.
const SOURCES: [&str; 31] = [
    "ffi/results.rs",
    "ffi/tokens.rs",
    "ffi/types.rs",
    "ffi/volume.rs",
    "ffi/view.rs",
    "ffi/identity.rs",
    "ffi/refs.rs",
    "ffi/names.rs",
    "ffi/utf16.rs",
    "ffi/attributes.rs",
    "ffi/content.rs",
    "ffi/pins.rs",
    "ffi/xattrs.rs",
    "ffi/streams.rs",
    "ffi/foreign.rs",
    "ffi/locks.rs",
    "ffi/rights.rs",
    "ffi/opens.rs",
    "ffi/opened_names.rs",
    "ffi/opened_ranges.rs",
    "ffi/paths.rs",
    "ffi/diff.rs",
    "ffi/events.rs",
    "ffi/control.rs",
    "control/messages.rs",
    "control/messages/views.rs",
    "control/messages/refs.rs",
    "control/messages/diff.rs",
    "control/messages/counts.rs",
    "control/messages/base.rs",
    "ffi/log.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// C's side of `core/src/ffi/layout.rs`.
fn layout_asserts() -> String {
    let mut text = String::from(
        "// The layout of every structure, where pointers have 64 bits: the same numbers are asserted on the library's side.\n\
         #if UINTPTR_MAX == UINT64_MAX\n#ifdef __cplusplus\n#define FS_ASSERT_LAYOUT(what) static_assert(what, #what)\n\
         #else\n#define FS_ASSERT_LAYOUT(what) _Static_assert(what, #what)\n#endif\n",
    );
    for Layout { name, bytes, fields } in LAYOUTS {
        writeln!(text, "FS_ASSERT_LAYOUT(sizeof({name}) == {bytes});").unwrap();
        for (field, offset) in *fields {
            writeln!(text, "FS_ASSERT_LAYOUT(offsetof({name}, {field}) == {offset});").unwrap();
        }
    }
    text + "#undef FS_ASSERT_LAYOUT\n#endif\n"
}

fn generate() -> String {
    let core = root().join("core");
    let mut config = cbindgen::Config::from_file(core.join("cbindgen.toml")).unwrap();
    let rules = std::fs::read_to_string(core.join("src/ffi/header.txt")).unwrap();
    config.header = Some(rules.trim_end().to_owned());
    config.trailer = Some(layout_asserts());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(core.join("src").join(source));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    without_tags(&String::from_utf8(header).unwrap())
}

/// Every structure has both a tag and a name; only its definition needs the tag.
fn without_tags(header: &str) -> String {
    let line = |line: &str| match line.starts_with("typedef struct ") {
        true => line.to_owned() + "\n",
        false => line.replace("struct fs_", "fs_") + "\n",
    };
    header.lines().map(line).collect()
}

#[test]
fn header_is_up_to_date() {
    let path = root().join("include/bough.h");
    let wanted = generate();
    if std::env::var_os("BOUGH_BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = wanted.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(
        wanted == found,
        "include/bough.h differs from the sources at line {line:?}; write it anew with \
         BOUGH_BLESS=1 cargo test -p bough-tests --test header"
    );
}

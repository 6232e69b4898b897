//! Links the unwinder of GCC into the command where it can be found, as `libgcc_s.so` asks the processor for its features when it is
//! loaded: on a virtual machine that is a tenth of the time that `bough --version` takes.

use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHIVE: &str = "libgcc_eh.a";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    if is_for_gnu_linux()
        && let Some(folder) = folder_of_archive()
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

fn is_for_gnu_linux() -> bool {
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|set| set == value);
    // Another machine's compiler would have to be asked for another machine's archive.
    let native = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    native && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu")
}

/// A compiler that does not know the archive answers with its bare name.
fn folder_of_archive() -> Option<PathBuf> {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let answer = Command::new(linker).arg(format!("-print-file-name={ARCHIVE}")).output().ok()?;
    let path = String::from_utf8(answer.stdout).ok()?;
    let path = Path::new(path.trim());
    if !path.is_absolute() || !path.exists() {
        return None;
    }
    path.parent().map(Path::to_owned)
}

//! `mount.fuse.bough`: what mount(8) runs for `mount -t fuse.bough` and for fstab. Its exit codes are those of mount(8).

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::errors::{Exit, Result};
use crate::mount;
use crate::options::Options;

const NAME: &str = "mount.fuse.bough";
/// Sources that stand for a new volume without a name of its own.
const NAMELESS: [&str; 4] = ["", "none", "bough", "bough-fuse"];

/// mount(8): incorrect invocation or permissions.
const USAGE: u8 = 1;
/// mount(8): mount failure.
const FAILURE: u8 = 32;

/// As mount(8) calls a helper.
#[derive(Debug, Parser)]
#[command(name = NAME, about = "Mount a volume: one that is alive by its name, else a new one", version)]
struct HelperArgs {
    /// Name of the volume; `none` for a new one without a name
    source: String,
    /// Where to mount it
    directory: PathBuf,
    /// Tolerate unknown options (the daemon decides on those)
    #[arg(short = 's')]
    sloppy: bool,
    /// Do everything but mount
    #[arg(short = 'f')]
    fake: bool,
    /// Do not write /etc/mtab (nobody does)
    #[arg(short = 'n')]
    no_mtab: bool,
    /// Say what is done
    #[arg(short = 'v')]
    verbose: bool,
    /// The type it was called for
    #[arg(short = 't', value_name = "TYPE")]
    kind: Option<String>,
    /// Mount options, with commas between them
    #[arg(short = 'o', value_name = "OPTIONS")]
    options: Vec<String>,
}

/// Whether this program was started under the helper's name.
pub(crate) fn is_called_as(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == NAME)
}

pub(crate) fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match HelperArgs::try_parse_from(std::iter::once(NAME.into()).chain(words)) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match mount_as(&args).map_err(|failure| failure.report()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(Exit::Usage) => ExitCode::from(USAGE),
        Err(_) => ExitCode::from(FAILURE),
    }
}

/// The same as a verb, with the exit codes of the verbs.
pub(crate) fn mount(words: Vec<OsString>) -> Result<Exit> {
    let args =
        HelperArgs::try_parse_from(std::iter::once(NAME.into()).chain(words)).unwrap_or_else(|error| error.exit());
    mount_as(&args)
}

fn mount_as(args: &HelperArgs) -> Result<Exit> {
    let options = options_of(args)?;
    if args.verbose {
        crate::output::say(&format!("mounting {} at {}", args.source, args.directory.display()));
    }
    if args.fake {
        return Ok(Exit::Done);
    }
    mount::mount(&args.directory, options, false)
}

fn options_of(args: &HelperArgs) -> Result<Options> {
    let mut options = Options::default();
    args.options.iter().try_for_each(|list| options.add(list))?;
    if !NAMELESS.contains(&args.source.as_str()) {
        options.volume.get_or_insert_with(|| args.source.clone());
    }
    options.check()?;
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> HelperArgs {
        HelperArgs::try_parse_from([NAME].iter().chain(words)).unwrap()
    }

    #[test]
    fn mount_calls_it_with_options_behind() {
        let args = parsed(&["work", "/mnt/work", "-sn", "-o", "rw,noauto,memory=1G,allow_other"]);
        let options = options_of(&args).unwrap();
        assert_eq!(options.volume.as_deref(), Some("work"));
        assert_eq!(options.others, ["allow_other"]);
        assert_eq!(options.for_a_new_volume(), ["memory"]);
        assert_eq!(args.directory, Path::new("/mnt/work"));
    }

    #[test]
    fn a_source_that_is_none_begins_a_volume_without_a_name() {
        for source in NAMELESS {
            assert_eq!(options_of(&parsed(&[source, "/mnt"])).unwrap().volume, None);
        }
        let options = options_of(&parsed(&["none", "/mnt", "-o", "volume=v"])).unwrap();
        assert_eq!(options.volume.as_deref(), Some("v"));
    }

    #[test]
    fn it_knows_its_name() {
        assert!(is_called_as(Some(OsStr::new("/sbin/mount.fuse.bough"))));
        assert!(!is_called_as(Some(OsStr::new("/usr/bin/bough"))));
        assert!(!is_called_as(None));
    }

    #[test]
    fn a_fake_mount_mounts_nothing() {
        assert_eq!(mount_as(&parsed(&["none", "/no/such/place", "-f"])).unwrap(), Exit::Done);
        assert!(mount_as(&parsed(&["none", "/no/such/place"])).is_err());
    }
}

//! `bough mount`: a new volume with a daemon of its own, or a further view of one that is alive.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bough::control::messages::{
    FS_CONTROL_LABEL_BYTES, FS_CONTROL_NO_ACCESS_TIME, FS_CONTROL_READ_ONLY, fs_control_attach, fs_control_label,
};
use bough::control::{filled, message};

use crate::args::MountArgs;
use crate::daemon::{self, StateDirectory};
use crate::errors::{Context, Exit, Failure, Result};
use crate::options::Options;
use crate::refs::{self, Kind, Subject};
use crate::volume::Volume;
use crate::wire::Socket;
use crate::{fuse, mount_point, output};

/// The branch that every volume begins with.
const FIRST_BRANCH: &str = bough::FIRST_BRANCH;

pub(crate) fn run(args: MountArgs) -> Result<Exit> {
    let options = options_of(&args)?;
    match &args.attach {
        Some(path) => attach_beside(path, &args.mount_point, options),
        None => mount(&args.mount_point, options, args.foreground),
    }
}

fn options_of(args: &MountArgs) -> Result<Options> {
    let mut options = Options::default();
    args.options.iter().try_for_each(|list| options.add(list))?;
    options.volume = args.volume.clone().or(options.volume);
    options.memory = args.memory.or(options.memory);
    options.spill_dir = args.spill_dir.clone().or(options.spill_dir);
    options.spill_limit = args.spill_limit.or(options.spill_limit);
    options.spill_reserve = args.spill_reserve.or(options.spill_reserve);
    options.no_spill |= args.no_spill;
    options.names = args.names.or(options.names);
    options.base = args.base.clone().or(options.base);
    options.cross_mounts |= args.cross_mounts;
    options.freeze |= args.freeze;
    let shows = args.branch.clone().map(|name| (Kind::Branch, name));
    options.shows = shows.or(args.snapshot.clone().map(|name| (Kind::Snapshot, name))).or(options.shows);
    options.check()?;
    Ok(options)
}

/// Mounts a volume: the one of the name in the options if it is alive, else a new one.
pub(crate) fn mount(point: &Path, mut options: Options, foreground: bool) -> Result<Exit> {
    let alive = match &options.volume {
        Some(name) => StateDirectory::find()?.volume(name)?,
        None => None,
    };
    if let Some(socket) = alive {
        return attach_named(socket, point, options);
    }
    check_new(&options)?;
    fuse::check()?;
    if let Some(directory) = &options.base {
        let found = std::fs::canonicalize(directory);
        options.base = Some(found.context(format_args!("cannot use {} as a base", directory.display()))?);
    }
    let point = mount_point::prepare_over(point, options.base.as_deref())?;
    options.shows = None;
    if let Some(directory) = &options.spill_dir {
        let found = std::fs::canonicalize(directory);
        options.spill_dir = Some(found.context(format_args!("cannot spill to {}", directory.display()))?);
    }
    daemon::start(&point, &options, foreground)
}

/// A new volume has one branch and no snapshot.
fn check_new(options: &Options) -> Result<()> {
    match &options.shows {
        None => Ok(()),
        Some((Kind::Branch, name)) if name == FIRST_BRANCH => Ok(()),
        Some((kind, name)) => Err(Failure::refused(format!(
            "there is no {} `{name}`: a new volume has only the branch `{FIRST_BRANCH}`; \
             give --attach PATH to mount a volume that is alive",
            kind.noun()
        ))),
    }
}

/// Attaches to a volume that was found by its name.
fn attach_named(socket: Socket, point: &Path, options: Options) -> Result<Exit> {
    let ignored = options.for_a_new_volume();
    let source = options.volume.clone().unwrap_or_default();
    if !ignored.is_empty() {
        let ignored = ignored.join(", ");
        output::say(&format!("the volume {source} is alive already, so these options have no effect: {ignored}"));
    }
    Place { source, point: point.to_owned(), options }.attach(socket)?;
    Ok(Exit::Done)
}

/// `--attach`: another view of the volume that `path` lies on; of the same branch or snapshot, if no other is named.
fn attach_beside(path: &Path, point: &Path, mut options: Options) -> Result<Exit> {
    if let Some(option) = options.for_a_new_volume().first() {
        return Err(Failure::usage(format!(
            "the mount option {option} is for a new volume: leave it out with --attach"
        )));
    }
    let volume = Volume::at(path)?;
    options.shows.get_or_insert_with(|| (volume.shows_id().1, volume.shows()));
    let socket = connect(&volume, path)?;
    Place { source: volume.name(), point: point.to_owned(), options }.attach(socket)?;
    Ok(Exit::Done)
}

/// Reaches the daemon of the volume that `path` lies on.
fn connect(volume: &Volume, path: &Path) -> Result<Socket> {
    let endpoint = volume.endpoint();
    if endpoint.as_os_str().is_empty() {
        return Err(Failure::no_volume(format!("the daemon of {} takes no further mounts", path.display())));
    }
    Socket::connect(&endpoint).context(format_args!("cannot reach the daemon at {}", endpoint.display()))
}

/// What is to be mounted, and where.
struct Place {
    /// What the mount table names as the source.
    source: String,
    point: PathBuf,
    options: Options,
}

impl Place {
    /// Mounts, and hands the mount to the daemon; what fails after that is unmounted again.
    fn attach(self, mut socket: Socket) -> Result<()> {
        let Place { source, point, options } = self;
        let mut request = attach_request(&options)?;
        let point = mount_point::prepare(&point)?;
        request.label = label_of(&point)?;
        let device = fuse::mount(&point, &source, &options)?;
        let served = socket.hand_over(&mut request, device.as_fd());
        drop(device);
        let attached = match served {
            Ok(()) => check_kind(&request, &options),
            Err(failure) => Err(explain(&mut socket, &options, failure)),
        };
        if attached.is_err()
            && let Err(second) = fuse::detach(&point)
        {
            second.report();
        }
        attached
    }
}

/// A mount point for a branch that is yet to be grown.
pub(crate) struct NewPlace {
    /// Where the volume is mounted already.
    path: PathBuf,
    place: Place,
}

impl NewPlace {
    /// Fails where it can be told beforehand that `point` could not be mounted on.
    pub(crate) fn of(volume: &Volume, branch: &str, point: &Path) -> Result<NewPlace> {
        let options = Options { shows: Some((Kind::Branch, branch.to_owned())), ..Options::default() };
        attach_request(&options)?;
        let path = volume.mount_point();
        connect(volume, &path)?;
        fuse::check()?;
        let point = mount_point::prepare(point)?;
        label_of(&point)?;
        Ok(NewPlace { path, place: Place { source: volume.name(), point, options } })
    }

    /// Mounts the branch, which is there now. To grow it may have taken long: who is connected and says nothing is sent away meanwhile,
    /// and what was empty need not be any more.
    pub(crate) fn attach(self, volume: &Volume) -> Result<()> {
        let socket = connect(volume, &self.path)?;
        self.place.attach(socket)
    }
}

fn attach_request(options: &Options) -> Result<fs_control_attach> {
    let mut request: fs_control_attach = message();
    if let Some((kind, name)) = &options.shows {
        request.shows = refs::field(name)?;
        request.flags |= if *kind == Kind::Snapshot { FS_CONTROL_READ_ONLY } else { 0 };
    }
    request.flags |= if options.has("ro") { FS_CONTROL_READ_ONLY } else { 0 };
    request.flags |= if options.has("noatime") { FS_CONTROL_NO_ACCESS_TIME } else { 0 };
    Ok(request)
}

fn label_of(point: &Path) -> Result<fs_control_label> {
    let bytes = point.as_os_str().as_bytes();
    if bytes.len() >= FS_CONTROL_LABEL_BYTES {
        return Err(Failure::refused(format!(
            "the path of a mount point has at most 1023 bytes, this one {}",
            bytes.len()
        )));
    }
    Ok(fs_control_label { bytes: filled(bytes) })
}

fn explain(socket: &mut Socket, options: &Options, failure: Failure) -> Failure {
    match &options.shows {
        Some((_, name)) => refs::explain(socket, &Subject { existing: &[name], new: None }, failure),
        None => failure,
    }
}

/// The request names no kind, so a branch may have come where a snapshot was wanted.
fn check_kind(answer: &fs_control_attach, options: &Options) -> Result<()> {
    let Some((wanted, name)) = &options.shows else { return Ok(()) };
    let kind = Kind::of(answer.shows_kind);
    if kind == *wanted {
        return Ok(());
    }
    let (wanted, kind) = (wanted.noun(), kind.noun());
    Err(Failure::refused(format!("`{name}` is a {kind}, not a {wanted}: give --{kind} {name}")))
}

#[cfg(test)]
mod tests {
    use bough::control::text_of;
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn options(words: &[&str]) -> Result<Options> {
        let words = ["bough", "mount"].iter().chain(words).chain(&["/mnt"]);
        let Verb::Mount(args) = Cli::try_parse_from(words).unwrap().verb else { panic!("not a mount") };
        options_of(&args)
    }

    #[test]
    fn flags_and_options_say_the_same() {
        let by_flags =
            options(&["--volume", "v", "--memory", "1G", "--spill-dir", "/s", "--names", "windows"]).unwrap();
        let by_list = options(&["-o", "volume=v,memory=1G", "-o", "spill_dir=/s,names=windows"]).unwrap();
        assert_eq!(by_flags, by_list);
        assert_eq!(options(&["--snapshot", "s"]).unwrap(), options(&["-o", "snapshot=s"]).unwrap());
    }

    #[test]
    fn a_new_volume_shows_its_first_branch_and_nothing_else() {
        assert!(check_new(&options(&["--branch", "main"]).unwrap()).is_ok());
        assert!(check_new(&options(&[]).unwrap()).is_ok());
        assert!(check_new(&options(&["--branch", "other"]).unwrap()).is_err());
        assert!(check_new(&options(&["--snapshot", "main"]).unwrap()).is_err());
    }

    #[test]
    fn attaching_takes_no_options_of_a_beginning() {
        for words in [&["--memory", "1G"][..], &["--spill-dir", "/s"], &["--names", "macos"], &["--volume", "v"]] {
            let words = ["bough", "mount", "--attach", "/a"].iter().chain(words).chain(&["/mnt"]);
            assert!(Cli::try_parse_from(words).is_err());
        }
        assert!(attach_beside(Path::new("/"), Path::new("/mnt"), options(&["-o", "keep"]).unwrap()).is_err());
    }

    #[test]
    fn a_mount_point_too_long_for_its_label_is_refused() {
        assert!(label_of(Path::new(&"x".repeat(1023))).is_ok());
        assert!(label_of(Path::new(&"x".repeat(1024))).is_err());
    }

    #[test]
    fn a_snapshot_is_attached_read_only() {
        let request = attach_request(&options(&["--snapshot", "s"]).unwrap()).unwrap();
        assert_eq!(request.flags, FS_CONTROL_READ_ONLY);
        assert_eq!(text_of(&request.shows.bytes), "s");
        assert_eq!(attach_request(&options(&["-o", "ro"]).unwrap()).unwrap().flags, FS_CONTROL_READ_ONLY);
        assert_eq!(attach_request(&options(&[]).unwrap()).unwrap().flags, 0);
    }
}

//! The room that the command works in: a mount namespace in which the branch stands at the base's path, the allowed paths are as
//! they are, some places are the run's own, and all else is read-only.
//!
//! Built by the first process of the room, before the command begins, in an order that matters: what is shown is taken from where it
//! is before places of the run's own cover it, and what protects comes last.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, mount_change};

use super::channel::Channel;
use super::plan::{Identity, Plan};
use super::root;
use super::standard;
use super::system::Umask;
use super::tree::{self, NO_DEVICES, NO_SETUID, READ_ONLY, Tree};
use crate::errors::{Context, Result};
use crate::mounts::{self, Mounted};

/// Directories of the run's own: empty at first, gone afterwards. With their permission bits.
const OWN_PLACES: [(&str, &str); 3] = [("/tmp", "1777"), ("/var/tmp", "1777"), ("/run", "755")];
/// Devices that harm nobody.
const DEVICES: [&str; 7] = ["null", "zero", "full", "random", "urandom", "tty", "fuse"];
const QUIET: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Whether `path` lies in a place of the run's own.
pub(super) fn is_own_place(path: &Path) -> bool {
    OWN_PLACES.iter().any(|(place, _)| path.starts_with(place))
}

/// Builds it around this process.
pub(super) fn build(plan: &Plan, channel: &Channel) -> Result<()> {
    let _umask = Umask::set(0o022);
    become_somebody(&plan.identity)?;
    root::become_all()?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("cannot keep mounts to this run")?;
    let (branch, device) = mount_fuse(&plan.identity)?;
    channel.say_descriptor(device.as_fd())?;
    drop(device);
    standard::make_safe()?;
    let table = mounts::all()?;
    let shown = Shown::take(plan)?;
    tree::set_everywhere(READ_ONLY | NO_DEVICES | NO_SETUID)?;
    make_own_places(plan)?;
    shown.put()?;
    mount_proc(&table, plan.identity.needs_users)?;
    make_place(&plan.base, true)?;
    branch.put(&plan.base)?;
    hide(plan, &table)?;
    channel.hear_go()?;
    plan.read_only.iter().filter(|path| path.starts_with(&plan.base)).try_for_each(|path| tree::protect(path))?;
    enter(plan)
}

/// In a namespace of users, the same user and group as outside, and nobody else.
pub(super) fn become_somebody(identity: &Identity) -> Result<()> {
    if !identity.needs_users {
        return Ok(());
    }
    let write = |file: &str, text: String| {
        std::fs::write(file, text).map_err(|_| super::forbidden("cannot have users of its own"))
    };
    write("/proc/self/uid_map", format!("{0} {0} 1", identity.user))?;
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/gid_map", format!("{0} {0} 1", identity.group))
}

/// A mount that nobody sees yet, and the descriptor that it is served through.
///
/// Where the command may become other users, they may enter too; the kernel checks permissions.
pub(super) fn mount_fuse(identity: &Identity) -> Result<(Tree, OwnedFd)> {
    let device = crate::fuse::open_device()?;
    let file = device.as_raw_fd().to_string();
    let (user, group) = (identity.user.to_string(), identity.group.to_string());
    let mut options = vec![
        ("source", "bough"),
        ("subtype", "bough"),
        ("fd", file.as_str()),
        ("rootmode", "40000"),
        ("user_id", user.as_str()),
        ("group_id", group.as_str()),
        ("default_permissions", ""),
    ];
    if !identity.needs_users {
        options.push(("allow_other", ""));
    }
    Ok((Tree::new("fuse", &options, QUIET)?, device))
}

/// What is shown from outside in places of the run's own, or for writing; taken before they are covered.
struct Shown(Vec<(PathBuf, Tree)>);

impl Shown {
    fn take(plan: &Plan) -> Result<Shown> {
        let mut trees = Vec::new();
        let outside = plan.read_only.iter().filter(|path| !path.starts_with(&plan.base));
        for path in outside.cloned().chain(names_of_hosts()) {
            let tree = Tree::copy(&path)?.set(READ_ONLY | NO_DEVICES | NO_SETUID)?;
            trees.push((path, tree));
        }
        for path in &plan.allowed {
            let devices = if is_device(path) { 0 } else { NO_DEVICES };
            trees.push((path.clone(), Tree::copy(path)?.set(NO_SETUID | devices)?));
        }
        // The outer before the inner, which would be covered otherwise.
        trees.sort_by(|(a, _), (b, _)| a.cmp(b));
        let devices = DEVICES.iter().map(|name| Path::new("/dev").join(name)).filter(|path| is_device(path));
        // Read-only is the entry, whose owner and permissions are the machine's; the device is written all the same.
        let devices = devices.map(|path| Ok((path.clone(), Tree::copy(&path)?.set(READ_ONLY)?)));
        let mut all: Vec<_> = devices.collect::<Result<_>>()?;
        all.extend(terminal()?);
        all.extend(trees);
        Ok(Shown(all))
    }

    fn put(self) -> Result<()> {
        for (path, tree) in self.0 {
            make_place(&path, tree.is_directory())?;
            tree.put(&path)?;
        }
        Ok(())
    }
}

fn is_device(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_char_device())
}

/// Where names of hosts are looked up may lie in a place of the run's own.
fn names_of_hosts() -> Option<PathBuf> {
    let found = Path::new("/etc/resolv.conf").canonicalize().ok()?;
    let directory = found.parent()?.to_owned();
    let is_place = OWN_PLACES.iter().any(|(place, _)| directory == Path::new(place));
    (is_own_place(&directory) && !is_place).then_some(directory)
}

/// The terminal that the command works at is found by its name as `/dev/console`.
fn terminal() -> Result<Option<(PathBuf, Tree)>> {
    let name = rustix::stdio::stdin().is_terminal().then(|| rustix::termios::ttyname(rustix::stdio::stdin(), []));
    let Some(Ok(name)) = name else { return Ok(None) };
    let path = Path::new(OsStr::from_bytes(name.as_bytes())).to_owned();
    // One from another namespace of mounts has no name here.
    match tree::is_there(&path) && path.starts_with("/dev") {
        true => Ok(Some(("/dev/console".into(), Tree::copy(&path)?.set(READ_ONLY)?))),
        false => Ok(None),
    }
}

fn make_own_places(plan: &Plan) -> Result<()> {
    for (place, mode) in OWN_PLACES {
        let place = Path::new(place);
        if tree::is_there(place) && !place.starts_with(&plan.base) {
            Tree::new("tmpfs", &[("source", "bough-run"), ("mode", mode)], QUIET)?.put(place)?;
        }
    }
    if let Some(runtime) =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.starts_with("/run"))
    {
        make_place(&runtime, true)?;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&runtime, private).context("cannot make a runtime directory")?;
    }
    make_devices()
}

fn make_devices() -> Result<()> {
    let dev = Path::new("/dev");
    Tree::new("tmpfs", &[("source", "bough-run"), ("mode", "755")], MountAttrFlags::MOUNT_ATTR_NOSUID)?.put(dev)?;
    for name in ["pts", "shm"] {
        make_place(&dev.join(name), true)?;
    }
    let terminals = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "620")];
    Tree::new("devpts", &terminals, MountAttrFlags::MOUNT_ATTR_NOSUID)?.put(&dev.join("pts"))?;
    Tree::new("tmpfs", &[("source", "bough-run"), ("mode", "1777")], QUIET)?.put(&dev.join("shm"))?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    links.iter().try_for_each(|(name, to)| symlink(to, dev.join(name)).context("cannot make a device"))
}

/// The processes of the room alone; and no other listing of processes, through which those outside could be reached.
fn mount_proc(table: &[Mounted], private_users: bool) -> Result<()> {
    let attributes = QUIET | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Tree::new("proc", &[], attributes)?.put(Path::new("/proc"))?;
    for other in table.iter().filter(|mount| mount.kind == b"proc" && mount.point != Path::new("/proc")) {
        cover(&other.point)?;
    }
    match private_users {
        true => Ok(()),
        false => protect_kernel(),
    }
}

/// What the whole machine is steered with belongs to root, and root needs no privilege to write it.
fn protect_kernel() -> Result<()> {
    for entry in std::fs::read_dir("/proc").context("cannot read /proc")? {
        let Ok(entry) = entry else { continue };
        let Ok(found) = entry.metadata() else { continue };
        let of_a_process = entry.file_name().as_bytes().iter().all(u8::is_ascii_digit);
        let steers = found.is_dir() || (!found.is_symlink() && found.mode() & 0o222 != 0);
        if steers && !of_a_process {
            tree::protect(&entry.path())?;
        }
    }
    Ok(())
}

/// Covers what must not be reached, by whatever path it can be.
fn hide(plan: &Plan, table: &[Mounted]) -> Result<()> {
    for path in mounts::aliases(table, &plan.hidden).into_iter().filter(|path| !path.starts_with(&plan.base)) {
        cover(&path)?;
    }
    // A second name of the base, or of a part of it, in what may be written.
    let writable = |path: &PathBuf| plan.allowed.iter().any(|allowed| path.starts_with(allowed));
    let others = mounts::aliases(table, &plan.base).into_iter().chain(mounts::parts(table, &plan.base));
    for path in others.filter(|path| !path.starts_with(&plan.base)).filter(writable) {
        if tree::is_there(&path) {
            tree::protect(&path)?;
        }
    }
    Ok(())
}

/// Nothing is seen at `path` any more.
fn cover(path: &Path) -> Result<()> {
    if !tree::is_there(path) {
        return Ok(());
    }
    match path.is_dir() {
        true => {
            let empty = Tree::new("tmpfs", &[("source", "bough-run"), ("mode", "555")], QUIET)?;
            empty.set(READ_ONLY)?.put(path)
        }
        false => Tree::copy(Path::new("/dev/null"))?.put(path),
    }
}

/// Makes what something can be mounted on, in places of the run's own; elsewhere it is there.
fn make_place(path: &Path, directory: bool) -> Result<()> {
    if tree::is_there(path) {
        return Ok(());
    }
    let above = path.parent().expect("invariant: the root is there");
    std::fs::create_dir_all(above).context(format_args!("cannot make {}", above.display()))?;
    let made = if directory { std::fs::create_dir(path) } else { std::fs::write(path, "") };
    made.context(format_args!("cannot make {}", path.display()))
}

/// Goes to where the command begins: where it was called, if that is seen in the room.
fn enter(plan: &Plan) -> Result<()> {
    let entered = std::env::set_current_dir(&plan.directory).or_else(|_| std::env::set_current_dir(&plan.base));
    entered.context(format_args!("cannot go to {}", plan.base.display()))
}

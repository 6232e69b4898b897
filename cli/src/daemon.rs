//! Daemons: where their sockets are, which program they are, and how one is started.

use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::process::geteuid;

use crate::errors::{Context, Exit, Failure, Result, describe};
use crate::fuse;
use crate::options::Options;
use crate::output;
use crate::wire::Socket;

const PROGRAM: &str = "bough-fuse";
/// Every socket's name ends like this; before it stands the volume's.
pub(crate) const SOCKET_SUFFIX: &str = ".sock";
/// Held by whoever starts a daemon.
const LOCK: &str = "start.lock";
/// Longest path of a socket: `sun_path` less its NUL.
const SOCKET_PATH_BYTES: usize = 107;

/// Where the daemons of this user listen.
#[derive(Debug)]
pub(crate) struct StateDirectory(PathBuf);

impl StateDirectory {
    /// `$BOUGH_STATE_DIR`, or `/run/bough` for root, or `$XDG_RUNTIME_DIR/bough`, or `/tmp/bough-UID`.
    ///
    /// Errors: it belongs to somebody else, who could listen in our daemons' place.
    pub(crate) fn find() -> Result<StateDirectory> {
        let path = path_from(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from));
        match std::fs::symlink_metadata(&path) {
            Ok(found) if found.uid() != geteuid().as_raw() && !geteuid().is_root() => {
                let path = path.display();
                Err(Failure::system(format!(
                    "{path} belongs to somebody else: set BOUGH_STATE_DIR to a directory of yours"
                )))
            }
            _ => Ok(StateDirectory(path)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for this user alone, and waits until nobody else starts a daemon; until the file is closed nobody does.
    pub(crate) fn lock(&self) -> Result<std::fs::File> {
        self.lock_of(LOCK)
    }

    /// Waits until nobody else has the lock of this name.
    pub(crate) fn lock_of(&self, name: &str) -> Result<std::fs::File> {
        let what = || format!("cannot use {}", self.0.display());
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.context(what())?;
        let options = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(CWD, self.0.join(name), options, Mode::RUSR | Mode::WUSR).context(what())?;
        flock(&file, FlockOperation::LockExclusive).context(what())?;
        Ok(file.into())
    }

    /// The daemon of the volume of this name; `None` when none listens.
    pub(crate) fn volume(&self, name: &str) -> Result<Option<Socket>> {
        bough::check_ref_name(name).map_err(|_| Failure::usage(format!("`{name}` cannot be the name of a volume")))?;
        let path = self.0.join(format!("{name}{SOCKET_SUFFIX}"));
        if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES {
            return Err(Failure::usage(format!(
                "the volume name `{name}` is too long for a socket: choose a shorter one"
            )));
        }
        match Socket::connect(&path) {
            Ok(socket) => Ok(Some(socket)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error).context(format_args!("cannot reach the daemon of the volume {name}")),
        }
    }
}

fn path_from(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    if let Some(path) = variable("BOUGH_STATE_DIR") {
        return path;
    }
    if geteuid().is_root() {
        return PathBuf::from("/run/bough");
    }
    match variable("XDG_RUNTIME_DIR") {
        Some(path) => path.join("bough"),
        None => PathBuf::from(format!("/tmp/bough-{}", geteuid().as_raw())),
    }
}

/// The daemon's program: `$BOUGH_FUSE`, or beside this one, or in `../libexec`, or on the PATH.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("BOUGH_FUSE") {
        return Ok(path.into());
    }
    let here = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let near = here.into_iter().flat_map(|here| [here.join(PROGRAM), here.join("../libexec").join(PROGRAM)]);
    if let Some(found) = near.into_iter().find(|path| path.is_file()) {
        return Ok(found);
    }
    match fuse::is_on_path(PROGRAM) {
        true => Ok(PROGRAM.into()),
        false => Err(Failure::system(format!("{PROGRAM} is missing: install it, or set BOUGH_FUSE to its path"))),
    }
}

/// Starts a daemon for a new volume; answers when it has mounted. In the foreground this process becomes it.
pub(crate) fn start(point: &Path, options: &Options, foreground: bool) -> Result<Exit> {
    let program = program()?;
    let mut command = Command::new(&program);
    command.arg("-o").arg(options.for_daemon()).arg(point);
    if foreground {
        let error = command.arg("-f").exec();
        return Err(cannot_run(&program, &error));
    }
    run(command, &program)
}

/// Starts a daemon for a new volume without a mount point; answers when it listens.
pub(crate) fn start_unmounted(options: &Options) -> Result<()> {
    let program = program()?;
    let mut command = Command::new(&program);
    command.arg("-o").arg(options.for_daemon());
    run(command, &program).map(drop)
}

fn run(mut command: Command, program: &Path) -> Result<Exit> {
    // A daemon that logs keeps our stderr; any other has nothing to say there once it runs.
    let logs = std::env::var_os("BOUGH_LOG").is_some();
    command.stdin(Stdio::null()).stderr(if logs { Stdio::inherit() } else { Stdio::piped() });
    let mut child = command.spawn().map_err(|error| cannot_run(program, &error))?;
    let status = child.wait().context(format_args!("cannot wait for {}", program.display()))?;
    let said = child.stderr.take().map(talk_so_far).unwrap_or_default();
    if status.success() {
        said.iter().for_each(|line| output::say(line));
        return Ok(Exit::Done);
    }
    let text = match (said.is_empty(), logs) {
        (false, _) => said.join("; "),
        (true, true) => "the daemon could not start: see its log above".to_owned(),
        (true, false) => format!("the daemon could not start ({status}): BOUGH_LOG=debug says more"),
    };
    Err(failed(status.code(), text))
}

/// The daemon's exit codes name situations; see its `--help`.
fn failed(code: Option<i32>, text: String) -> Failure {
    match code {
        Some(2) => Failure::usage(text),
        // The mount point, the volume, its name.
        Some(3..=6 | 10 | 11) => Failure::refused(text),
        _ => Failure::system(text),
    }
}

fn cannot_run(program: &Path, error: &io::Error) -> Failure {
    Failure::system(format!("cannot run {}: {}", program.display(), describe(error)))
}

/// The lines said by now. The daemon may hold the other end for as long as it lives, so nobody waits for more.
fn talk_so_far(mut stderr: ChildStderr) -> Vec<String> {
    let mut bytes = Vec::new();
    if rustix::io::ioctl_fionbio(&stderr, true).is_ok() {
        let _ = stderr.read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(|line| line.strip_prefix("bough-fuse: ").unwrap_or(line).trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_where_it_was_told_to_be() {
        assert_eq!(path_from(|name| (name == "BOUGH_STATE_DIR").then(|| "/x".into())), Path::new("/x"));
        let without = path_from(|name| (name == "XDG_RUNTIME_DIR").then(|| "/run/user/1".into()));
        let expected = if geteuid().is_root() { "/run/bough" } else { "/run/user/1/bough" };
        assert_eq!(without, Path::new(expected));
    }

    #[test]
    fn a_volume_is_alive_only_while_somebody_listens() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory(directory.path().to_owned());
        assert!(state.volume("v").unwrap().is_none());
        let listener = std::os::unix::net::UnixListener::bind(directory.path().join("v.sock")).unwrap();
        assert!(state.volume("v").unwrap().is_some());
        drop(listener);
        // A program that another test starts has what this one had open until it runs.
        let begun = std::time::Instant::now();
        while state.volume("v").unwrap().is_some() {
            assert!(begun.elapsed().as_secs() < 120, "nobody listens");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        assert_eq!(state.volume("a/b").err().map(|failure| failure.exit()), Some(Exit::Usage));
        assert_eq!(state.volume(&"x".repeat(200)).err().map(|failure| failure.exit()), Some(Exit::Usage));
    }

    #[test]
    fn a_daemon_that_cannot_start_is_quoted() {
        let mut command = Command::new("sh");
        command.arg("-c").arg("echo 'bough-fuse: no room' >&2; echo 'bough-fuse: none' >&2; exit 10");
        let failure = run(command, Path::new("sh")).unwrap_err();
        assert!(format!("{failure:?}").contains("\"no room; none\""));
        assert_eq!(failure.exit(), Exit::Refused);
        let failure = run(Command::new("/no/such/program"), Path::new("x")).unwrap_err();
        assert_eq!(failure.exit(), Exit::System);
    }

    #[test]
    fn a_daemon_that_keeps_its_stderr_is_not_waited_for() {
        let mut command = Command::new("sh");
        command.arg("-c").arg("sleep 40 >&2 & exit 0");
        let begun = std::time::Instant::now();
        assert_eq!(run(command, Path::new("sh")).unwrap(), Exit::Done);
        assert!(begun.elapsed().as_secs() < 30);
    }
}

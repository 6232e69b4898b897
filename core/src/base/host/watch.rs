//! Who changes the directory besides us: inotify(7) on the directories that were looked at.
//!
//! A thread reads what the kernel tells and passes it on. A directory is watched before anything in it is looked at, so what
//! is known of a watched directory is as it is now, or word of a change is under way. There are only so many watches;
//! what is past their number is not watched, and whoever asks is told so. What inotify does not tell is not told here
//! either: writes through a mapping, a file changed by a name elsewhere, file systems that others change.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use hashbrown::HashMap;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::HostDirectory;
use crate::base::{Base, BaseChange, Tell};
use crate::limits::BASE_WATCHES;
use crate::sync::RwLock;
use crate::types::InodeId;

const BUFFER_BYTES: usize = 64 * 1024;
const WANTED: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::ONLYDIR)
    .union(WatchFlags::EXCL_UNLINK);

#[derive(Default)]
struct Watches {
    numbers: HashMap<InodeId, i32>,
    directories: HashMap<i32, InodeId>,
}

pub(super) struct Watcher {
    inotify: OwnedFd,
    /// Readable when the thread is to end.
    end: OwnedFd,
    watches: RwLock<Watches>,
    /// The kernel gives no more of them, or tells no more.
    is_full: AtomicBool,
}

impl Watcher {
    /// Begins to tell what changes, as long as the directory is open. `None`: there is no inotify.
    pub(super) fn start(directory: Weak<HostDirectory>, tell: Tell) -> Option<Arc<Watcher>> {
        let watcher = Arc::new(Watcher {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?,
            end: eventfd(0, EventfdFlags::CLOEXEC).ok()?,
            watches: RwLock::default(),
            is_full: AtomicBool::new(false),
        });
        let own = watcher.clone();
        let thread = std::thread::Builder::new().name("bough-base".into());
        thread.spawn(move || own.run(&directory, &*tell)).ok()?;
        Some(watcher)
    }

    pub(super) fn stop(&self) {
        // It fails when nobody has read so many ends; then the thread is told already.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
    }

    pub(super) fn is_watched(&self, directory: InodeId) -> bool {
        self.watches.read().numbers.contains_key(&directory)
    }

    /// Watches a directory from now on, if there is a watch left. `is_told`: whether the kernel knows of each change there.
    pub(super) fn watch(&self, id: InodeId, directory: &OwnedFd, is_told: impl FnOnce() -> bool) {
        if self.is_full.load(Ordering::Relaxed) || self.is_watched(id) || !is_told() {
            return;
        }
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        // Locked before the kernel tells of anything.
        let mut watches = self.watches.write();
        if self.is_full.load(Ordering::Relaxed) {
            return;
        }
        match inotify::add_watch(&self.inotify, path, WANTED) {
            Ok(number) => {
                // The same directory by another number: an old one that it has no more.
                let old = watches.directories.insert(number, id).filter(|old| *old != id);
                old.map(|old| watches.numbers.remove(&old));
                watches.numbers.insert(id, number);
                self.is_full.store(watches.numbers.len() >= BASE_WATCHES, Ordering::Relaxed);
            }
            Err(Errno::NOSPC | Errno::NOMEM) => {
                tracing::info!(watches = watches.numbers.len(), "no more inotify watches: see inotify(7)");
                self.is_full.store(true, Ordering::Relaxed);
            }
            Err(_) => {}
        }
    }

    fn run(&self, directory: &Weak<HostDirectory>, tell: &(dyn Fn(BaseChange) + Send + Sync)) {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => match self.wait() {
                    Ok(true) => continue,
                    Ok(false) => return,
                    Err(errno) => return self.give_up(errno, tell),
                },
                Err(errno) => return self.give_up(errno, tell),
            };
            let Some(directory) = directory.upgrade() else { return };
            let (flags, name) = (event.events(), event.file_name().map(|name| name.to_bytes()).unwrap_or_default());
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                tell(BaseChange::Lost);
            } else if flags.contains(ReadFlags::IGNORED) {
                self.forget(event.wd());
            } else if let Some(id) = self.directory_of(event.wd()) {
                pass_on(&directory, id, flags, name, tell);
            }
        }
    }

    /// False: it is time to end.
    fn wait(&self) -> rustix::io::Result<bool> {
        let mut files = [PollFd::new(&self.inotify, PollFlags::IN), PollFd::new(&self.end, PollFlags::IN)];
        match poll(&mut files, None) {
            Ok(_) => Ok(files[1].revents().is_empty()),
            Err(Errno::INTR) => Ok(true),
            Err(errno) => Err(errno),
        }
    }

    /// Nobody hears of changes any more: nothing counts as watched, now or later, and whoever follows must look for himself.
    fn give_up(&self, errno: Errno, tell: &(dyn Fn(BaseChange) + Send + Sync)) {
        let mut watches = self.watches.write();
        self.is_full.store(true, Ordering::Relaxed);
        *watches = Watches::default();
        drop(watches);
        tracing::error!(%errno, "changes in the base are not told any more");
        tell(BaseChange::Lost);
    }

    fn directory_of(&self, number: i32) -> Option<InodeId> {
        self.watches.read().directories.get(&number).copied()
    }

    /// The kernel has ended a watch: its directory is gone.
    fn forget(&self, number: i32) {
        let mut watches = self.watches.write();
        let id = watches.directories.remove(&number);
        id.map(|id| watches.numbers.remove(&id));
        self.is_full.store(false, Ordering::Relaxed);
    }
}

/// Turns an event into what changed. Which inode an entry is, is looked up anew: the event names entries only.
fn pass_on(
    directory: &HostDirectory,
    parent: InodeId,
    flags: ReadFlags,
    name: &[u8],
    tell: &(dyn Fn(BaseChange) + Send + Sync),
) {
    let names = ReadFlags::CREATE | ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::MOVED_TO;
    let is_there = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
    if name.is_empty() {
        // The directory itself.
        tell(BaseChange::Attributes(parent));
    } else if flags.intersects(names) {
        tell(BaseChange::Name { parent, name: name.into(), is_there });
    } else if let Ok(Some((id, _))) = directory.look(parent, name) {
        let content = flags.contains(ReadFlags::MODIFY);
        tell(if content { BaseChange::Content(id) } else { BaseChange::Attributes(id) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Mutex;

    #[test]
    fn when_no_more_can_be_told_nothing_counts_as_watched_and_who_follows_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let open = || OwnedFd::from(std::fs::File::open(directory.path()).unwrap());
        let (id, other) = (InodeId(10), InodeId(11));
        let watcher = Watcher {
            // Reading it fails.
            inotify: open(),
            end: eventfd(0, EventfdFlags::CLOEXEC).unwrap(),
            watches: RwLock::default(),
            is_full: AtomicBool::new(false),
        };
        watcher.watches.write().numbers.insert(id, 1);
        watcher.watches.write().directories.insert(1, id);
        let told = Arc::new(Mutex::new(Vec::new()));
        let hears = told.clone();
        watcher.run(&Weak::new(), &move |change| hears.lock().push(change));
        assert_eq!(*told.lock(), [BaseChange::Lost]);
        assert!(!watcher.is_watched(id) && watcher.directory_of(1).is_none());
        watcher.watch(other, &open(), || panic!("it is not even asked for"));
        assert!(!watcher.is_watched(other));
    }
}

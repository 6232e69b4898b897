//! Runs by an ordinary user: with namespaces of users where the system allows them, with a clear word where it does not.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::*;

/// Nobody of the system's own.
const USER: u32 = 54_321;

/// A place of an ordinary user's, with a base and programs that he may run. The tests begin as root, or as such a user.
struct Ordinary {
    place: Place,
    programs: PathBuf,
}

impl Ordinary {
    fn new() -> Ordinary {
        let place = Place::new();
        let bin = place.at("bin");
        for directory in ["base/dir", "bin", "state", "outside"] {
            fs::create_dir_all(place.at(directory)).unwrap();
        }
        for name in ["bough", "bough-fuse"] {
            copy_program(&programs().join(name), &bin.join(name));
        }
        place.write("base/file", "content");
        place.write("base/dir/inner", "inner");
        if is_root() {
            let node = place.text("fuse");
            assert!(ran(place.command("mknod").args(["-m", "666", &node, "c", "10", "229"])).code == 0);
            fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["base", "base/dir", "base/file", "base/dir/inner", "state", "outside"] {
                chown(place.at(name), Some(USER), Some(USER)).unwrap();
            }
        }
        Ordinary { place, programs: bin }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.place.command(program);
        command.current_dir(self.place.at("base")).env("BOUGH_FUSE", self.programs.join("bough-fuse"));
        if is_root() {
            let device = CString::new(self.place.text("fuse")).unwrap();
            // SAFETY: only system calls, with what was made before the fork.
            unsafe { command.pre_exec(move || become_ordinary(&device)) };
        }
        command
    }

    fn bough(&self, words: &[&str]) -> Ran {
        let mut command = self.command(self.programs.join("bough"));
        ran(command.args(words))
    }

    fn run(&self, options: &[&str], script: &str) -> Ran {
        let words: Vec<&str> = ["run"].iter().chain(options).chain(&["--", "sh", "-c", script]).copied().collect();
        self.bough(&words)
    }

    /// Whether the system lets him have namespaces; if not, what he is told is looked at.
    fn may(&self) -> bool {
        let may = ran(self.command("unshare").args(["-Urm", "true"])).code == 0
            && ran(self.command("sh").args(["-c", "exec 3<>/dev/fuse"])).code == 0;
        if !may {
            let said = self.run(&["--keep"], "true");
            assert_eq!(said.code, 125, "{said:?}");
            let words = ["keeps namespaces from ordinary users", "/dev/fuse"];
            assert!(words.iter().any(|word| said.talk.contains(word)), "{said:?}");
        }
        may
    }
}

/// By another process: what this one has open for writing, a test that forks may hold open, and then it cannot be run.
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// Not every machine lets its users have the device: this process sees one that does, and is nobody then.
fn become_ordinary(device: &CStr) -> io::Result<()> {
    let checked = |result: i32| if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let mount = |from: &CStr, to: &CStr, flags| {
        // SAFETY: strings that live until it returns, and no options.
        checked(unsafe { libc::mount(from.as_ptr(), to.as_ptr(), std::ptr::null(), flags, std::ptr::null()) })
    };
    // SAFETY: takes a number.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE)?;
    mount(device, c"/dev/fuse", libc::MS_BIND)?;
    // SAFETY: no groups; the rest takes numbers.
    unsafe {
        checked(libc::setgroups(0, std::ptr::null()))?;
        checked(libc::setgid(USER))?;
        checked(libc::setuid(USER))
    }
}

impl Drop for Ordinary {
    fn drop(&mut self) {
        let listed: serde_json::Value = serde_json::from_str(&self.bough(&["list", "--json"]).out).unwrap_or_default();
        for volume in listed.as_array().into_iter().flatten() {
            self.bough(&["unmount", "--volume", volume["volume"].as_str().unwrap()]);
        }
    }
}

#[test]
fn an_ordinary_user_runs_looks_accepts_and_rejects() {
    let user = Ordinary::new();
    if !user.may() {
        return;
    }
    let ran = user.run(&["--keep", "--branch", "b"], "id -u; echo more >> file; mkdir new; mv dir/inner new; exit 9");
    let uid =
        if is_root() { USER.to_string() } else { fs::metadata(user.place.at("base")).map_or(0, owner).to_string() };
    assert_eq!((ran.code, ran.out.trim()), (9, uid.as_str()), "{ran:?}");
    assert_eq!(user.place.read("base/file"), "content");
    assert_eq!(user.bough(&["diff", "b"]).out, "M file\nA new\nR dir/inner -> new/inner\n");
    assert!(user.bough(&["diff", "-p", "b"]).out.contains("+contentmore"));
    user.bough(&["accept", "--", "file"]).done();
    assert_eq!(user.place.read("base/file"), "contentmore\n");
    user.bough(&["reject", "--", "new/inner"]).done();
    assert_eq!(user.bough(&["accept", "--dry-run"]).out, "A new\n");
    user.bough(&["accept"]).done();
    assert!(user.place.at("base/new").is_dir());
    let found = fs::metadata(user.place.at("base/new")).unwrap();
    assert_eq!(owner(found).to_string(), uid);
}

fn owner(found: fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(&found)
}

#[test]
fn an_ordinary_user_gets_nothing_that_he_had_not() {
    let user = Ordinary::new();
    if !user.may() {
        return;
    }
    let (outside, base) = (user.place.text("outside"), user.place.text("base"));
    let script = format!(
        "for try in 'touch {outside}/x' 'touch /etc/x' 'cat /etc/shadow' 'mount -t tmpfs none /mnt' 'umount /tmp' \
         'chown 0 file' 'mknod d b 8 0' 'chroot . true' 'unshare -Urm umount {base}' 'unshare -Urm umount /tmp' \
         'unshare -Urm mount -o remount,rw /' 'unshare -Urm mount --bind / /mnt' 'unshare -Urm touch {outside}/x' \
         'kill -0 {}' 'su -c true' 'dmesg'; \
         do (sh -c \"$try\") >/dev/null 2>&1 && echo \"DONE: $try\"; done; grep CapEff /proc/self/status | cut -f2",
        std::process::id()
    );
    let ran = user.run(&["--keep"], &script);
    assert_eq!(ran.out, "0000000000000000\n", "{ran:?}");
}

#[test]
fn what_an_ordinary_user_may_not_read_he_may_not_read_in_a_run() {
    let user = Ordinary::new();
    if !is_root() || !user.may() {
        return;
    }
    fs::write(user.place.at("base/secret"), "secret").unwrap();
    fs::set_permissions(user.place.at("base/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    // Its owner is nobody in the run, of whom the kernel lets nobody remove anything either.
    let ran =
        user.run(&["--keep"], "cat secret; chmod 777 secret; echo x > secret; rm -f secret && echo gone; ls secret");
    assert_eq!(ran.out, "secret\n", "{ran:?}");
    assert_eq!(user.place.read("base/secret"), "secret");
    let closed = user.place.at("base/closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let closed = user.bough(&["run", "--base", closed.to_str().unwrap(), "--", "true"]);
    assert!(closed.code == 125 && closed.talk.contains("ermission denied"), "{closed:?}");
    let point = user.place.text("outside");
    let mounted = user.bough(&["mount", "--base", &user.place.text("base/closed"), &point]);
    assert!(mounted.code > 0 && mounted.talk.contains("ermission denied"), "{mounted:?}");
}

#[test]
fn where_a_system_forbids_namespaces_the_setting_is_named() {
    let user = Ordinary::new();
    let (bough, base) = (user.programs.join("bough"), user.place.text("base"));
    // A namespace of users in which there may be no more of them, and whose root has given up all that he may.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && \
         exec setpriv --bounding-set=-all --inh-caps=-all {} run --keep --base {base} -- true",
        bough.display()
    );
    if ran(user.place.command("unshare").args(["-Ur", "sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces"])).code
        != 0
    {
        eprintln!("SKIPPED: no namespaces of users can be forbidden here");
        return;
    }
    let said = ran(user
        .place
        .command("unshare")
        .args(["-Ur", "sh", "-c", &script])
        .env("BOUGH_STATE_DIR", user.place.at("own")));
    assert_eq!(said.code, 125, "{said:?}");
    assert!(said.talk.contains("user.max_user_namespaces"), "{said:?}");
}

#[test]
fn what_an_ordinary_user_may_not_write_is_not_accepted_and_nothing_is_lost() {
    let user = Ordinary::new();
    if !is_root() || !user.may() {
        return;
    }
    user.run(&["--keep", "--branch", "b"], "echo new > file; echo new > dir/new");
    fs::set_permissions(user.place.at("base/dir"), fs::Permissions::from_mode(0o555)).unwrap();
    chown(user.place.at("base/dir"), Some(0), Some(0)).unwrap();
    let conflict = user.bough(&["accept"]);
    assert!(conflict.code == 1 && conflict.talk.contains("dir has changed in the base"), "{conflict:?}");
    let refused = user.bough(&["accept", "--force"]);
    assert!(refused.code == 4 && refused.talk.contains("ermission denied"), "{refused:?}");
    assert_eq!(user.place.read("base/file"), "content");
    for directory in ["base", "base/dir"] {
        let mut entries = fs::read_dir(user.place.at(directory)).unwrap();
        assert!(entries.all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with(".bough")));
    }
    user.bough(&["accept", "--", "file"]).done();
    assert_eq!(user.place.read("base/file"), "new\n");
    assert!(user.bough(&["diff", "b"]).out.contains("A dir/new\n"));
}

#[test]
fn a_set_user_id_program_gives_an_ordinary_user_nothing() {
    let user = Ordinary::new();
    if !is_root() || !user.may() {
        return;
    }
    let helper = user.place.at("base/helper");
    copy_program("/usr/bin/id".as_ref(), &helper);
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o4755)).unwrap();
    let ran = user.run(&["--keep"], "./helper -u; setpriv --reuid 0 id -u 2>/dev/null; true");
    assert_eq!(ran.out, format!("{USER}\n"), "{ran:?}");
}

//! What a suite runs on: an empty volume, or one over a directory that holds a bit of everything, which must be the same to the
//! last byte and nanosecond when the suite is through.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::census::Census;
use crate::fixture::{Mount, USUAL, shell};
use crate::kit::noise;
use crate::sys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Nothing,
    Base,
}

impl On {
    pub(crate) const BOTH: [On; 2] = [On::Nothing, On::Base];
}

/// A mount with a folder to work in, which has been prepared: over a base, in the base itself.
pub(crate) struct Ground {
    mount: Mount,
    before: Option<Census>,
}

impl Deref for Ground {
    type Target = Mount;

    fn deref(&self) -> &Mount {
        &self.mount
    }
}

/// Where suites work: not in the root, which is the volume's own. Short, for sockets have short paths.
const WORK: &str = "d/w";

impl Ground {
    /// `None`: this machine has no FUSE.
    #[track_caller]
    pub(crate) fn new(on: On, options: &str, make: impl FnOnce(&Path)) -> Option<Ground> {
        if on == On::Nothing {
            let mount = Mount::with(options)?;
            fs::create_dir_all(mount.at(WORK)).unwrap();
            open_to_all(&mount.at(WORK));
            make(&mount.at(WORK));
            return Some(Ground { mount, before: None });
        }
        let mount = Mount::over(options, |base| {
            populate(base);
            open_to_all(&base.join(WORK));
            make(&base.join(WORK));
        })?;
        let mut ground = Ground { mount, before: None };
        let before = Census::of(&ground.base());
        assert!(before.len() > 800, "the base holds but {}", before.len());
        ground.before = Some(before);
        Some(ground)
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.mount.at(WORK)
    }

    /// Of a view that shows another branch, at another place.
    pub(crate) fn folder_at(point: &Path) -> PathBuf {
        point.join(WORK)
    }

    #[track_caller]
    pub(crate) fn end(self) {
        self.end_with(&[]);
    }

    /// Unmounts, and sees that nothing is left and that the base is what it was.
    #[track_caller]
    pub(crate) fn end_with(self, others: &[&Path]) {
        self.check_base();
        self.mount.unmount(others);
        self.check_base();
    }

    #[track_caller]
    pub(crate) fn check_base(&self) {
        if let Some(before) = &self.before {
            before.assert_same(&Census::of(&self.base()));
        }
    }

    fn base(&self) -> PathBuf {
        self.mount.scratch().path().join("base")
    }
}

fn open_to_all(folder: &Path) {
    for folder in folder.ancestors().take(Path::new(WORK).components().count()) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
}

/// A bit of everything that a file system can hold. Some of it takes root.
pub(crate) fn populate(base: &Path) {
    fs::create_dir_all(base.join(WORK)).unwrap();
    fs::write(base.join("large"), noise(3, 5_000_000)).unwrap();
    fs::create_dir(base.join("many")).unwrap();
    for number in 0..700_usize {
        fs::write(base.join(format!("many/{number}")), noise(number as u64, number * 13)).unwrap();
    }
    shell(
        base,
        r#"
        mkdir -p d/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20; echo bottom > d/1/2/3/4/5/6/7/8/9/10/file
        mkdir links; echo linked > links/one; ln links/one links/two; ln links/one d/three; ln many/7 links/seven
        ln -s one links/soft; ln -s /no/where links/dangling; ln -s ../links links/around; ln -s . links/here
        mkfifo pipe; mkdir -m 2755 setgid; mkdir -m 1777 sticky; mkdir -m 700 closed; echo x > closed/x; chmod 000 closed/x
        cp /bin/true setgid/program; chmod 4711 setgid/program
        truncate -s 16M sparse; for at in 1 4 9; do printf data | dd of=sparse bs=1M seek=$at conv=notrunc status=none; done
        printf '' > empty; touch -d '1980-02-03 04:05:06.789012345' empty; echo > future; touch -d '2100-01-01' future
        echo > "$(printf 'n%.0s' $(seq 255))"; echo > 'a name with
a line break'; echo > $'\xff\xfe not UTF-8'; echo > "ünï çode"; echo > ' '; echo > '-rf'
        for n in $(seq 100); do mkdir many/d$n; done; echo log > log; chmod 1644 log
        if command -v setfattr > /dev/null; then
            setfattr -n user.note -v 'a value' large; setfattr -n user.empty large; setfattr -n user.d -v 1 many
            setfattr -n user.large -v "$(head -c 3000 /dev/zero | tr '\0' x)" empty || true
        fi
        command -v setfacl > /dev/null && setfacl -m u:1234:rwx,d:u:1234:rx setgid && setfacl -m g:77:r log
        if [ "$(id -u)" = 0 ]; then
            mknod device c 1 3; mknod block b 7 99; chown 12:34 empty; chown -h 5:6 links/soft; chown 65534:65534 log
            setfattr -n trusted.t -v 1 large; setcap cap_net_raw+ep setgid/program 2> /dev/null || true
        fi
        "#,
    );
    drop(std::os::unix::net::UnixListener::bind(base.join("socket")).unwrap());
    if !sys::is_root() {
        eprintln!("PARTLY: without root the base has no devices and no other owners");
    }
}

#[test]
fn a_volume_shows_all_of_its_base_and_looking_at_it_leaves_no_trace() {
    let Some(ground) = Ground::new(On::Base, USUAL, |_| {}) else { return };
    let before = Census::with_directories(&ground.base());
    Census::of(&ground.base()).shown().assert_same(&Census::of(ground.point()).shown());
    shell(
        ground.point(),
        "ls -lRaZ . > /dev/null 2>&1 || true; find . -type f -exec cat {} + > /dev/null; getfattr -hRd . > /dev/null",
    );
    if sys::is_root() {
        before.assert_same(&Census::with_directories(&ground.base()));
    }
    ground.end();
}

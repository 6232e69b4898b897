//! Who has snapshots and branches: each with a tree to change, and the commands by which it does what is timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// In the order of the table.
pub(crate) const NAMES: [&str; 3] = ["bough", "btrfs", "sandfs"];
const DISK_BYTES: u64 = 6 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bough,
    Btrfs,
    Sandfs,
}

/// One that is up. Dropped, it is down.
pub(crate) struct Peer {
    kind: Kind,
    place: PathBuf,
    /// What is changed and taken snapshots of.
    tree: PathBuf,
}

/// Where the release build puts programs.
pub(crate) fn programs() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    std::env::var_os("BOUGH_BIN").map_or_else(|| top.join("target/release"), PathBuf::from)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our own path")
}

/// Those that this machine has, their trees filled.
pub(crate) fn start_all(place: &Path, fill: impl Fn(&Path)) -> Vec<Peer> {
    let start = |(kind, name)| {
        let place = place.join(name);
        fs::create_dir(&place).expect("a folder of its own");
        let peer = Peer { kind, tree: place.join("tree"), place };
        fs::create_dir(&peer.tree).expect("a folder of its own");
        let up = peer.bring_up(&fill);
        if up.is_none() {
            eprintln!("{name}: not on this machine");
        }
        up.map(|()| peer)
    };
    [Kind::Bough, Kind::Btrfs, Kind::Sandfs].into_iter().zip(NAMES).filter_map(start).collect()
}

impl Peer {
    pub(crate) fn name(&self) -> &'static str {
        NAMES[self.kind as usize]
    }

    fn exit_code(&self, program: &Path, arguments: &[&str]) -> Option<i32> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.place).env("SANDFS_HOME", self.place.join("home"));
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.ok()?.code()
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> bool {
        self.exit_code(program, arguments) == Some(0)
    }

    fn bough(&self, arguments: &[&str]) -> bool {
        self.run(&programs().join("bough"), &[&["-C", text(&self.tree)], arguments].concat())
    }

    fn btrfs(&self, arguments: &[&str]) -> bool {
        self.run("btrfs".as_ref(), arguments)
    }

    fn sandfs(&self, arguments: &[&str]) -> bool {
        self.run("sandfs".as_ref(), arguments)
    }

    /// A folder beside the tree.
    fn beside(&self, name: &str, round: usize) -> String {
        let folder = if self.kind == Kind::Btrfs { self.place.join("disk") } else { self.place.clone() };
        text(&folder.join(format!("{name}{round}"))).to_owned()
    }

    fn bring_up(&self, fill: impl Fn(&Path)) -> Option<()> {
        let mount = |arguments: &[&str]| self.run("mount".as_ref(), arguments).then_some(());
        match self.kind {
            Kind::Bough => {
                let mounted = self.run(&programs().join("bough"), &["mount", text(&self.tree)]);
                mounted.then(|| fill(&self.tree))
            }
            Kind::Btrfs => {
                let (disk, image) = (self.place.join("disk"), self.place.join("memory/image"));
                fs::create_dir(&disk).and_then(|()| fs::create_dir(self.place.join("memory"))).ok()?;
                mount(&["-t", "tmpfs", "tmpfs", text(&self.place.join("memory"))])?;
                fs::File::create(&image).and_then(|file| file.set_len(DISK_BYTES)).ok()?;
                self.run("mkfs.btrfs".as_ref(), &["-q", "-f", text(&image)]).then_some(())?;
                mount(&["-o", "loop", text(&image), text(&disk)])?;
                self.btrfs(&["subvolume", "create", text(&disk.join("tree"))]).then_some(())?;
                mount(&["--bind", text(&disk.join("tree")), text(&self.tree)])?;
                fill(&self.tree);
                Some(())
            }
            Kind::Sandfs => {
                let source = self.place.join("source");
                self.sandfs(&["--version"]).then(|| fs::create_dir(&source).ok()).flatten()?;
                fill(&source);
                self.sandfs(&["mount", text(&source), text(&self.tree)]).then_some(())
            }
        }
    }

    /// Writes a file, so that there is something to take.
    pub(crate) fn change(&self, round: usize) {
        fs::write(self.tree.join("changed"), round.to_string()).expect("the tree can be written to");
    }

    pub(crate) fn snapshot(&self, round: usize) -> bool {
        let name = format!("s{round}");
        match self.kind {
            Kind::Bough => self.bough(&["snapshot", "create", &name]),
            Kind::Btrfs => {
                let (from, to) = (self.place.join("disk/tree"), self.beside("s", round));
                self.btrfs(&["subvolume", "snapshot", "-r", text(&from), &to])
            }
            Kind::Sandfs => self.sandfs(&["fork", text(&self.tree), "--name", &name]),
        }
    }

    pub(crate) fn branch(&self, round: usize) -> bool {
        let (name, folder) = (format!("b{round}"), self.beside("b", round));
        match self.kind {
            Kind::Bough => {
                fs::create_dir(&folder).expect("a folder of its own");
                self.bough(&["branch", "create", &name, "--mount", &folder])
            }
            Kind::Btrfs => self.btrfs(&["subvolume", "snapshot", text(&self.place.join("disk/tree")), &folder]),
            Kind::Sandfs => self.sandfs(&["fork", text(&self.tree), &folder]),
        }
    }

    /// What the tree has that the snapshot before did not.
    pub(crate) fn diff(&self, round: usize) -> bool {
        let Some(before) = round.checked_sub(1) else { return false };
        match self.kind {
            // 1: there are differences.
            Kind::Bough => {
                let (old, new) = (format!("s{before}"), format!("s{round}"));
                let arguments = ["-C", text(&self.tree), "diff", &old, &new];
                self.exit_code(&programs().join("bough"), &arguments) == Some(1)
            }
            Kind::Btrfs => {
                let (old, new) = (self.beside("s", before), self.beside("s", round));
                self.btrfs(&["send", "--no-data", "-q", "-p", &old, &new])
            }
            Kind::Sandfs => self.sandfs(&["changes", &format!("s{round}"), "--since", &format!("s{before}")]),
        }
    }

    /// Only Bough shows another branch at the same place: there and back, two commands.
    pub(crate) fn switch(&self, round: usize) -> bool {
        self.kind == Kind::Bough
            && self.bough(&["branch", "switch", &format!("b{round}")])
            && self.bough(&["branch", "switch", "main"])
    }

    pub(crate) fn delete_branch(&self, round: usize) -> bool {
        let (name, folder) = (format!("b{round}"), self.beside("b", round));
        match self.kind {
            Kind::Bough => {
                self.run(&programs().join("bough"), &["unmount", &folder]) && self.bough(&["branch", "delete", &name])
            }
            Kind::Btrfs => self.btrfs(&["subvolume", "delete", &folder]),
            Kind::Sandfs => self.sandfs(&["rm", "--unmount", &folder]),
        }
    }

    /// The one before: the last is what the next diff begins at.
    pub(crate) fn delete_snapshot(&self, round: usize) -> bool {
        let Some(before) = round.checked_sub(1) else { return false };
        match self.kind {
            Kind::Bough => self.bough(&["snapshot", "delete", &format!("s{before}")]),
            Kind::Btrfs => self.btrfs(&["subvolume", "delete", &self.beside("s", before)]),
            Kind::Sandfs => self.sandfs(&["rm", &format!("s{before}")]),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.kind == Kind::Sandfs {
            self.sandfs(&["unmount", text(&self.tree)]);
            return;
        }
        for point in [&self.tree, &self.place.join("disk"), &self.place.join("memory")] {
            self.run("umount".as_ref(), &[text(point)]);
        }
    }
}

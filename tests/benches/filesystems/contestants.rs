//! The file systems that are measured, and how each is brought up in an empty directory and taken down.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Size of the disks in memory that file systems of the kernel are made on.
const DISK_BYTES: u64 = 3 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tmpfs,
    Bough { snapshots: usize, over_uring: bool },
    Floor { options: &'static str },
    Disk { make: &'static [&'static str], options: &'static str },
    Overlayfs,
    FuseOverlayfs,
    PassthroughHp,
}

/// Something to measure.
#[derive(Clone, Copy)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    kind: Kind,
}

/// All of them; the first is what the others are compared with.
pub(crate) const ALL: &[Contestant] = &[
    Contestant { name: "tmpfs", kind: Kind::Tmpfs },
    Contestant { name: "bough", kind: Kind::Bough { snapshots: 0, over_uring: false } },
    Contestant { name: "bough-uring", kind: Kind::Bough { snapshots: 0, over_uring: true } },
    Contestant { name: "floor", kind: Kind::Floor { options: "default_permissions" } },
    Contestant { name: "floor-uring", kind: Kind::Floor { options: "default_permissions,io_uring" } },
    Contestant { name: "bough-1", kind: Kind::Bough { snapshots: 1, over_uring: false } },
    Contestant { name: "bough-100", kind: Kind::Bough { snapshots: 100, over_uring: false } },
    Contestant { name: "bough-1000", kind: Kind::Bough { snapshots: 1000, over_uring: false } },
    Contestant { name: "ext4", kind: Kind::Disk { make: &["mkfs.ext4", "-q", "-F"], options: "loop" } },
    Contestant { name: "xfs", kind: Kind::Disk { make: &["mkfs.xfs", "-q", "-f"], options: "loop" } },
    Contestant { name: "btrfs", kind: Kind::Disk { make: &["mkfs.btrfs", "-q", "-f"], options: "loop" } },
    Contestant { name: "overlayfs", kind: Kind::Overlayfs },
    Contestant { name: "fuse-overlayfs", kind: Kind::FuseOverlayfs },
    Contestant { name: "passthrough_hp", kind: Kind::PassthroughHp },
];

/// A file system that is up. Dropped, it is down.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    point: PathBuf,
    memory: Option<PathBuf>,
    daemon: Option<Child>,
}

impl Running {
    /// Where to work.
    pub(crate) fn point(&self) -> &Path {
        &self.point
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for point in [Some(&self.point), self.memory.as_ref()].into_iter().flatten() {
            // Write-back may still be under way.
            for _ in 0..50 {
                if quietly("umount", &[point.as_os_str().to_str().expect("our own path")]) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// Runs a command that prints nothing; answers whether it succeeded.
pub(crate) fn quietly(program: &str, arguments: &[&str]) -> bool {
    let command = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    command.is_ok_and(|status| status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our own path")
}

fn is_mounted(point: &Path) -> bool {
    fs::read_to_string("/proc/self/mounts").is_ok_and(|mounts| mounts.contains(&format!(" {} ", point.display())))
}

fn wait_mounted(point: &Path) -> Option<()> {
    let patience = Instant::now() + Duration::from_secs(5);
    while Instant::now() < patience {
        if is_mounted(point) {
            return Some(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    None
}

fn mount(arguments: &[&str]) -> Option<()> {
    quietly("mount", arguments).then_some(())
}

/// Where the release build puts programs.
pub(crate) fn programs() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    std::env::var_os("BOUGH_BIN").map_or_else(|| top.join("target/release"), PathBuf::from)
}

impl Contestant {
    /// Brings it up below `place`, or says with `None` that this machine does not have it.
    pub(crate) fn start(&self, place: &Path) -> Option<Running> {
        let place = place.join(self.name);
        let point = place.join("mount");
        fs::create_dir_all(&point).ok()?;
        let mut running = Running { name: self.name, point, memory: None, daemon: None };
        self.bring_up(&place, &mut running)?;
        Some(running)
    }

    fn bring_up(&self, place: &Path, running: &mut Running) -> Option<()> {
        match self.kind {
            Kind::Tmpfs => mount(&["-t", "tmpfs", "tmpfs", text(&running.point)]),
            Kind::Bough { over_uring: true, .. } if !has_uring() => None,
            Kind::Bough { snapshots, over_uring } => start_bough(&running.point, snapshots, over_uring),
            Kind::Floor { options } => {
                let floor = build_floor(place)?;
                let daemon = daemon(text(&floor)).args(["-f", "-o", options]).arg(&running.point).spawn().ok()?;
                running.daemon = Some(daemon);
                // A transport that the kernel does not have switched on would silently be another.
                if options.contains("io_uring") && !has_uring() {
                    return None;
                }
                wait_mounted(&running.point)
            }
            Kind::Disk { make, options } => {
                let disk = memory_below(place, running)?.join("disk");
                fs::File::create(&disk).and_then(|file| file.set_len(DISK_BYTES)).ok()?;
                let made = quietly(make[0], &[&make[1..], &[text(&disk)]].concat());
                made.then(|| mount(&["-o", options, text(&disk), text(&running.point)]))?
            }
            Kind::Overlayfs => {
                let layers = layers_below(place, running)?;
                mount(&["-t", "overlay", "overlay", "-o", &layers, text(&running.point)])
            }
            Kind::FuseOverlayfs => {
                let layers = layers_below(place, running)?;
                quietly("fuse-overlayfs", &["-o", &layers, text(&running.point)]).then_some(())
            }
            Kind::PassthroughHp => {
                let source = memory_below(place, running)?;
                let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("build/libfuse/bin/passthrough_hp");
                let program = if own.exists() { text(&own) } else { "passthrough_hp" };
                let arguments = ["--foreground", "--nosplice", "-o", "default_permissions"];
                let mut command = daemon(program);
                command.args(arguments).args([&source, &running.point]).stdout(Stdio::null()).stderr(Stdio::null());
                running.daemon = Some(command.spawn().ok()?);
                wait_mounted(&running.point)
            }
        }
    }
}

/// In a session of its own, as daemons that go to the background are: some kernels share processor time among sessions first.
fn daemon(program: &str) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

fn memory_below(place: &Path, running: &mut Running) -> Option<PathBuf> {
    let memory = place.join("memory");
    fs::create_dir_all(&memory).ok()?;
    mount(&["-t", "tmpfs", "tmpfs", text(&memory)])?;
    running.memory = Some(memory.clone());
    Some(memory)
}

fn layers_below(place: &Path, running: &mut Running) -> Option<String> {
    let memory = memory_below(place, running)?;
    for layer in ["lower", "upper", "work"] {
        fs::create_dir(memory.join(layer)).ok()?;
    }
    let memory = memory.display();
    Some(format!("lowerdir={memory}/lower,upperdir={memory}/upper,workdir={memory}/work"))
}

/// Whether the kernel has it switched on.
fn has_uring() -> bool {
    fs::read_to_string("/sys/module/fuse/parameters/enable_uring").is_ok_and(|text| text.starts_with('Y'))
}

fn start_bough(point: &Path, snapshots: usize, over_uring: bool) -> Option<()> {
    let bough = programs().join("bough");
    let bough = |arguments: &[&str]| quietly(text(&bough), arguments);
    let transport: &[&str] = if over_uring { &[] } else { &["-o", "no_io_uring"] };
    if !bough(&[&["mount"], transport, &[text(point)]].concat()) {
        return None;
    }
    for number in 0..snapshots {
        fs::write(point.join("history"), number.to_string()).ok()?;
        if !bough(&["-C", text(point), "snapshot", "create"]) {
            return None;
        }
    }
    Some(())
}

/// Compiles `floor.c` with the libfuse that bough-fuse is built with.
fn build_floor(place: &Path) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = here.parent()?.join("build/libfuse/lib/pkgconfig");
    let source = here.join("benches/filesystems/floor.c");
    let program = place.join("floor");
    let command = format!(
        "cc -O2 -o {} {} $(PKG_CONFIG_PATH={} pkg-config --cflags --libs fuse3)",
        program.display(),
        source.display(),
        own.display()
    );
    quietly("sh", &["-c", &command]).then_some(program)
}

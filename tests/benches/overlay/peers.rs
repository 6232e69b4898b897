//! Bough and others on the same tasks, each by its own commands, each with a limit of time.

use std::fs;
use std::process::{Command, Stdio};

use crate::jobs;
use crate::place::{Outcome, Place, fill_file, median, ms, number, wanted};

/// Seconds until a task is given up.
const LIMIT: u64 = 60;

/// What is asked of each of them, in this order.
const TASKS: [&str; 6] = ["create a branch", "first 4 KiB into 1 GiB", "build", "diff", "accept", "delete a branch"];

/// How one of them does things: scripts that know `$PLACE`, with the directory `base` in it. An empty one: it has no such command.
struct Peer {
    name: &'static str,
    /// Ends with 0 where it is installed and can work.
    needs: &'static str,
    /// What is up before the first branch is made.
    begin: &'static str,
    create: &'static str,
    /// Runs `$TASK` in the branch.
    within: &'static str,
    diff: &'static str,
    accept: &'static str,
    /// Makes a branch, with files in it, that is deleted next.
    another: &'static str,
    delete: &'static str,
    end: &'static str,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "Bough",
        needs: "$BOUGH --version",
        begin: "$BOUGH run --base base --keep --branch held -- true",
        create: "$BOUGH run --base base --keep --branch b -- true",
        within: "$BOUGH run --base base --keep --branch b -- sh -ec \"cd $PLACE/base; $TASK\"",
        diff: "$BOUGH -C base diff b || test $? = 1",
        accept: "$BOUGH accept --base base --branch b",
        another: "$BOUGH run --base base --keep --branch c -- sh -ec \"cd $PLACE/base; $FILES\"",
        delete: "$BOUGH reject --base base --branch c",
        end: "",
    },
    Peer {
        name: "fuse-overlayfs",
        needs: "fuse-overlayfs --version",
        begin: "mkdir mnt",
        create: "mkdir upper work && fuse-overlayfs -o lowerdir=base,upperdir=upper,workdir=work mnt",
        within: "cd mnt; sh -ec \"$TASK\"",
        diff: "",
        accept: "",
        another: "umount mnt; mkdir upper2 work2 && fuse-overlayfs -o lowerdir=base,upperdir=upper2,workdir=work2 mnt && cd mnt && sh -ec \"$FILES\"",
        delete: "umount mnt; rm -rf upper2 work2",
        end: "umount -l mnt || true",
    },
    Peer {
        name: "overlayfs",
        needs: "test $(id -u) = 0 && grep -q overlay /proc/filesystems || modprobe overlay",
        begin: "mkdir mnt",
        create: "mkdir upper work && mount -t overlay -o lowerdir=base,upperdir=upper,workdir=work none mnt",
        within: "cd mnt; sh -ec \"$TASK\"",
        diff: "",
        accept: "",
        another: "umount mnt; mkdir upper2 work2 && mount -t overlay -o lowerdir=base,upperdir=upper2,workdir=work2 none mnt && cd mnt && sh -ec \"$FILES\"",
        delete: "umount mnt; rm -rf upper2 work2",
        end: "umount -l mnt || true",
    },
    Peer {
        name: "branchfs",
        needs: "branchfs --version || branchfs --help",
        begin: "mkdir mnt store; branchfs mount --base base --storage store mnt",
        create: "branchfs create b mnt --storage store",
        within: "cd mnt; sh -ec \"$TASK\"",
        diff: "",
        accept: "branchfs commit mnt --storage store",
        another: "branchfs create c mnt --storage store && cd mnt && sh -ec \"$FILES\"",
        delete: "branchfs abort mnt --storage store",
        end: "branchfs unmount mnt --storage store; umount -l mnt || true",
    },
    Peer {
        name: "sandfs",
        needs: "sandfs --version",
        begin: "mkdir mnt held; sandfs mount base held",
        create: "sandfs mount base mnt",
        within: "cd mnt; sh -ec \"$TASK\"",
        diff: "sandfs changes mnt",
        accept: "sandfs changes mnt --copy-to base --force",
        another: "mkdir mnt2; sandfs mount base mnt2 && cd mnt2 && sh -ec \"$FILES\"",
        delete: "sandfs rm --unmount mnt2",
        end: "sandfs unmount mnt; sandfs unmount held; umount -l mnt mnt2 held || true",
    },
];

const FIRST_WRITE: &str = "dd if=/dev/zero of=large bs=4k count=1 seek=1000 conv=notrunc";
const BUILD: &str = "CARGO_TARGET_DIR=target cargo build --offline -q";
const FILES: &str = "mkdir files; for n in $(seq 1000); do echo $n > files/$n; done";

pub(crate) fn measure() {
    let columns: Vec<(&str, Vec<String>)> =
        PEERS.iter().filter(|peer| wanted(peer.name)).map(|peer| (peer.name, column(peer))).collect();
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    println!("\n| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for (at, task) in TASKS.iter().enumerate() {
        let cells: Vec<&str> = columns.iter().map(|(_, cells)| cells[at].as_str()).collect();
        println!("| {task} | {} |", cells.join(" | "));
    }
}

fn is_here(peer: &Peer) -> bool {
    let bough = Place::new().bough(&[]).get_program().to_owned();
    let script = Command::new("sh")
        .args(["-c", peer.needs])
        .env("BOUGH", bough)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    script.is_ok_and(|status| status.success())
}

/// A cell for each task.
fn column(peer: &Peer) -> Vec<String> {
    if !is_here(peer) {
        return TASKS.iter().map(|_| "not here".to_owned()).collect();
    }
    let rounds: Vec<Vec<Outcome>> = (0..number("BOUGH_BENCH_ROUNDS", 5)).map(|_| round(peer)).collect();
    (0..TASKS.len()).map(|task| cell(&rounds.iter().map(|round| &round[task]).collect::<Vec<_>>())).collect()
}

/// The middle of what was done; else what went wrong.
fn cell(outcomes: &[&Outcome]) -> String {
    let mut times = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Took(time) => times.push(*time),
            Outcome::Failed(why) if why.is_empty() => return "no such command".into(),
            Outcome::Failed(why) => return format!("fails: {}", why.replace('|', "/")),
            Outcome::Hung(seconds) => return format!("hangs (> {seconds} s)"),
        }
    }
    match ms(median(&times)) {
        time if time < 10.0 => format!("{time:.1} ms"),
        time => format!("{time:.0} ms"),
    }
}

fn round(peer: &Peer) -> Vec<Outcome> {
    let place = Place::new();
    let base = place.make("base");
    jobs::crates(&base);
    fill_file(&base.join("large"), 1 << 30);
    let step = |script: &str, task: &str| match script {
        "" => Outcome::Failed(String::new()),
        script => place.shell(&format!("cd $PLACE; TASK='{task}'; FILES='{FILES}'; {script}"), LIMIT),
    };
    if !peer.begin.is_empty() {
        step(peer.begin, "");
    }
    let mut outcomes = vec![
        step(peer.create, ""),
        step(peer.within, FIRST_WRITE),
        step(peer.within, BUILD),
        step(peer.diff, ""),
        step(peer.accept, ""),
    ];
    step(peer.another, "");
    outcomes.push(step(peer.delete, ""));
    if !peer.end.is_empty() {
        step(peer.end, "");
    }
    let _ = fs::remove_dir_all(place.at("store"));
    outcomes
}

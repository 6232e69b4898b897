//! The command line as it is typed. The help texts here are the manual: `docs/cli.md`, the man pages and the
//! completions are made from them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::options::NameRules;
use crate::size::Size;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `diff`: no difference
  1  `diff` found differences; or it was refused: an unknown name, a name that is taken,
     something in use, a mount point that cannot be one
  2  wrong usage: an unknown option, a missing argument, a size that is none
  3  no volume: the directory is on none, or its daemon died or does not answer
  4  the system: no FUSE, no permission, an input/output error";

/// A file system you can branch: mount it, take snapshots, grow branches, compare them.
#[derive(Debug, Parser)]
#[command(name = "bough", version, after_help = EXIT_CODES, propagate_version = false, max_term_width = 100)]
pub(crate) struct Cli {
    /// Work as if started in PATH: the volume is the one that the current directory lies in
    #[arg(short = 'C', value_name = "PATH", global = true)]
    pub(crate) directory: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Mount a new volume, or a further view of one that is alive
    Mount(MountArgs),
    /// Unmount a volume; the last mount point takes the volume with it, and all that is in it
    Unmount(UnmountArgs),
    /// Take, list, rename and delete snapshots
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Grow, list, switch, rename and delete branches
    #[command(subcommand)]
    Branch(BranchVerb),
    /// Run a command in a branch of its own, shown at the base's own path to it alone
    Run(RunArgs),
    /// Write what was changed in a branch to the base, or to a branch
    Accept(AcceptArgs),
    /// Forget what was changed in a branch
    Reject(RejectArgs),
    /// Show what differs between two branches or snapshots
    Diff(DiffArgs),
    /// Show the lineage of branches and snapshots as a tree
    Log(Format),
    /// Show what this mount point shows, what has changed since it grew from its parent, how much room is left, and which branches and snapshots hold most
    Status(Format),
    /// List the volumes that are alive, and where they are mounted
    List(Format),
    /// Show what this volume holds, what it does, and how long that takes
    Stats(StatsArgs),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// For those who build bough
    #[command(subcommand, hide = true)]
    Debug(Debug),
    /// What `mount -t fuse.bough` calls, as `mount.fuse.bough`
    #[command(hide = true, disable_help_flag = true)]
    MountHelper {
        /// SOURCE DIRECTORY [-sfnv] [-o OPTIONS]
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

/// How data is printed.
#[derive(Debug, Default, Args)]
pub(crate) struct Format {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
SIZE is a number of bytes, with K, M, G or T for powers of 1024 (also KiB or KB), or N% of the
machine's memory.

OPTIONS are those of this command (volume=, branch=, snapshot=, memory=, spill_dir=,
spill_limit=, spill_reserve=, no_spill, base=,
cross_mounts, freeze, names=), `keep` (the volume outlives its last mount point), `no_default_permissions`,
and those of bough-fuse and FUSE (ro, noatime, noexec, allow_other, …).")]
pub(crate) struct MountArgs {
    /// Show this branch (a new volume has only `main`)
    #[arg(long, value_name = "BRANCH", conflicts_with = "snapshot")]
    pub(crate) branch: Option<String>,
    /// Show this snapshot, read-only
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// Mount another view of the volume that PATH lies in; without --branch or --snapshot one of what PATH shows
    #[arg(long, value_name = "PATH", conflicts_with_all = ["volume", "memory", "spill_dir", "spill_limit", "spill_reserve", "no_spill", "names", "base", "foreground"])]
    pub(crate) attach: Option<PathBuf>,
    /// The volume of this name: attach to it if it is alive, else begin it
    #[arg(long, value_name = "NAME")]
    pub(crate) volume: Option<String>,
    /// What a new volume may hold in memory: bytes, with K, M, G or T, or N% of what the machine allows (default: 25%)
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    /// Where a new volume puts content that memory has no room for (default: TMPDIR's disk, or /var/tmp)
    #[arg(long, value_name = "DIR")]
    pub(crate) spill_dir: Option<PathBuf>,
    /// The most that goes there (default: what the disk has room for)
    #[arg(long, value_name = "SIZE")]
    pub(crate) spill_limit: Option<Size>,
    /// Free space of that disk which is left to others (default: 256M)
    #[arg(long, value_name = "SIZE")]
    pub(crate) spill_reserve: Option<Size>,
    /// Keep all content in memory: a full volume answers ENOSPC
    #[arg(long, conflicts_with_all = ["spill_dir", "spill_limit", "spill_reserve"])]
    pub(crate) no_spill: bool,
    /// A new volume with these rules of names: posix (default), posix-ignore-case, windows or macos
    #[arg(long, value_name = "RULES")]
    pub(crate) names: Option<NameRules>,
    /// A new volume that shows what is in DIR; changes stay in the volume, nothing is ever written to DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<PathBuf>,
    /// With --base: show other file systems mounted below it too (else a mount point is an empty directory)
    #[arg(long)]
    pub(crate) cross_mounts: bool,
    /// With --base: copy what is read, so that a branch sees one state of it
    #[arg(long)]
    pub(crate) freeze: bool,
    /// Mount options, with commas between them
    #[arg(short = 'o', value_name = "OPTIONS")]
    pub(crate) options: Vec<String>,
    /// Serve a new volume in the foreground
    #[arg(short = 'f', long)]
    pub(crate) foreground: bool,
    /// An empty directory; with --base it may be the base itself
    #[arg(value_name = "MOUNTPOINT")]
    pub(crate) mount_point: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command sees the branch where the base is, and everything else as it is, read-only but for
what --allow names; /tmp, /var/tmp, /run and /dev are its own, empty at first and gone
afterwards. It has a terminal, the network and its own processes, and cannot undo any of this.
BOUGH_BRANCH and BOUGH_VOLUME name the branch and the volume.

At the end the changes are listed. On a terminal you are asked what becomes of them; otherwise
the branch is kept, and its name said.

Exit codes: that of the command; 128 and the number of the signal that ended it; 125 when this
failed itself, 126 when the command cannot be run, 127 when there is none.")]
pub(crate) struct RunArgs {
    /// The directory to branch
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) base: PathBuf,
    /// Work in this branch: a new one, or one that was kept
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Keep the branch
    #[arg(long, group = "fate")]
    pub(crate) keep: bool,
    /// Write the changes to the base; what cannot be is kept
    #[arg(long, group = "fate")]
    pub(crate) accept: bool,
    /// Forget the changes
    #[arg(long, group = "fate")]
    pub(crate) reject: bool,
    /// Ask, even if nobody seems to watch
    #[arg(long, group = "fate")]
    pub(crate) ask: bool,
    /// Nothing may write this, though it lies in the base; or show it, though it lies in a place of the run's own
    #[arg(long, value_name = "PATH")]
    pub(crate) read_only: Vec<PathBuf>,
    /// Let the command write this for real
    #[arg(long, value_name = "PATH")]
    pub(crate) allow: Vec<PathBuf>,
    /// No network but the machine itself, and nothing of that that listens already
    #[arg(long)]
    pub(crate) no_network: bool,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Every conflict is found before anything is written: the base has changed since the branch took
what it changed, or has something new in the way. Then nothing is written and they are listed.

What is new is made beside its place under a hidden name (.bough-accept.N) and put on the disk;
then names are switched; then what was before goes. A crash in between leaves a journal
(.bough-accept): the next accept finishes what it finds, and --undo takes it back.

What is accepted is no difference of the branch any more.")]
pub(crate) struct AcceptArgs {
    /// The directory that was branched
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) base: PathBuf,
    /// The branch (default: the only one)
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Write to this branch instead of to the base
    #[arg(long, value_name = "BRANCH")]
    pub(crate) into: Option<String>,
    /// Find conflicts, show what would be written, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// In every conflict take the branch's side
    #[arg(long)]
    pub(crate) force: bool,
    /// Below PATH take the base's side: what the branch changed there is not written
    #[arg(long, value_name = "PATH", conflicts_with = "force")]
    pub(crate) theirs: Vec<PathBuf>,
    /// Take back an accept that was interrupted
    #[arg(long, conflicts_with_all = ["dry_run", "force", "theirs", "into", "paths"])]
    pub(crate) undo: bool,
    /// Only these files, and what is below these directories
    #[arg(last = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RejectArgs {
    /// The directory that was branched
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) base: PathBuf,
    /// The branch (default: the only one)
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// Only what was changed in these files, and below these directories; without any, the whole branch goes
    #[arg(last = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UnmountArgs {
    /// Where it is mounted
    #[arg(value_name = "MOUNTPOINT", required_unless_present = "volume")]
    pub(crate) mount_point: Option<PathBuf>,
    /// End the volume of this name: all its mount points, and all its branches that are not accepted
    #[arg(long, value_name = "NAME", conflicts_with = "mount_point")]
    pub(crate) volume: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Take a snapshot of the branch that is mounted here, and print its name
    Create {
        /// Its name (default: BRANCH@N)
        name: Option<String>,
        #[command(flatten)]
        format: Format,
    },
    /// List the snapshots, oldest first
    List(Format),
    /// Give a snapshot another name
    Rename(RenameArgs),
    /// Delete snapshots; branches grown from them stay
    Delete(DeleteArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BranchVerb {
    /// Grow a branch
    Create(BranchArgs),
    /// List the branches, oldest first
    List(Format),
    /// Show another branch (or snapshot) at this mount point
    Switch {
        /// Its name
        name: String,
    },
    /// Give a branch another name
    Rename(RenameArgs),
    /// Delete branches; what has grown from them stays
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BranchArgs {
    /// Its name
    pub(crate) name: String,
    /// The branch or snapshot to grow it from (default: what is mounted here)
    #[arg(long, value_name = "REF")]
    pub(crate) from: Option<String>,
    /// Mount it at DIR at once; if that fails, there is no branch either
    #[arg(long, value_name = "DIR")]
    pub(crate) mount: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct RenameArgs {
    /// The name it has
    pub(crate) old: String,
    /// The name it gets
    pub(crate) new: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Their names
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without a REF: from the parent of what is mounted here to what is mounted here. With one: from
REF to what is mounted here. With two: from the first to the second. A REF is the name of a
branch or snapshot. In a directory that was branched (`bough run`): from it to the branch REF, or
to the only one.

Each line is a letter and a path from the root of the volume, sorted by path:
  A path          added
  D path          deleted
  M path          modified: its content, or what kind of file it is
  m path          only metadata differs: mode, owner, times, attributes
  R old -> new    renamed; it may differ besides

A file with several names is listed under each. `(and under further names)`: it has others, that
nobody has looked at in the base, or that lie outside of it.

Where a file took the place of a directory, `git apply` reads the patch, and `patch` does not.

A path with control characters, quotes, backslashes or bytes that are not UTF-8 is printed as a
C string.")]
pub(crate) struct DiffArgs {
    /// The branches or snapshots to compare
    #[arg(value_name = "REF", num_args = 0..=2)]
    pub(crate) refs: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a patch, as git does and `patch` and `git apply` read it
    #[arg(short, long, conflicts_with_all = ["json", "stat"])]
    pub(crate) patch: bool,
    /// Print only how many there are of each kind
    #[arg(long)]
    pub(crate) stat: bool,
    /// Only these files, and what is below these directories
    #[arg(last = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Operations are counted since the volume began. Of those that come often one in 64 is timed, of the
others each. `99 %` is what all but one in a hundred stayed below, to a factor of two.

EXCLUSIVE is what only that branch or snapshot holds: deleting it frees as much.")]
pub(crate) struct StatsArgs {
    /// Print them again and again: on a terminal in place, elsewhere a line each time
    #[arg(long)]
    pub(crate) watch: bool,
    /// Print what each branch and snapshot holds, shares, and holds alone
    #[arg(long, conflicts_with = "watch")]
    pub(crate) refs: bool,
    /// How long to wait between, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "watch", value_parser = crate::size::seconds)]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Debug {
    /// Look whether everything in the volume is as it must be; a problem ends it with 1
    Check(CheckArgs),
    /// Write the manual
    Docs {
        /// In which form
        form: DocsForm,
        /// Where to
        into: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Nobody else uses the volume meanwhile: counts must be exact
    #[arg(long)]
    pub(crate) still: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DocsForm {
    /// cli.md
    Markdown,
    /// One page per verb
    Man,
}

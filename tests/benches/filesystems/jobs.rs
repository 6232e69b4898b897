//! Whole jobs, as people run them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::rows::{Row, Unit, forget_caches};

/// A job: shell commands, run in an empty directory. `$SOURCE` is the project's repository, `$TREE` a tar file of its sources
/// many times over.
struct Job {
    name: &'static str,
    needs: &'static str,
    prepare: &'static str,
    cold: bool,
    run: &'static str,
}

const UNTAR: &str = "tar xf $TREE";

const JOBS: &[Job] = &[
    Job { name: "untar", needs: "tar", prepare: "", cold: false, run: UNTAR },
    Job { name: "git clone", needs: "git", prepare: "", cold: false, run: "git clone -q $SOURCE clone" },
    Job {
        name: "git status, cold",
        needs: "git",
        prepare: "git clone -q $SOURCE clone",
        cold: true,
        run: "git -C clone status",
    },
    Job { name: "grep -r, cold", needs: "grep", prepare: UNTAR, cold: true, run: "grep -r nothing-like-it . || true" },
    Job { name: "find, cold", needs: "find", prepare: UNTAR, cold: true, run: "find . -size +1000k" },
    Job { name: "cp -a", needs: "cp", prepare: "mkdir a; cd a; tar xf $TREE", cold: false, run: "cp -a a b" },
    Job { name: "rm -rf", needs: "rm", prepare: "mkdir a; cd a; tar xf $TREE", cold: false, run: "rm -rf a" },
    Job {
        name: "parallel make of C",
        needs: "make",
        prepare: "for n in $(seq 60); do printf '#include <stdio.h>\\nint f%d(void) { return puts(\"x\"); }\\n' $n > f$n.c; \
                  done; printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\\n' > Makefile",
        cold: false,
        run: "make -j4",
    },
    Job {
        name: "cargo build",
        needs: "cargo",
        prepare: "cargo init -q --name small --vcs none .",
        cold: false,
        run: "CARGO_TARGET_DIR=target cargo build -q --offline",
    },
    Job {
        name: "sqlite, 2,000 transactions",
        needs: "sqlite3",
        prepare: "(echo 'create table t (a integer primary key, b text);'; for n in $(seq 2000); do \
                  echo \"insert into t (b) values ('text $n');\"; done) > sql",
        cold: false,
        run: "sqlite3 base < sql",
    },
];

fn shell(place: &Path, script: &str, tree: &Path) -> Option<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(place).env("SOURCE", source).env("TREE", tree);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    status.success().then_some(())
}

/// A tar file of the sources, several times over: about 3,000 files. Made once, in memory where there is some.
fn tree() -> std::path::PathBuf {
    let tree = std::env::temp_dir().join(format!("bough-bench-{}.tar", std::process::id()));
    if !tree.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let script = format!(
            "d=$(mktemp -d); for n in $(seq 5); do mkdir $d/$n; git ls-files -z | xargs -0 cp --parents -t $d/$n; done; \
             tar cf {} -C $d .; rm -rf $d",
            tree.display()
        );
        Command::new("sh").args(["-ec", &script]).current_dir(source).status().expect("sh is there");
    }
    tree
}

fn measure(place: &Path, job: &Job) -> Option<f64> {
    let tree = tree();
    shell(place, &format!("command -v {}", job.needs), &tree)?;
    shell(place, job.prepare, &tree)?;
    if job.cold {
        forget_caches();
    }
    let start = Instant::now();
    shell(place, job.run, &tree)?;
    Some(start.elapsed().as_nanos() as f64)
}

/// Removes what the rows left outside of what they measured.
pub(crate) fn clean_up() {
    let _ = fs::remove_file(std::env::temp_dir().join(format!("bough-bench-{}.tar", std::process::id())));
}

pub(crate) fn rows() -> Vec<Row> {
    JOBS.iter().map(|job| Row::new("jobs", job.name, Unit::Job, |place: &Path| measure(place, job))).collect()
}

//! What people do in a project: in a branch over a directory that holds it, and in one of an empty volume that it was copied to.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::row;
use crate::place::{Place, number};

struct Job {
    name: &'static str,
    needs: &'static str,
    /// Makes the project.
    project: fn(&Path),
    /// In the project.
    run: &'static str,
    /// Undoes it.
    clear: &'static str,
}

const JOBS: [Job; 4] = [
    Job { name: "git status, the first time", needs: "git", project: repository, run: "git status", clear: "" },
    Job { name: "git status, again", needs: "git", project: repository, run: "git status; git status", clear: "" },
    Job {
        name: "cargo build",
        needs: "cargo",
        project: crates,
        run: "CARGO_TARGET_DIR=target cargo build --offline -q",
        clear: "rm -rf target",
    },
    Job {
        name: "npm install",
        needs: "npm",
        project: packages,
        run: "npm install --offline --no-audit --no-fund --install-links --cache ../npm-cache-$$",
        clear: "rm -rf node_modules package-lock.json ../npm-cache-*",
    },
];

pub(crate) fn measure() {
    for job in JOBS {
        let what = format!("{} over a base, of the time in an empty volume", job.name);
        match has(job.needs).then(|| ratio(&job)).flatten() {
            Some(ratio) => row(&what, &format!("{ratio:.2}"), "1.3"),
            None => row(&what, "not here", "1.3"),
        }
    }
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn ratio(job: &Job) -> Option<f64> {
    let place = Place::new();
    let base = place.make("base");
    (job.project)(&base);
    let [over, copy, alone] = ["over", "copy", "alone"].map(|name| {
        place.make(name);
        place.text(name)
    });
    let mut ratios = Vec::new();
    for round in 0..number("BOUGH_BENCH_ROUNDS", 5) {
        place.timed(&["mount", "--base", &place.text("base"), &over]);
        place.timed(&["mount", &copy]);
        let copied = Command::new("cp").args(["-a", &format!("{}/.", place.text("base")), &copy]).status();
        assert!(copied.expect("cp is there").success());
        // Git trusts what the copy changed no more than what it did not.
        let _ = shell(Path::new(&copy), "test ! -d .git || git status");
        // The kernel knows no more of a mount point of its own than of the one over the base.
        place.timed(&["-C", &copy, "branch", "create", "job"]);
        place.timed(&["mount", "--attach", &copy, "--branch", "job", &alone]);
        let mut times = [Duration::ZERO; 2];
        for step in 0..2 {
            let which = (step + round) % 2;
            let at = Path::new([&over, &alone][which]);
            times[which] = shell(at, job.run)?;
            shell(at, job.clear)?;
        }
        ratios.push(times[0].as_secs_f64() / times[1].as_secs_f64());
        for point in [&over, &alone, &copy] {
            place.timed(&["unmount", point]);
        }
    }
    ratios.sort_by(f64::total_cmp);
    Some(ratios[ratios.len() / 2])
}

fn shell(at: &Path, script: &str) -> Option<Duration> {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(at).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .status();
    status.ok()?.success().then(|| begun.elapsed())
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("our own folder");
    fs::write(path, content).expect("room for a small file");
}

fn repository(root: &Path) {
    for number in 0..20_000 {
        write(root, &format!("src/d{}/file{number}.txt", number / 200), &format!("line {number}\n").repeat(20));
    }
    let script = "git init -q && git add -A && git -c user.name=n -c user.email=e commit -qm all && git status";
    shell(root, script).expect("git is there");
}

/// A workspace of some crates that need nothing from elsewhere.
pub(crate) fn crates(root: &Path) {
    const CRATES: usize = 12;
    write(root, "Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\n");
    for number in 0..CRATES {
        let needs = if number > 0 { format!("c{0} = {{ path = \"../c{0}\" }}\n", number - 1) } else { String::new() };
        let manifest = format!(
            "[package]\nname = \"c{number}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n{needs}"
        );
        write(root, &format!("crates/c{number}/Cargo.toml"), &manifest);
        let mut code = String::new();
        for item in 0..60 {
            code += &format!(
                "pub fn f{item}(values: &[u64]) -> Option<String> {{ let all: Vec<String> = values.iter().map(|v| format!(\"{{v:?}} {item}\")).collect(); all.into_iter().max() }}\n"
            );
        }
        write(root, &format!("crates/c{number}/src/lib.rs"), &code);
    }
}

/// A project that needs some packages, which lie beside it.
fn packages(root: &Path) {
    let mut needs = Vec::new();
    for number in 0..20 {
        let name = format!("package-{number}");
        let manifest = format!("{{\"name\": \"{name}\", \"version\": \"1.0.0\", \"main\": \"index.js\"}}");
        write(root, &format!("packages/{name}/package.json"), &manifest);
        for file in 0..100 {
            write(
                root,
                &format!("packages/{name}/lib/module{file}.js"),
                &format!("module.exports = {file};\n").repeat(40),
            );
        }
        needs.push(format!("\"{name}\": \"file:packages/{name}\""));
    }
    let manifest =
        format!("{{\"name\": \"project\", \"version\": \"1.0.0\", \"dependencies\": {{{}}}}}", needs.join(", "));
    write(root, "package.json", &manifest);
}

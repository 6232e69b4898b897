//! Building and running C programs against the library.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Where this test's programs go.
pub(crate) fn scratch() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("c_api");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs to success; answers what it printed on stdout.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}", output.status);
    said.into_owned()
}

pub(crate) fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A compiler with the warnings that the header must stand: `cc` ($CC) or `c++` ($CXX).
pub(crate) fn compiler(which: &str) -> Command {
    let variable = if which == "cc" { "CC" } else { "CXX" };
    let mut command = Command::new(std::env::var_os(variable).unwrap_or_else(|| which.into()));
    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-g"]).arg("-I").arg(root().join("include"));
    command
}

/// The folder with libbough.so and libbough.a, built as this test is.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/test").to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "bough"]).current_dir(root());
        cargo.arg("--target-dir").arg(folder.parent().expect("target/PROFILE"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        run(&mut cargo);
        folder
    })
}

/// What a program needs to run under ThreadSanitizer.
pub(crate) struct ThreadSanitizer {
    library: PathBuf,
    /// The one that belongs to the compiler of the library: that of the C compiler may be too old for it.
    runtime: PathBuf,
    /// For a standard library that was not built for it.
    suppressions: Option<PathBuf>,
}

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The toolchain with the sanitizers' runtimes: `nightly`, or what `BOUGH_NIGHTLY` names.
pub(crate) fn nightly() -> String {
    std::env::var("BOUGH_NIGHTLY").unwrap_or_else(|_| "nightly".to_owned())
}

impl ThreadSanitizer {
    /// `None`, and a word why, where there is no nightly toolchain. With rust-src the standard library is watched too.
    pub(crate) fn new() -> Option<ThreadSanitizer> {
        let sysroot = Command::new("rustc").args([&*format!("+{}", nightly()), "--print", "sysroot"]).output().ok()?;
        let rustlib = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("lib/rustlib");
        let runtime = rustlib.join(TARGET).join("lib/librustc-nightly_rt.tsan.a");
        if !runtime.exists() {
            println!("skipped: no nightly toolchain for {TARGET} (rustup toolchain install nightly)");
            return None;
        }
        let builds_std = rustlib.join("src/rust/library").exists();
        let suppressions = (!builds_std).then(|| root().join("tests/c_api/tsan.supp"));
        Some(ThreadSanitizer { library: build_sanitized(builds_std), runtime, suppressions })
    }

    /// The folder with the library, instrumented.
    pub(crate) fn library(&self) -> &Path {
        &self.library
    }

    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// For `TSAN_OPTIONS`, with others.
    pub(crate) fn options(&self, others: &str) -> String {
        let suppressions = self.suppressions.as_ref().map(|path| format!(" suppressions={}", path.display()));
        others.to_owned() + &suppressions.unwrap_or_default()
    }
}

fn build_sanitized(builds_std: bool) -> PathBuf {
    let folder = scratch().join("tsan");
    let mut cargo = Command::new("cargo");
    cargo.args([
        &*format!("+{}", nightly()),
        "build",
        "--quiet",
        "--package",
        "bough",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    cargo.arg(&folder).current_dir(root());
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
    if builds_std {
        run(cargo.arg("-Zbuild-std").env("RUSTFLAGS", "-Zsanitizer=thread"));
    } else {
        run(cargo.env("RUSTFLAGS", "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"));
    }
    folder.join(TARGET).join("debug")
}

/// A C program to build against the library.
pub(crate) struct Program {
    name: &'static str,
    sources: Vec<PathBuf>,
    sanitizers: Option<&'static str>,
    threads: Option<ThreadSanitizer>,
    is_static: bool,
}

impl Program {
    pub(crate) fn new(name: &'static str) -> Program {
        Program { name, sources: Vec::new(), sanitizers: None, threads: None, is_static: false }
    }

    pub(crate) fn sources(self, sources: impl IntoIterator<Item = PathBuf>) -> Program {
        Program { sources: sources.into_iter().collect(), ..self }
    }

    pub(crate) fn sanitizers(self, sanitizers: &'static str) -> Program {
        Program { sanitizers: Some(sanitizers), ..self }
    }

    pub(crate) fn thread_sanitizer(self, threads: ThreadSanitizer) -> Program {
        Program { threads: Some(threads), ..self }
    }

    fn library(&self) -> &Path {
        self.threads.as_ref().map_or_else(|| library(), |threads| threads.library())
    }

    pub(crate) fn statically(self) -> Program {
        Program { is_static: true, ..self }
    }

    pub(crate) fn path(&self) -> PathBuf {
        scratch().join(self.name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.path());
        command.env("LD_LIBRARY_PATH", self.library()).env("ASAN_OPTIONS", "detect_leaks=1");
        if let Some(threads) = &self.threads {
            command.env("TSAN_OPTIONS", threads.options("halt_on_error=1"));
        }
        command
    }

    #[track_caller]
    pub(crate) fn build(self) -> Program {
        let mut cc = compiler("cc");
        cc.args(["-std=c11", "-D_GNU_SOURCE", "-I"]).arg(root().join("tests/c_api"));
        if let Some(sanitizers) = self.sanitizers {
            cc.arg(format!("-fsanitize={sanitizers}")).arg("-fno-sanitize-recover=all");
        }
        match &self.threads {
            Some(threads) => self.link_thread_sanitized(cc, threads.runtime()),
            None => self.link(cc.args(&self.sources)),
        }
        self
    }

    #[track_caller]
    fn link(&self, cc: &mut Command) {
        if self.is_static {
            cc.arg(self.library().join("libbough.a"));
        } else {
            cc.arg("-L").arg(self.library()).arg("-lbough");
        }
        run(cc.args(["-lpthread", "-ldl", "-lm", "-o"]).arg(self.path()));
    }

    /// Two steps, so that the C compiler does not bring its own runtime.
    #[track_caller]
    fn link_thread_sanitized(&self, mut cc: Command, runtime: &Path) {
        let object = self.path().with_extension("o");
        run(cc.args(["-fsanitize=thread", "-c"]).args(&self.sources).arg("-o").arg(&object));
        let mut link = compiler("cc");
        link.arg(object).args(["-rdynamic", "-Wl,--whole-archive"]).arg(runtime).arg("-Wl,--no-whole-archive");
        self.link(link.args(["-lstdc++", "-lrt"]));
    }
}

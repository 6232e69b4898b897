//! A database that does not know that it is being copied: PostgreSQL at work, snapshots of it in between, and each started as a
//! database of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Mount, USUAL, branch, run, snapshot};
use crate::ground::{Ground, On};
use crate::sys;

/// The newest PostgreSQL's programs, as Debian puts them.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    if found.is_none() || !sys::is_root() {
        eprintln!("SKIPPED: PostgreSQL is not installed, or there is no root to become its user");
    }
    found.filter(|_| sys::is_root())
}

struct Database<'a> {
    programs: &'a Path,
    data: PathBuf,
    port: u16,
}

impl Database<'_> {
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(self.programs.join(name));
        command
            .current_dir("/")
            .env("PGHOST", "/tmp")
            .env("PGPORT", self.port.to_string())
            .env("PGDATABASE", "postgres");
        command
    }

    fn start(&self) {
        let options = format!("-c listen_addresses= -c unix_socket_directories=/tmp -p {}", self.port);
        let mut command = self.program("pg_ctl");
        let log = self.data.join("log");
        run(command
            .args(["-w", "-t", "120", "-s", "-o", &options, "-l"])
            .arg(log)
            .arg("-D")
            .arg(&self.data)
            .arg("start"));
    }

    fn stop(&self) {
        run(self.program("pg_ctl").args(["-w", "-t", "120", "-s", "-m", "fast", "-D"]).arg(&self.data).arg("stop"));
    }

    fn ask(&self, query: &str) -> String {
        run(self.program("psql").args(["-Atqc", query])).trim().to_owned()
    }
}

/// pgbench moves money about: what tellers, branches and accounts have is the same sum, in every consistent state.
const SUMS: &str = "select (select sum(abalance) from pgbench_accounts) = (select sum(tbalance) from pgbench_tellers)
    and (select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches)
    and (select sum(bbalance) from pgbench_branches) = (select coalesce(sum(delta), 0) from pgbench_history)";

#[test]
#[ignore = "minutes, and PostgreSQL: make test-long"]
fn a_snapshot_of_a_running_database_is_a_database() {
    let Some(programs) = programs() else { return };
    let Some(mount) = Mount::with(USUAL) else { return };
    let port = 20_000 + (std::process::id() % 20_000) as u16;
    let data = mount.at("data");
    fs::create_dir(&data).unwrap();
    run(Command::new("chown").arg("postgres:postgres").arg(&data));
    let database = Database { programs: &programs, data, port };
    run(database.program("initdb").args(["-A", "trust", "-D"]).arg(&database.data));
    database.start();
    run(database.program("pgbench").args(["-i", "-q", "-s", "2"]));
    let mut bench = database.program("pgbench");
    let mut bench = bench.args(["-c", "4", "-j", "2", "-T", "20"]).spawn().unwrap();
    for taken in 1..=3 {
        std::thread::sleep(std::time::Duration::from_secs(4));
        snapshot(mount.point(), &format!("s{taken}"));
    }
    assert!(bench.wait().unwrap().success());
    let mut transfers = 0;
    for taken in 1..=3 {
        branch(mount.point(), &format!("b{taken}"), &format!("s{taken}"));
        let shown = mount.attach(&format!("b{taken}"), &format!("shown-{taken}"));
        let copy = Database { programs: &programs, data: shown.join("data"), port: port + taken };
        // As after a sudden end of the machine: that is what a snapshot of running programs is.
        fs::remove_file(copy.data.join("postmaster.pid")).unwrap();
        copy.start();
        assert_eq!(copy.ask(SUMS), "t", "snapshot {taken}");
        let now: u64 = copy.ask("select count(*) from pgbench_history").parse().unwrap();
        assert!(now > transfers, "snapshot {taken} holds {now} transfers, the one before {transfers}");
        transfers = now;
        copy.stop();
        sys::unmount(&shown).unwrap();
    }
    assert_eq!(database.ask(SUMS), "t");
    database.stop();
    mount.end();
}

#[test]
#[ignore = "minutes, and PostgreSQL: make test-long"]
fn a_database_of_a_base_runs_in_branches_of_it() {
    let Some(programs) = programs() else { return };
    let port = 40_000 + (std::process::id() % 20_000) as u16;
    let make = |folder: &Path| {
        let data = folder.join("data");
        fs::create_dir(&data).unwrap();
        run(Command::new("chown").arg("postgres:postgres").arg(&data));
        let database = Database { programs: &programs, data, port };
        run(database.program("initdb").args(["-A", "trust", "-D"]).arg(&database.data));
        database.start();
        run(database.program("pgbench").args(["-i", "-q", "-s", "1"]));
        database.stop();
    };
    let Some(ground) = Ground::new(On::Base, USUAL, make) else { return };
    branch(ground.point(), "side", "main");
    let side = ground.attach("side", "side");
    let both = [(ground.folder(), port), (Ground::folder_at(&side), port + 1)];
    let both = both.map(|(folder, port)| Database { programs: &programs, data: folder.join("data"), port });
    both.iter().for_each(Database::start);
    let benches = both
        .each_ref()
        .map(|database| database.program("pgbench").args(["-c", "2", "-j", "2", "-T", "8"]).spawn().unwrap());
    benches.into_iter().for_each(|mut bench| assert!(bench.wait().unwrap().success()));
    for database in &both {
        assert_eq!(database.ask(SUMS), "t");
        assert!(database.ask("select count(*) from pgbench_history").parse::<u64>().unwrap() > 0);
        database.stop();
    }
    ground.end_with(&[&side]);
}

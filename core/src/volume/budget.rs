//! What a volume may take of the machine, by what it was told and what there is.

use super::Config;
use crate::data::{CHUNK_BYTES, SpillConfig, StoreConfig};
use crate::error::{Error, Result};
use crate::machine;

pub(super) fn store_config(config: &Config) -> Result<StoreConfig> {
    let memory_bytes = memory_bytes(config)?;
    let mut spill = SpillConfig::default();
    spill.limit_bytes = config.spill_limit_bytes.unwrap_or(spill.limit_bytes);
    spill.disk_reserve_bytes = config.spill_reserve_bytes.unwrap_or(spill.disk_reserve_bytes);
    let mut spill_dir = config.spill_dir.clone();
    match &spill_dir {
        Some(folder) if machine::is_memory(folder) => {
            tracing::warn!(folder = %folder.display(), "what is spilled there stays in memory");
        }
        None if config.spill_by_default => match machine::spill_folder() {
            Ok(folder) => spill_dir = Some(folder),
            Err(why) => tracing::warn!("{why}"),
        },
        _ => {}
    }
    Ok(StoreConfig { memory_bytes, spill_dir, spill })
}

fn memory_bytes(config: &Config) -> Result<u64> {
    let percent = config.memory_percent.unwrap_or(machine::DEFAULT_PERCENT);
    if !(1..=100).contains(&percent) {
        return Err(Error::Invalid("a share of the memory: 1 to 100 hundredths"));
    }
    let asked = config.memory_bytes.unwrap_or_else(|| machine::share(machine::memory_bytes(), percent));
    let most = machine::most_bytes();
    if asked > most && config.memory_bytes.is_some_and(|bytes| bytes < u64::MAX) {
        tracing::warn!(asked, most, "the memory limit is lowered: the address space of the process is limited");
    }
    let bytes = asked.min(most);
    if bytes < CHUNK_BYTES as u64 {
        return Err(Error::Invalid("a memory limit below one chunk (64 KiB)"));
    }
    Ok(bytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when a store is configured so.
    fn said(config: &Config) -> String {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || store_config(config)).expect("a good configuration");
        let said = log.0.lock().expect("nobody panics with it").clone();
        String::from_utf8(said).expect("text")
    }

    #[test]
    fn a_spill_folder_that_is_memory_is_warned_of_and_one_on_a_disk_is_not() {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return eprintln!("SKIPPED: no folder in memory at /dev/shm");
        }
        let of = |folder: &Path| Config { spill_dir: Some(folder.to_owned()), ..Config::default() };
        let warned = said(&of(memory));
        assert!(warned.contains("stays in memory") && warned.contains("/dev/shm"), "{warned}");
        let disk = tempfile::tempdir().expect("a folder");
        if !machine::is_memory(disk.path()) {
            assert_eq!(said(&of(disk.path())), "");
        }
    }
}

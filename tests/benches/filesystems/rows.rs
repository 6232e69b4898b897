//! What is measured: a row is a name, what is prepared outside the clock, and what is timed. A figure is a cost, so less is
//! better: nanoseconds per operation, or for whole jobs milliseconds.

use std::path::Path;

use crate::{data, jobs, metadata};

/// What a row's figure means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds for one operation.
    Operation,
    /// Nanoseconds for a mebibyte.
    Mebibyte,
    /// Nanoseconds for all of it.
    Job,
}

impl Unit {
    pub(crate) fn show(self, nanoseconds: f64) -> String {
        match self {
            Unit::Operation => format!("{:.2} us", nanoseconds / 1e3),
            Unit::Mebibyte => format!("{:.0} MB/s", 1_048_576.0 * 1e3 / nanoseconds),
            Unit::Job => format!("{:.1} ms", nanoseconds / 1e6),
        }
    }
}

/// Given an empty directory on a file system, answers the cost; `None` when it cannot be done there.
pub(crate) type Measure = Box<dyn Fn(&Path) -> Option<f64>>;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) measure: Measure,
}

impl Row {
    pub(crate) fn new(
        group: &'static str,
        name: impl Into<String>,
        unit: Unit,
        measure: impl Fn(&Path) -> Option<f64> + 'static,
    ) -> Row {
        Row { group, name: name.into(), unit, measure: Box::new(measure) }
    }
}

pub(crate) fn all() -> Vec<Row> {
    let mut rows = metadata::rows();
    rows.extend(data::rows());
    rows.extend(jobs::rows());
    rows
}

/// Makes the kernel forget names and attributes, and pages that are clean.
pub(crate) fn forget_caches() {
    let _ = std::fs::write("/proc/sys/vm/drop_caches", "3");
}

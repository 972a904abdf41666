//! Units after preprocessing, kept between the item that chooses headers for them and the items that
//! compile them, so that each unit is preprocessed once. Does not know what tokens are for.

use super::inputs::DependencyCollector;
use crate::llvm::Scan;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// A unit's tokens, and what they were made of.
pub struct UnitScan {
    pub(super) scan: Scan,
    pub(super) found: DependencyCollector,
    pub(super) begun: SystemTime,
}

/// Those of this process that no unit has taken, by the file of the headers and by source.
#[derive(Default)]
pub struct Scans {
    kept: Mutex<HashMap<String, HashMap<String, UnitScan>>>,
}

impl Scans {
    /// Keeps them for units that use the headers of this file, in place of those from before.
    pub fn keep(&self, headers: &str, scans: HashMap<String, UnitScan>) {
        self.lock().insert(headers.to_owned(), scans);
    }

    pub fn take(&self, headers: &str, source: &str) -> Option<UnitScan> {
        self.lock().get_mut(headers)?.remove(source)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, UnitScan>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Workers that stay when a build has ended, for the next build of this process: the start of a process,
//! and its caches, are not paid again. The one owner of workers between builds.
//!
//! A kept worker has no job slot, no token, no lease and no item. What it has cached it compares with
//! the files before it uses it, as between two items of one build. It is ended with its owner, when
//! memory gets short, and when its program, one of LLVM's libraries or the directory of the workspace is
//! not what it was started from. One that has died meanwhile is replaced, and nothing is said of it.
//!
//! Knows no items, no schedule and no sink.

use super::worker::WorkerProcess;
use crate::sys::looks::{self, FileState};
use crate::sys::usage::Gauge;
use crate::tokens::Fifo;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::path::Path;
use tender_protocol::ToWorker;
use tender_units::Bytes;

/// The workers of builds that have ended.
#[derive(Default)]
pub struct KeptWorkers {
    workers: Vec<KeptWorker>,
}

struct KeptWorker {
    process: WorkerProcess,
    port: Fifo,
    origin: WorkerOrigin,
}

/// From what a worker is started. Its environment is that of this process, which does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkerOrigin {
    program: Utf8PathBuf,
    program_state: Option<FileState>,
    root: Utf8PathBuf,
    /// Device and inode.
    root_identity: Option<(u64, u64)>,
}

impl WorkerOrigin {
    /// To be called before the worker starts.
    pub(super) fn now(program: &Utf8Path, root: &Utf8Path) -> WorkerOrigin {
        WorkerOrigin {
            program: program.to_owned(),
            program_state: looks::state_now(program.as_std_path()),
            root: root.to_owned(),
            root_identity: looks::identity_now(root.as_std_path()),
        }
    }
}

/// The states of the libraries that a worker has loaded.
pub(super) fn states_of(libraries: &[String]) -> Vec<Option<FileState>> {
    libraries.iter().map(|path| looks::state_now(Path::new(path))).collect()
}

impl KeptWorkers {
    /// Ends all of them.
    pub fn end(&mut self) {
        self.workers.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    pub fn pids(&self) -> BTreeSet<u32> {
        self.workers.iter().map(|worker| worker.process.process.pid()).collect()
    }

    /// The memory that they have.
    pub fn resident_bytes(&self) -> Bytes {
        let gauges = self.workers.iter().filter_map(|worker| worker.process.gauge.as_ref());
        gauges.filter_map(Gauge::resident_bytes).sum()
    }

    /// Tells them to return the memory that their allocators keep.
    pub fn purge(&mut self) {
        for worker in &mut self.workers {
            worker.process.send(&ToWorker::Purge);
        }
    }

    pub(super) fn keep(&mut self, process: WorkerProcess, port: Fifo, origin: WorkerOrigin) {
        self.workers.push(KeptWorker { process, port, origin });
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// One that runs and could have been started now. Others are ended.
    pub(super) fn take(&mut self, origin: &WorkerOrigin) -> Option<(WorkerProcess, Fifo)> {
        while let Some(KeptWorker { process, port, origin: its_origin }) = self.workers.pop() {
            if its_origin == *origin && process.could_start_now() {
                return Some((process, port));
            }
        }
        None
    }
}

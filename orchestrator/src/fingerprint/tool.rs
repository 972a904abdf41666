//! Which `tender-worker` and which LLVM made an item. Others may make another result of the same
//! source.
//!
//! The worker is identified by the build id of its program. An LLVM that is not part of that
//! program is identified by its version and the stamps of its libraries, which are too large to be
//! read. A build that starts no worker checks stamps only.

use super::command::Hash;
use super::files::stamp_of;
use super::program;
use super::store::{Tables, ToolId};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use tender_protocol::FileStamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tool {
    worker: Utf8PathBuf,
    stamp: FileStamp,
    hash: Hash,
    /// As the worker reports it, e.g. `22.1.8`.
    llvm: String,
    libraries: Vec<(Utf8PathBuf, FileStamp)>,
}

impl Tool {
    fn same_as(&self, other: &Self) -> bool {
        (&self.hash, &self.llvm, &self.libraries) == (&other.hash, &other.llvm, &other.libraries)
    }

    fn libraries_hold(&self) -> bool {
        self.libraries.iter().all(|(path, stamp)| stamp_of(path) == Some(*stamp))
    }

    pub fn describe(&self) -> String {
        let id = blake3::Hash::from(self.hash).to_hex();
        match self.llvm.as_str() {
            "" => format!("tender-worker {}", &id[..8]),
            llvm => format!("LLVM {llvm} (tender-worker {})", &id[..8]),
        }
    }
}

/// The tool of this build.
#[derive(Debug)]
pub(super) struct CurrentTool {
    tool: Tool,
    /// `None` until a worker has reported which LLVM it has loaded.
    id: Option<ToolId>,
    /// By `ToolId`: whether that tool is equal to this one. Computed when first needed.
    same: Vec<bool>,
}

impl CurrentTool {
    /// The tool of an earlier build if worker and libraries have not changed, else one that is not
    /// known yet.
    pub fn find(worker: &Utf8Path, tables: &mut Tables) -> Self {
        let stamp = stamp_of(worker).unwrap_or_default();
        let known = |tool: &&Tool| tool.worker == worker && tool.stamp == stamp;
        let hash = match tables.tools.iter().rev().find(known) {
            Some(tool) => tool.hash,
            None => program::identity(worker).unwrap_or([0; 32]),
        };
        let found =
            tables.tools.iter().rposition(|tool| tool.hash == hash && tool.libraries_hold());
        let Some(ix) = found else {
            let tool = Tool {
                worker: worker.to_owned(),
                stamp,
                hash,
                llvm: String::new(),
                libraries: Vec::new(),
            };
            return Self { tool, id: None, same: Vec::new() };
        };
        let mut tool = tables.tools[ix].clone();
        let mut id = ix as ToolId;
        if (tool.worker.as_path(), tool.stamp) != (worker, stamp) {
            tool.worker = worker.to_owned();
            tool.stamp = stamp;
            id = tables.add_tool(tool.clone());
        }
        Self { tool, id: Some(id), same: Vec::new() }
    }

    /// Takes the versions in the worker's `hello`.
    pub fn said(&mut self, llvm: &str, libraries: &[String], tables: &mut Tables) {
        let libraries = libraries.iter().filter_map(|path| {
            let path = Utf8PathBuf::from(path);
            stamp_of(&path).map(|stamp| (path, stamp))
        });
        let tool =
            Tool { llvm: llvm.to_owned(), libraries: libraries.collect(), ..self.tool.clone() };
        if self.id.is_none() || tool != self.tool {
            self.id = Some(tables.add_tool(tool.clone()));
            self.tool = tool;
            self.same.clear();
        }
    }

    /// The number to record with an item.
    pub fn id(&mut self, tables: &mut Tables) -> ToolId {
        *self.id.get_or_insert_with(|| tables.add_tool(self.tool.clone()))
    }

    pub fn made(&mut self, id: Option<ToolId>, tables: &Tables) -> bool {
        if self.id.is_none() {
            return false;
        }
        if self.same.len() < tables.tools.len() {
            self.same = tables.tools.iter().map(|tool| tool.same_as(&self.tool)).collect();
        }
        id.is_some_and(|id| self.same[id as usize])
    }

    pub fn describe(&self) -> String {
        self.tool.describe()
    }
}

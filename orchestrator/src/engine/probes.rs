//! Commands that wait for the versions of make and ninja, which decide the dialect of MAKEFLAGS. A
//! command has its slot and its lease already; the programs are asked on that slot.

use super::children::Children;
use crate::graph::Command;
use crate::host::EngineError;
use crate::host::probe::Answer;
use crate::host::tools::Tools;
use crate::keys::ItemId;
use crate::toolchain::Stamp;
use camino::Utf8PathBuf;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Probes {
    pub(super) tools: Tools,
    /// Programs that are being asked, by the number of the probe.
    asked: BTreeMap<u32, Stamp>,
    /// Commands, and the programs whose answers they wait for.
    waiting: BTreeMap<ItemId, BTreeSet<Utf8PathBuf>>,
}

impl Probes {
    /// Starts the probes that the command needs. Returns whether it has to wait for answers.
    ///
    /// # Errors
    /// The system fails.
    pub(super) fn ask_for(
        &mut self,
        ix: ItemId,
        command: &Command,
        children: &mut Children<'_>,
    ) -> Result<bool, EngineError> {
        let program = command.words.first().map_or("", String::as_str);
        let mut awaited = BTreeSet::new();
        for stamp in self.tools.unknown(program, &command.dir) {
            let path = stamp.path.clone();
            if self.asked.values().any(|asked| asked.path == path) {
                awaited.insert(path);
                continue;
            }
            match children.start_probe(&path, &command.dir)? {
                Ok(probe) => {
                    self.asked.insert(probe, stamp);
                    awaited.insert(path);
                }
                Err(_) => self.tools.learn(stamp, Answer::Nothing),
            }
        }
        let waits = !awaited.is_empty();
        if waits {
            self.waiting.insert(ix, awaited);
        }
        Ok(waits)
    }

    /// A program has answered, or did not in time.
    pub(super) fn answered(&mut self, probe: u32, answer: Answer) {
        let Some(stamp) = self.asked.remove(&probe) else { return };
        for awaited in self.waiting.values_mut() {
            awaited.remove(&stamp.path);
        }
        self.tools.learn(stamp, answer);
    }

    /// Takes the commands that wait for no answer any more.
    pub(super) fn take_ready(&mut self) -> Vec<ItemId> {
        let waiting = self.waiting.iter().filter(|(_, awaited)| awaited.is_empty());
        let ready: Vec<ItemId> = waiting.map(|(ix, _)| *ix).collect();
        self.waiting.retain(|_, awaited| !awaited.is_empty());
        ready
    }

    /// Takes all commands that wait. Later answers are ignored.
    pub(super) fn cancel(&mut self) -> Vec<ItemId> {
        self.asked.clear();
        std::mem::take(&mut self.waiting).into_keys().collect()
    }
}

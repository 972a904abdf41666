//! Workers that do not take the tokens that they have asked for: stopped, or without a core to run
//! on. A token that nobody takes is worth nothing, so it goes to others until the worker is heard
//! of again. What a stopped worker holds it keeps.

use super::{Engine, child_of_worker};
use crate::schedule::WorkerIx;

impl Engine<'_> {
    /// The worker could use so many tokens.
    pub(super) fn wants(&mut self, ix: WorkerIx, tokens: u32) {
        let Some(child) = self.children.worker_mut(ix) else { return };
        child.wishes.tokens = tokens;
        self.slots.want(child_of_worker(ix), tokens);
    }

    /// It was heard of.
    pub(super) fn goes_on(&mut self, ix: WorkerIx) {
        let Some(child) = self.children.worker_mut(ix) else { return };
        let wishes = &mut child.wishes;
        wishes.lay_unread = false;
        if std::mem::take(&mut wishes.passed_over) {
            self.slots.want(child_of_worker(ix), wishes.tokens);
        }
    }

    /// Called from time to time: a token that has lain unread from one time to the next is taken
    /// back.
    pub(super) fn pass_over_who_takes_nothing(&mut self) {
        let has_spare = self.slots.free() > 0;
        for (ix, worker) in self.children.workers_mut() {
            let (child, wishes) = (child_of_worker(ix), &mut worker.wishes);
            if wishes.passed_over {
                // What nobody else has a use for may as well lie there.
                if has_spare {
                    wishes.passed_over = false;
                    self.slots.want(child, wishes.tokens);
                }
                continue;
            }
            let lies_unread = self.slots.has_unread(child);
            if std::mem::replace(&mut wishes.lay_unread, lies_unread) && lies_unread {
                (wishes.passed_over, wishes.lay_unread) = (true, false);
                self.slots.want(child, 0);
            }
        }
    }
}

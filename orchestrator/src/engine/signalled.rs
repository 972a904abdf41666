//! What signals do to a build.
//!
//! The first SIGINT, SIGTERM or SIGHUP ends it: nothing new starts, our workers are killed (nothing
//! is half-written), commands of others get the signal and are waited for. The second one kills
//! those too. Then the caller dies by the first signal. SIGTSTP stops the children and us, SIGCONT
//! continues them: they are in groups of their own, so the terminal's signals reach us alone.

use super::Engine;
use crate::events::Event;
use crate::sys::signals::{named, stop_this_process};
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGTSTP};

impl Engine<'_> {
    pub(super) fn signalled(&mut self, signal: i32) {
        match signal {
            SIGTSTP => self.stop(),
            SIGCONT => self.children.signal_all(Signal::CONT, Signal::CONT),
            _ if self.interrupted.is_none() => self.interrupt(signal),
            _ => self.children.signal_all(Signal::KILL, Signal::KILL),
        }
    }

    fn interrupt(&mut self, signal: i32) {
        self.interrupted = Some(signal);
        self.progress.tell(Event::Interrupted { signal });
        for (_, child) in self.children.workers_mut() {
            child.dismiss();
        }
        self.memory.release();
        for child in self.children.commands_mut() {
            child.interrupted = true;
            child.process.signal_group(named(signal));
            // One that is stopped would never get to see it.
            child.process.signal_group(Signal::CONT);
        }
        self.scheduler.cancel();
    }

    fn stop(&mut self) {
        self.progress.suspend();
        // A worker has no use for a signal that it could catch.
        self.children.signal_all(Signal::STOP, Signal::TSTP);
        stop_this_process();
        self.children.signal_all(Signal::CONT, Signal::CONT);
    }
}

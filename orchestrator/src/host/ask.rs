//! Asks a program for its version, and waits for the answer. Decides nothing by it.

use super::error::{EngineError, system};
use super::probe::{Answer, Probe};
use super::slots::Guard;
use crate::sys::clock::now_us;
use crate::sys::signals::{Signals, stop_this_process};
use crate::sys::watch::Watch;
use camino::Utf8Path;
use mio::Interest;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use tender_units::Micros;

/// The outer error: the system fails. The inner: a signal that ends this process, which has ended the
/// program too.
pub(crate) fn ask(
    program: &Utf8Path,
    dir: &Utf8Path,
    guard: &mut Guard,
    signals: &mut Signals,
) -> Result<Result<Answer, i32>, EngineError> {
    let Ok(mut probe) = Probe::start(program, dir, guard.entry()?, now_us()) else {
        return Ok(Ok(Answer::Nothing));
    };
    let mut watch = Watch::new().map_err(system("create an epoll instance"))?;
    for fd in probe.descriptors().into_iter().chain([signals.as_fd()]) {
        watch.add(fd, Interest::READABLE, ()).map_err(system("watch a program"))?;
    }
    loop {
        let now_us = now_us();
        if let Some(answer) = probe.step(now_us) {
            return Ok(Ok(answer));
        }
        for signal in signals.pending() {
            match signal {
                SIGTSTP => stop_this_process(),
                SIGCONT => {}
                other => return Ok(Err(other)),
            }
        }
        let left = probe
            .deadline_us()
            .map_or(Micros::ZERO, |deadline_us| deadline_us.saturating_sub(now_us));
        watch.wait(left.duration()).map_err(system("wait for a program"))?;
    }
}

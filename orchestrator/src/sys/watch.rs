//! An epoll set, and for each of its descriptors what it stands for.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// `S` says what a descriptor stands for. All descriptors are watched edge-triggered: the caller
/// reads each until it is empty.
pub(crate) struct Watch<S> {
    poll: Poll,
    events: Events,
    sources: BTreeMap<usize, (RawFd, S)>,
    next: usize,
    /// A timer for short waits, because epoll_wait(2) counts in milliseconds, and mio rounds up.
    alarm: OwnedFd,
}

/// Stands for the timer.
const ALARM: Token = Token(usize::MAX);

/// Longer waits need not be exact.
const SHORT: Duration = Duration::from_millis(20);

/// For removal, which must precede the closing of the descriptor.
#[derive(Debug)]
pub(crate) struct Watched(usize);

impl<S: Copy + PartialEq> Watch<S> {
    /// An empty epoll set.
    ///
    /// # Errors
    /// No descriptor can be created.
    pub(crate) fn new() -> io::Result<Watch<S>> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(256));
        let alarm = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        poll.registry().register(&mut SourceFd(&alarm.as_raw_fd()), ALARM, Interest::READABLE)?;
        Ok(Watch { poll, events, sources: BTreeMap::new(), next: 0, alarm })
    }

    /// Watches `fd`, which stands for `source` in what `wait` returns.
    ///
    /// # Errors
    /// Those of epoll_ctl(2), for instance because `fd` is watched already.
    pub(crate) fn add(
        &mut self,
        fd: impl AsFd,
        interest: Interest,
        source: S,
    ) -> io::Result<Watched> {
        let fd = fd.as_fd().as_raw_fd();
        let token = self.next;
        self.next += 1;
        self.poll.registry().register(&mut SourceFd(&fd), Token(token), interest)?;
        self.sources.insert(token, (fd, source));
        Ok(Watched(token))
    }

    pub(crate) fn remove(&mut self, watched: Watched) {
        if let Some((fd, _)) = self.sources.remove(&watched.0) {
            // Fails only if the descriptor is closed; then it is not watched either.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Stops watching all descriptors that stand for `source`. As `remove`, to be called before
    /// they are closed: the number of a closed descriptor is soon used again, and that one must
    /// stay watched.
    pub(crate) fn remove_source(&mut self, source: S) {
        let of_source = |(token, (_, stands_for)): (&usize, &(RawFd, S))| {
            (*stands_for == source).then_some(*token)
        };
        let tokens: Vec<usize> = self.sources.iter().filter_map(of_source).collect();
        for token in tokens {
            self.remove(Watched(token));
        }
    }

    /// Waits until a descriptor is ready, at most `timeout`. Returns what the ready descriptors
    /// stand for.
    ///
    /// # Errors
    /// Those of epoll_wait(2), except EINTR, and of timerfd_settime(2).
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<Vec<S>> {
        if Duration::ZERO < timeout && timeout < SHORT {
            self.set_alarm(timeout)?;
        }
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            other => other?,
        }
        let sources = self.events.iter().filter_map(|event| self.sources.get(&event.token().0));
        Ok(sources.map(|(_, source)| *source).collect())
    }
}

impl<S> Watch<S> {
    /// Replaces an earlier setting. A timer that expires late, or after a wait that does not need
    /// it, causes one empty wake-up.
    fn set_alarm(&self, after: Duration) -> io::Result<()> {
        let it_value = Timespec::try_from(after).unwrap_or_default();
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.alarm, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Write, pipe};

    #[test]
    fn descriptor_that_reuses_a_number_stays_watched() {
        let mut watch = Watch::new().unwrap();
        let (old, _writer) = pipe().unwrap();
        let number = old.as_raw_fd();
        let watched = watch.add(&old, Interest::READABLE, "old").unwrap();
        watch.remove_source("old");
        drop(old);
        // The lowest free number from there on: the same number, unless another test has taken it
        // meanwhile.
        let (reader, mut writer) = pipe().unwrap();
        let new = rustix::io::fcntl_dupfd_cloexec(&reader, number).unwrap();
        watch.add(&new, Interest::READABLE, "new").unwrap();
        watch.remove(watched);
        writer.write_all(b"x").unwrap();
        assert_eq!(watch.wait(Duration::from_secs(60)).unwrap(), ["new"]);
    }
}

//! What the engine sleeps on: an epoll set, and for each descriptor in it what it stands for.

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

/// `S` says what a descriptor stands for. All descriptors are watched edge-triggered: whoever is woken reads until nothing is left.
pub(super) struct Watch<S> {
    poll: Poll,
    events: Events,
    sources: BTreeMap<usize, (RawFd, S)>,
    next: usize,
}

/// To stop watching. Must happen before the descriptor is closed.
#[derive(Debug)]
pub(super) struct Watched(usize);

impl<S: Copy> Watch<S> {
    pub(super) fn new() -> io::Result<Watch<S>> {
        let events = Events::with_capacity(256);
        Ok(Watch { poll: Poll::new()?, events, sources: BTreeMap::new(), next: 0 })
    }

    pub(super) fn add(&mut self, fd: impl AsFd, interest: Interest, source: S) -> io::Result<Watched> {
        let fd = fd.as_fd().as_raw_fd();
        let token = self.next;
        self.next += 1;
        self.poll.registry().register(&mut SourceFd(&fd), Token(token), interest)?;
        self.sources.insert(token, (fd, source));
        Ok(Watched(token))
    }

    pub(super) fn remove(&mut self, watched: Watched) {
        if let Some((fd, _)) = self.sources.remove(&watched.0) {
            // Fails only if the descriptor is closed, and then it is not watched either.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }

    /// Sleeps until something happens, at most `timeout`. Returns what the descriptors that woke us stand for.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<Vec<S>> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Vec::new()),
            other => other?,
        }
        let sources = self.events.iter().filter_map(|event| self.sources.get(&event.token().0));
        Ok(sources.map(|(_, source)| *source).collect())
    }
}

//! Fetches several sources at once into the cache, each address by one thread. What is done with them
//! there is up to the caller, on its own thread. Unpacks nothing, and reads neither manifests nor the
//! lock file.

use super::cache::SourceCache;
use super::download;
use super::error::SourceError;
use super::git::GitProgram;
use super::repository::{self, GitFetch};
use super::store::{SourceEvent, SourceNetwork, SourceSink};
use crate::manifest::GitReference;
use camino::Utf8PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// More would not make it faster, and servers may take it amiss.
const AT_ONCE: usize = 4;
/// How often the display may change while nothing arrives.
const TICK: Duration = Duration::from_millis(100);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WantedSource {
    Archive {
        url: String,
        sha256: String,
    },
    /// `commit`: None if the reference has to be looked up.
    Git {
        url: String,
        reference: GitReference,
        commit: Option<String>,
    },
}

impl WantedSource {
    fn url(&self) -> &str {
        match self {
            WantedSource::Archive { url, .. } | WantedSource::Git { url, .. } => url,
        }
    }
}

/// What is in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CachedSource {
    Archive(Utf8PathBuf),
    Commit(String),
}

/// What fetching takes.
pub(super) struct FetchMeans<'a> {
    pub git: &'a GitProgram,
    pub cache: &'a SourceCache,
    pub network: SourceNetwork,
}

enum Message {
    Event(SourceEvent),
    Done(usize, Result<CachedSource, SourceError>),
}

/// What is done with one of those that were asked for.
type WhenDone<'a> =
    &'a mut dyn FnMut(usize, Result<CachedSource, SourceError>, &mut dyn SourceSink);

/// Fetches all of these. `done` is called for each when it is there, or cannot be had, with its place in
/// the list.
pub(super) fn fetch_all(
    wanted: &[WantedSource],
    means: &FetchMeans<'_>,
    sink: &mut dyn SourceSink,
    done: WhenDone<'_>,
) {
    // Two fetches from one repository would wait for each other.
    let mut by_url: Vec<Vec<usize>> = Vec::new();
    for (at, one) in wanted.iter().enumerate() {
        match by_url.iter_mut().find(|group| wanted[group[0]].url() == one.url()) {
            Some(group) => group.push(at),
            None => by_url.push(vec![at]),
        }
    }
    let count = wanted.len();
    sink.event(&SourceEvent::Planned { count });
    let (next, (sender, receiver)) = (AtomicUsize::new(0), mpsc::channel());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(by_url.len()) {
            let (sender, next, by_url) = (sender.clone(), &next, &by_url);
            scope.spawn(move || {
                while let Some(group) = by_url.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for at in group {
                        let result = fetch(&wanted[*at], means, &sender);
                        let url = wanted[*at].url().to_owned();
                        let _ = sender.send(Message::Event(SourceEvent::Ended { url }));
                        let _ = sender.send(Message::Done(*at, result));
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(Message::Event(event)) => sink.event(&event),
                Ok(Message::Done(at, result)) => done(at, result, sink),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            sink.tick();
        }
    });
    sink.event(&SourceEvent::Over);
}

fn fetch(
    wanted: &WantedSource,
    means: &FetchMeans<'_>,
    sender: &Sender<Message>,
) -> Result<CachedSource, SourceError> {
    let FetchMeans { git, cache, network } = *means;
    let mut report = |event| {
        let _ = sender.send(Message::Event(event));
    };
    match wanted {
        WantedSource::Archive { url, sha256 } => {
            let path = download::archive(cache, url, sha256, network, &mut report)?;
            Ok(CachedSource::Archive(path))
        }
        WantedSource::Git { url, reference, commit } => {
            let mut fetch = GitFetch { git, cache, network, report: &mut report };
            let commit = match commit {
                Some(commit) => commit.clone(),
                None => repository::resolve(&mut fetch, url, reference)?,
            };
            repository::fetch_whole(&mut fetch, url, &commit)?;
            Ok(CachedSource::Commit(commit))
        }
    }
}

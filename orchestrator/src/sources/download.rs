//! Gets archives into the cache: by http and https, and from files. A file there has its name when it
//! is whole and its checksum is right.
//!
//! What was interrupted stays where the server has given the archive a strong ETag, and the next attempt,
//! also that of a later process, asks for the rest of the same archive (RFC 9110, 13.1.5 and 14). The
//! server then sends that, or all of another one. What cannot be continued so is thrown away.
//!
//! `ureq` follows the variables of proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY, ...), and
//! `rustls-native-certs` SSL_CERT_FILE and SSL_CERT_DIR.

use super::cache::SourceCache;
use super::error::SourceError;
use super::partial::{PartialFile, UNKNOWN, remove, remove_old, strong_tag};
use super::store::{SourceEvent, SourceNetwork};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Of an archive, bytes.
const LARGEST: u64 = 8 << 30;
/// How long a connection, an answer or a part of it may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Waits before each further attempt.
const RETRIES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// The archive in the cache, downloaded if it is not there.
///
/// # Errors
/// It cannot be had, or has another checksum.
pub(super) fn archive(
    cache: &SourceCache,
    url: &str,
    sha256: &str,
    network: SourceNetwork,
    report: &mut dyn FnMut(SourceEvent),
) -> Result<Utf8PathBuf, SourceError> {
    let path = cache.archive(sha256)?;
    let part = part_of(&path);
    if is_whole(&path, sha256) {
        return Ok(path);
    }
    if network.offline {
        // A damaged one stays: who may fetch replaces it.
        return Err(match path.exists() {
            true => SourceError::OfflineDamaged { url: url.to_owned(), path },
            false => SourceError::Offline { what: format!("the archive {url}") },
        });
    }
    let cannot = |source| SourceError::Cache { path: part.clone(), source };
    if let Some(dir) = part.parent() {
        remove_old(dir, SystemTime::now());
    }
    let mut waiting = || report(SourceEvent::Waiting { what: url.to_owned() });
    let mut file = PartialFile::open(&part, url, &mut waiting).map_err(cannot)?;
    // Another process may just have made it.
    if is_whole(&path, sha256) {
        file.remove();
        return Ok(path);
    }
    // One that is damaged. Whoever makes it has the part, so nobody does meanwhile.
    remove(&path).map_err(cannot)?;
    let mut found = fetch(url, &mut file, report);
    // The part may have been damaged, and the server may give two archives one name.
    if file.is_resumed() && found.as_ref().is_ok_and(|found| found != sha256) {
        file.begin(None).map_err(cannot)?;
        found = fetch(url, &mut file, report);
    }
    let found = found.and_then(|found| match found == sha256 {
        true => Ok(()),
        false => {
            Err(SourceError::Checksum { url: url.to_owned(), expected: sha256.to_owned(), found })
        }
    });
    let done = found.and_then(|()| file.finish(&path).map_err(cannot));
    match &done {
        Ok(()) => {}
        Err(SourceError::Download { .. }) if file.resumable().is_some() => {}
        Err(_) => file.remove(),
    }
    done.map(|()| path)
}

/// Downloads an archive whose checksum is not known, and returns it.
///
/// # Errors
/// It cannot be had.
pub(super) fn checksum(
    cache: &SourceCache,
    url: &str,
    report: &mut dyn FnMut(SourceEvent),
) -> Result<String, SourceError> {
    let part = cache.archive(&format!("{UNKNOWN}{}", std::process::id()))?;
    let cannot = |source| SourceError::Cache { path: part.clone(), source };
    let mut file = PartialFile::open(&part, url, &mut || {}).map_err(cannot)?;
    // Of another process that had this number.
    file.begin(None).map_err(cannot)?;
    let found = fetch(url, &mut file, report);
    let named = found.and_then(|sha256| {
        let path = cache.archive(&sha256)?;
        // Nobody removes it meanwhile because it was damaged.
        let mut place = PartialFile::open(&part_of(&path), url, &mut || {}).map_err(cannot)?;
        let finished = file.finish(&path).map_err(cannot);
        // Of an archive that is there now.
        place.remove();
        finished.map(|()| sha256)
    });
    if named.is_err() {
        file.remove();
    }
    named
}

/// What there is of an archive until it is whole. Who has locked it may make or remove the archive.
fn part_of(archive: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{archive}.part"))
}

/// Whether a file is there with this checksum. One with another is damaged.
fn is_whole(path: &Utf8Path, sha256: &str) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut hasher = Sha256::new();
    io::copy(&mut file, &mut hasher).is_ok() && hex(&hasher.finalize()) == sha256
}

/// Writes what the address has into the file, or the rest of it, and returns the checksum.
fn fetch(
    url: &str,
    file: &mut PartialFile,
    report: &mut dyn FnMut(SourceEvent),
) -> Result<String, SourceError> {
    let wrong = |why: String| SourceError::Download { url: url.to_owned(), why };
    if let Some(path) = url.strip_prefix("file://") {
        report(SourceEvent::Downloading { url: url.to_owned(), resumed_at: 0 });
        let path = decoded(path);
        let mut from = File::open(&path).map_err(|error| wrong(error.to_string()))?;
        let total = from.metadata().ok().map(|meta| meta.len());
        file.begin(None).map_err(|source| FailedCopy::To(source).error(url))?;
        let mut progress = DownloadProgress { url, bytes: 0, total, report };
        return copy(&mut from, Sha256::new(), file, &mut progress).map_err(|why| why.error(url));
    }
    let agent = agent();
    let mut waits = RETRIES.iter();
    loop {
        let resumed_at = file.resumable().map_or(0, |(length, _)| length);
        report(SourceEvent::Downloading { url: url.to_owned(), resumed_at });
        let again = match ask(&agent, url, file, report) {
            Ok(sha256) => return Ok(sha256),
            Err(again) => again,
        };
        match waits.next().filter(|_| again.may_help) {
            Some(wait) => std::thread::sleep(*wait),
            None => return Err(again.why.error(url)),
        }
    }
}

/// A download that failed.
struct FailedAttempt {
    why: FailedCopy,
    /// Another one may succeed.
    may_help: bool,
}

enum FailedCopy {
    From(String),
    To(io::Error),
}

impl FailedCopy {
    fn error(self, url: &str) -> SourceError {
        match self {
            FailedCopy::From(why) => SourceError::Download { url: url.to_owned(), why },
            FailedCopy::To(source) => {
                SourceError::Cache { path: "the file of the download".into(), source }
            }
        }
    }
}

/// Asks once.
fn ask(
    agent: &ureq::Agent,
    url: &str,
    file: &mut PartialFile,
    report: &mut dyn FnMut(SourceEvent),
) -> Result<String, FailedAttempt> {
    let to = |error| FailedAttempt { why: FailedCopy::To(error), may_help: false };
    let odd = |why: String| FailedAttempt { why: FailedCopy::From(why), may_help: true };
    let begun = file.resumable().map(|(length, tag)| (length, tag.to_owned()));
    let mut request = agent.get(url);
    if let Some((length, tag)) = &begun {
        request = request.header("Range", format!("bytes={length}-")).header("If-Range", tag);
    }
    let mut response = match request.call() {
        // All of it is there, or the server has less: what there is cannot be continued.
        Err(ureq::Error::StatusCode(416)) if begun.is_some() => {
            file.begin(None).map_err(to)?;
            return Err(odd("the server has no rest of it (416)".to_owned()));
        }
        Err(error) => {
            let may_help = match &error {
                ureq::Error::StatusCode(code) => *code >= 500 || *code == 429,
                ureq::Error::Io(_)
                | ureq::Error::Timeout(_)
                | ureq::Error::ConnectionFailed
                | ureq::Error::HostNotFound
                | ureq::Error::Protocol(_) => true,
                _ => false,
            };
            return Err(FailedAttempt { why: FailedCopy::From(words(&error)), may_help });
        }
        Ok(response) => response,
    };
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
    let tag = header("etag").and_then(strong_tag).map(str::to_owned);
    let range = header("content-range").and_then(range_start);
    let (start, hasher) = match (response.status().as_u16(), &begun) {
        (206, Some((start, known)))
            if range == Some(*start) && tag.as_ref().is_none_or(|tag| tag == known) =>
        {
            (*start, file.resume().map_err(to)?)
        }
        (206, _) => {
            file.begin(None).map_err(to)?;
            return Err(odd("the server sent a part that it was not asked for".to_owned()));
        }
        _ => {
            file.begin(tag.as_deref()).map_err(to)?;
            (0, Sha256::new())
        }
    };
    let total = length.and_then(|length| start.checked_add(length));
    let mut progress = DownloadProgress { url, bytes: start, total, report };
    let mut body = response.body_mut().as_reader();
    let copied = copy(&mut body, hasher, file, &mut progress)
        .map_err(|why| FailedAttempt { may_help: matches!(why, FailedCopy::From(_)), why })?;
    let found = progress.bytes;
    match total.filter(|total| *total > found) {
        Some(total) => Err(odd(format!("the server sent {found} of {total} bytes"))),
        None => Ok(copied),
    }
}

/// Where the part begins: `bytes 5-9/10` (RFC 9110, 14.4).
fn range_start(text: &str) -> Option<u64> {
    text.strip_prefix("bytes ")?.trim_start().split_once('-')?.0.parse().ok()
}

fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(404) => "the server has no such file (404)".to_owned(),
        ureq::Error::StatusCode(code) => format!("the server answers with the status {code}"),
        ureq::Error::TooManyRedirects => "the server redirects again and again".to_owned(),
        other => other.to_string(),
    }
}

/// How far a download is.
struct DownloadProgress<'a> {
    url: &'a str,
    /// That are there.
    bytes: u64,
    /// Of the whole archive.
    total: Option<u64>,
    report: &'a mut dyn FnMut(SourceEvent),
}

/// Adds all to the file, and returns the checksum of that. `hasher`: of what is there.
fn copy(
    from: &mut dyn Read,
    mut hasher: Sha256,
    file: &mut PartialFile,
    progress: &mut DownloadProgress<'_>,
) -> Result<String, FailedCopy> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FailedCopy::From(error.to_string())),
        };
        progress.bytes += length as u64;
        if progress.bytes > LARGEST {
            return Err(FailedCopy::From(format!("it has more than {LARGEST} bytes")));
        }
        hasher.update(&buffer[..length]);
        file.append(&buffer[..length]).map_err(FailedCopy::To)?;
        let DownloadProgress { url, bytes, total, .. } = *progress;
        (progress.report)(SourceEvent::Received { url: url.to_owned(), bytes, total });
    }
    Ok(hex(&hasher.finalize()))
}

fn agent() -> ureq::Agent {
    // Empty where a machine has no certificates: then those that are built in count.
    let found = rustls_native_certs::load_native_certs().certs;
    let certificates: Vec<Certificate<'static>> =
        found.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
    let roots = match certificates.is_empty() {
        true => RootCerts::WebPki,
        false => RootCerts::from(certificates),
    };
    let config = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .user_agent(concat!("tender/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build();
    ureq::Agent::new_with_config(config)
}

/// The path of a `file` address: `%20` is a blank (RFC 3986, 2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const NO_NETWORK: SourceNetwork = SourceNetwork { locked: false, offline: true };
    const NETWORK: SourceNetwork = SourceNetwork { locked: false, offline: false };

    #[test]
    fn file_address_is_decoded() {
        assert_eq!(decoded("/a%20b/%2f%zz%"), "/a b//%zz%");
    }

    #[test]
    fn ranges_have_a_start() {
        assert_eq!(range_start("bytes 5-9/10"), Some(5));
        assert_eq!(range_start("bytes 5-9/*"), Some(5));
        for text in ["bytes */10", "5-9/10", "bytes", ""] {
            assert_eq!(range_start(text), None, "{text}");
        }
    }

    #[test]
    fn archive_is_in_the_cache_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let cache = SourceCache::new(Some(dir.join("cache")));
        fs::write(dir.join("x"), "abc").unwrap();
        let url = format!("file://{}", dir.join("x"));
        // FIPS 180-2, B.1.
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let get = |sum: &str, network| archive(&cache, &url, sum, network, &mut |_| {});
        assert!(matches!(get(sum, NO_NETWORK), Err(SourceError::Offline { .. })));
        let wrong = get(&"0".repeat(64), NETWORK).unwrap_err().to_string();
        assert!(wrong.contains(sum) && wrong.contains(&"0".repeat(64)), "{wrong}");
        let names = || dir.join("cache/archives").read_dir_utf8().unwrap().count();
        assert_eq!(names(), 0);
        let path = get(sum, NETWORK).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        fs::remove_file(dir.join("x")).unwrap();
        get(sum, NO_NETWORK).unwrap();
        // Damaged by somebody.
        fs::write(&path, "abd").unwrap();
        let damaged = get(sum, NO_NETWORK).unwrap_err();
        assert!(matches!(damaged, SourceError::OfflineDamaged { .. }), "{damaged}");
        assert!(damaged.to_string().contains(path.as_str()), "{damaged}");
        fs::write(dir.join("x"), "abc").unwrap();
        get(sum, NETWORK).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names()), (b"abc".to_vec(), 1));
    }

    #[test]
    fn archive_that_is_damaged_is_not_removed_while_another_process_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let cache = SourceCache::new(Some(dir.join("cache")));
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let path = cache.archive(sum).unwrap();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "abd").unwrap();
        let mut other = PartialFile::open(&part_of(&path), "x", &mut || ()).unwrap();
        // It is not there, so it cannot be downloaded.
        let url = format!("file://{}", dir.join("x"));
        let mut waits = || {
            // By now this one has seen that it is damaged.
            assert_eq!(fs::read(&path).unwrap(), b"abd");
            other.append(b"abc").unwrap();
            other.finish(&path).unwrap();
            // Its lock is that of the file that it was.
            other = PartialFile::open(&dir.join("elsewhere"), "x", &mut || ()).unwrap();
        };
        let found = archive(&cache, &url, sum, NETWORK, &mut |event| match event {
            SourceEvent::Waiting { .. } => waits(),
            other => panic!("{other:?}"),
        });
        assert_eq!(fs::read(found.unwrap()).unwrap(), b"abc");
    }
}

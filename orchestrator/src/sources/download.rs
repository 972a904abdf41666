//! Gets archives into the cache: by http and https, and from files. A file there has its name when it
//! is whole and its checksum is right; what was interrupted is thrown away.
//!
//! `ureq` follows the variables of proxies (HTTPS_PROXY, ALL_PROXY, NO_PROXY, ...), and
//! `rustls-native-certs` SSL_CERT_FILE and SSL_CERT_DIR.

use super::cache::{LockedFile, SourceCache};
use super::error::SourceError;
use super::store::{SourceEvent, SourceNetwork};
use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::time::Duration;
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
    let part = Utf8PathBuf::from(format!("{path}.part"));
    if is_whole(&path, sha256) {
        return Ok(path);
    }
    if network.offline {
        return Err(SourceError::Offline { what: format!("the archive {url}") });
    }
    let cannot = |source| SourceError::Cache { path: part.clone(), source };
    let mut waiting = || report(SourceEvent::Waiting { what: url.to_owned() });
    let LockedFile { mut file } = LockedFile::open(&part, &mut waiting).map_err(cannot)?;
    // Another process may just have made it.
    if is_whole(&path, sha256) {
        let _ = fs::remove_file(&part);
        return Ok(path);
    }
    report(SourceEvent::Downloading { url: url.to_owned() });
    let found = fetch(url, &mut file).and_then(|found| match found == sha256 {
        true => Ok(()),
        false => {
            Err(SourceError::Checksum { url: url.to_owned(), expected: sha256.to_owned(), found })
        }
    });
    let done = found
        .and_then(|()| file.sync_data().and_then(|()| fs::rename(&part, &path)).map_err(cannot));
    if done.is_err() {
        // So that a full disk has room again.
        let _ = fs::remove_file(&part);
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
    let part = cache.archive(&format!("unknown-{}", std::process::id()))?;
    let cannot = |source| SourceError::Cache { path: part.clone(), source };
    let LockedFile { mut file } = LockedFile::open(&part, &mut || {}).map_err(cannot)?;
    report(SourceEvent::Downloading { url: url.to_owned() });
    let found = fetch(url, &mut file);
    let named = found.and_then(|sha256| {
        fs::rename(&part, cache.archive(&sha256)?).map_err(cannot)?;
        Ok(sha256)
    });
    if named.is_err() {
        let _ = fs::remove_file(&part);
    }
    named
}

/// Whether a file is there with this checksum. One with another is damaged, and is removed.
fn is_whole(path: &Utf8Path, sha256: &str) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut hasher = Sha256::new();
    let is_whole = io::copy(&mut file, &mut hasher).is_ok() && hex(&hasher.finalize()) == sha256;
    if !is_whole {
        let _ = fs::remove_file(path);
    }
    is_whole
}

/// Writes what the address has into the file, and returns the checksum.
fn fetch(url: &str, file: &mut File) -> Result<String, SourceError> {
    let wrong = |why: String| SourceError::Download { url: url.to_owned(), why };
    if let Some(path) = url.strip_prefix("file://") {
        let path = decoded(path);
        let mut from = File::open(&path).map_err(|error| wrong(error.to_string()))?;
        return copy(&mut from, file).map_err(|why| why.error(url));
    }
    let agent = agent();
    let mut waits = RETRIES.iter();
    loop {
        let again = match ask(&agent, url, file) {
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

fn ask(agent: &ureq::Agent, url: &str, file: &mut File) -> Result<String, FailedAttempt> {
    let failed = |error: ureq::Error| {
        let may_help = match &error {
            ureq::Error::StatusCode(code) => *code >= 500 || *code == 429,
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Protocol(_) => true,
            _ => false,
        };
        FailedAttempt { why: FailedCopy::From(words(&error)), may_help }
    };
    let mut response = agent.get(url).call().map_err(failed)?;
    let length = response.headers().get("content-length");
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut body = response.body_mut().as_reader();
    let copied = copy(&mut body, file)
        .map_err(|why| FailedAttempt { may_help: matches!(why, FailedCopy::From(_)), why })?;
    let found = file.metadata().map_or(0, |meta| meta.len());
    match length.filter(|length| *length > found) {
        Some(length) => {
            let why = format!("the server sent {found} of {length} bytes");
            Err(FailedAttempt { why: FailedCopy::From(why), may_help: true })
        }
        None => Ok(copied),
    }
}

fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(404) => "the server has no such file (404)".to_owned(),
        ureq::Error::StatusCode(code) => format!("the server answers with the status {code}"),
        ureq::Error::TooManyRedirects => "the server redirects again and again".to_owned(),
        other => other.to_string(),
    }
}

/// Copies all into the file, from its beginning, and returns the checksum.
fn copy(from: &mut dyn Read, file: &mut File) -> Result<String, FailedCopy> {
    let to = FailedCopy::To;
    file.set_len(0).and_then(|()| io::Seek::rewind(file)).map_err(to)?;
    let mut hasher = Sha256::new();
    let (mut buffer, mut count) = (vec![0; 1 << 16], 0);
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(FailedCopy::From(error.to_string())),
        };
        count += length as u64;
        if count > LARGEST {
            return Err(FailedCopy::From(format!("it has more than {LARGEST} bytes")));
        }
        hasher.update(&buffer[..length]);
        file.write_all(&buffer[..length]).map_err(to)?;
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

    const NO_NETWORK: SourceNetwork = SourceNetwork { locked: false, offline: true };
    const NETWORK: SourceNetwork = SourceNetwork { locked: false, offline: false };

    #[test]
    fn file_address_is_decoded() {
        assert_eq!(decoded("/a%20b/%2f%zz%"), "/a b//%zz%");
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
        assert!(matches!(get(sum, NO_NETWORK), Err(SourceError::Offline { .. })));
        assert_eq!(names(), 0);
    }
}

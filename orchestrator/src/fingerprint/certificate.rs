//! Certificates: what a build that found nothing to do has looked at. While all that is as it was, the
//! next build by the same command would find nothing to do either, and needs no manifests, no graph and
//! no records to know it.
//!
//! A certificate says nothing of what items are: it is true because the record of looks (`sys/looks.rs`)
//! has each path that was looked at, with what was seen. Contents count through stamps here as they do
//! for items, and a stamp that is too young to prove something makes no certificate. The state itself
//! (`store`) is among what was looked at, so no certificate outlives the beginning of any item.
//!
//! Only a build that started nothing makes one: what a build that does something has looked at before is
//! not what the next one will look at.
//!
//! Files: `certificates/NAME` in the state directory, of which NAME is the key: a hash of all that decides
//! what the build is and is no file. Knows no commands and no environment.

use crate::sys::looks::{self, FileState, Looks, PathKind, Sight};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const DIR_NAME: &str = "certificates";
const MAGIC: &[u8] = b"tender-certificate 02\n";
/// Bytes. A workspace of a hundred thousand files has a tenth.
const LARGEST: u64 = 256 << 20;
/// One more, and all are removed: commands and environments that nobody uses any more have theirs too.
const MOST: usize = 16;

/// All that decides what a build is and is no file: words of the command, variables, directories, programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateKey([u8; 32]);

impl CertificateKey {
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    fn file_in(&self, state_dir: &Utf8Path) -> Utf8PathBuf {
        let name = &blake3::Hash::from(self.0).to_hex()[..24];
        state_dir.join(DIR_NAME).join(name)
    }
}

/// A certificate that was read and not checked yet.
#[derive(Debug)]
pub struct Certificate {
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Contents<'a> {
    key: [u8; 32],
    /// What the build says.
    #[serde(borrow)]
    saying: Saying<'a>,
    /// The words that run what was built, of a command that runs it.
    #[serde(borrow)]
    runs: Vec<&'a str>,
    #[serde(borrow)]
    facts: Vec<(&'a str, Fact<'a>)>,
}

/// What a build with nothing to do says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saying<'a> {
    /// With `-q`, or not; None: it is not known, because the build has spoken to a program.
    pub is_quiet: Option<bool>,
    /// Earlier warnings and the like, with colours.
    pub texts: &'a str,
    /// The last line, without the time.
    pub end: &'a str,
}

/// What was seen of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Fact<'a> {
    Absent,
    File,
    Program,
    Directory,
    Other,
    State { size: u64, mtime_ns: i64, ctime_ns: i64, inode: u64 },
    Identity { device: u64, inode: u64 },
    NoLink,
    Link(&'a str),
    Real(&'a str),
    NoPath,
}

impl Certificate {
    /// The certificate of this key, if there is one that can be used.
    pub fn read(state_dir: &Utf8Path, key: &CertificateKey) -> Option<Self> {
        // Not a look of the build that it is of.
        let bytes = read(&key.file_in(state_dir))?;
        let certificate = Self { bytes };
        let is_it = certificate.contents().is_some_and(|contents| contents.key == key.0);
        is_it.then_some(certificate)
    }

    /// The first path that is not as it was; None: the build has nothing to do.
    pub fn changed(&self) -> Option<&str> {
        let contents = self.contents()?;
        contents.facts.iter().find(|(path, fact)| !fact.holds(path)).map(|(path, _)| *path)
    }

    /// What the build says. None: the certificate is damaged.
    pub fn saying(&self) -> Option<Saying<'_>> {
        self.contents().map(|contents| contents.saying)
    }

    /// The words that run what was built.
    pub fn runs(&self) -> Vec<String> {
        let words = self.contents().map(|contents| contents.runs).unwrap_or_default();
        words.into_iter().map(str::to_owned).collect()
    }

    fn contents(&self) -> Option<Contents<'_>> {
        let rest = self.bytes.strip_prefix(MAGIC)?;
        let (hash, rest) = rest.split_at_checked(32)?;
        (blake3::hash(rest).as_bytes() == hash).then_some(())?;
        postcard::from_bytes(rest).ok()
    }

    /// Writes the certificate of a build that has found nothing to do. Another build may have begun since:
    /// then the state is not what was seen of it, and the certificate does not hold.
    /// `runs`: the words that run what was built, if it is built to be run.
    ///
    /// # Errors
    /// Why there is none: something that counts is no path, or is too young; or it cannot be written.
    pub(crate) fn write(
        state_dir: &Utf8Path,
        key: &CertificateKey,
        saying: Saying<'_>,
        runs: &[String],
        looks: &Looks,
    ) -> Result<(), String> {
        if let Some(doubt) = &looks.doubt {
            return Err(doubt.clone());
        }
        // What this build has written to the state is not what it has read there.
        let state = state_dir.join("state");
        let read = looks.sights.get(state.as_std_path()).and_then(|sight| sight.state);
        if read != Some(looks::state_now(state.as_std_path())) {
            return Err(format!("`{state}` was changed only now"));
        }
        let mut facts = Vec::with_capacity(looks.sights.len());
        for (path, sight) in &looks.sights {
            if is_implied(looks, path, sight) {
                continue;
            }
            let path = path.to_str().ok_or("a path is not UTF-8")?;
            facts.extend(facts_of(sight)?.into_iter().flatten().map(|fact| (path, fact)));
        }
        facts.sort_unstable_by_key(|(path, _)| *path);
        let runs = runs.iter().map(String::as_str).collect();
        let contents = postcard::to_stdvec(&Contents { key: key.0, saying, runs, facts });
        let contents = contents.map_err(|error| error.to_string())?;
        let hash = blake3::hash(&contents);
        let bytes = [MAGIC, hash.as_bytes(), &contents].concat();
        replace(&key.file_in(state_dir), &bytes).map_err(|error| error.to_string())
    }

    /// Removes all of a state directory: items begin, whose outputs the builds that they are of have seen.
    pub fn remove_all(state_dir: &Utf8Path) {
        // Without that they do not hold either: the state has another stamp.
        let _ = std::fs::remove_dir_all(state_dir.join(DIR_NAME));
    }
}

fn read(path: &Utf8Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).ok()?;
    let found = file.metadata().ok()?;
    if !found.is_file() || found.len() > LARGEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    io::Read::read_to_end(&mut io::Read::take(file, LARGEST), &mut bytes).ok()?;
    Some(bytes)
}

/// Never half of it.
fn replace(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Utf8Path::new("/"));
    if dir.read_dir_utf8().is_ok_and(|entries| entries.count() >= MOST) && !path.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    io::Write::write_all(&mut file, bytes)?;
    if let Err(error) = file.persist(path) {
        // Something else is there, which the next one will not find.
        std::fs::remove_dir_all(dir)?;
        return Err(error.error);
    }
    Ok(())
}

/// Whether the path is absent because of what is known of its directory: that is absent too, or has had
/// these names, without this one. A symbolic link that leads nowhere is a name.
fn is_implied(looks: &Looks, path: &Path, sight: &Sight) -> bool {
    let rest = Sight { kind: None, state: None, ..sight.clone() };
    let is_absent =
        sight.state == Some(None) || sight.state.is_none() && sight.kind == Some(PathKind::Absent);
    let (Some(dir), Some(_), true) =
        (path.parent(), path.file_name(), is_absent && rest == Sight::default())
    else {
        return false;
    };
    match looks.sights.get(dir) {
        Some(Sight { kind: Some(PathKind::Absent), .. } | Sight { state: Some(None), .. }) => true,
        // Its state proves its names, as they were read.
        Some(Sight { is_listed: true, state: Some(Some(state)), .. }) => {
            path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
                && looks::state_now(dir) == Some(*state)
        }
        _ => false,
    }
}

/// # Errors
/// A path is not UTF-8.
fn facts_of(sight: &Sight) -> Result<[Option<Fact<'_>>; 4], &'static str> {
    // One for checking each: what a stamp tells need not be told again.
    let main = match (sight.state, sight.kind) {
        (Some(None), _) => Some(Fact::Absent),
        (Some(Some(state)), _) => Some(Fact::of_state(state)),
        (None, kind) => kind.map(Fact::of_kind),
    };
    let identity = match sight.identity {
        Some(Some((device, inode))) => Some(Fact::Identity { device, inode }),
        Some(None) => Some(Fact::Absent),
        None => None,
    };
    let link = match &sight.link {
        Some(Some(target)) => Some(Fact::Link(target.to_str().ok_or("a path is not UTF-8")?)),
        Some(None) => Some(Fact::NoLink),
        None => None,
    };
    let real = match &sight.real {
        Some(Some(path)) => Some(Fact::Real(path.to_str().ok_or("a path is not UTF-8")?)),
        Some(None) => Some(Fact::NoPath),
        None => None,
    };
    Ok([main, identity, link, real])
}

impl Fact<'_> {
    fn of_kind(kind: PathKind) -> Self {
        match kind {
            PathKind::Absent => Fact::Absent,
            PathKind::File => Fact::File,
            PathKind::Program => Fact::Program,
            PathKind::Directory => Fact::Directory,
            PathKind::Other => Fact::Other,
        }
    }

    fn of_state(FileState { size, mtime_ns, ctime_ns, inode }: FileState) -> Self {
        Fact::State { size, mtime_ns, ctime_ns, inode }
    }

    fn holds(&self, path: &str) -> bool {
        match self {
            Fact::Absent => rustix::fs::statat(CWD, path, AtFlags::empty()).is_err(),
            Fact::State { size, mtime_ns, ctime_ns, inode } => {
                let state = FileState {
                    size: *size,
                    mtime_ns: *mtime_ns,
                    ctime_ns: *ctime_ns,
                    inode: *inode,
                };
                let found = rustix::fs::statat(CWD, path, AtFlags::empty());
                found.is_ok_and(|found| FileState::of_stat(&found) == state)
            }
            Fact::Identity { device, inode } => {
                looks::identity_now(Path::new(path)) == Some((*device, *inode))
            }
            Fact::NoLink => std::fs::read_link(path).is_err(),
            Fact::Link(target) => std::fs::read_link(path).is_ok_and(|is| is == Path::new(target)),
            Fact::Real(real) => std::fs::canonicalize(path).is_ok_and(|is| is == Path::new(real)),
            Fact::NoPath => std::fs::canonicalize(path).is_err(),
            Fact::File | Fact::Program | Fact::Directory | Fact::Other => {
                Fact::of_kind(looks::kind_now(Path::new(path))) == *self
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const KEY: CertificateKey = CertificateKey([7; 32]);
    const SAYING: Saying<'static> =
        Saying { is_quiet: Some(false), texts: "warning\n", end: "end" };

    /// A directory with a state, all of whose files are old.
    struct Place {
        _dir: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
            let place = Self { _dir: dir, root };
            place.write("state", "");
            place
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.root.join(name).into_std_path_buf()
        }

        fn write(&self, name: &str, text: &str) {
            fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
            fs::write(self.path(name), text).unwrap();
        }

        /// The certificate of these looks.
        fn certify(&self, look: impl FnOnce(&Self)) -> Result<Certificate, String> {
            looks::record();
            looks::state(&self.path("state"));
            look(self);
            let looks = looks::take().unwrap();
            Certificate::write(&self.root, &KEY, SAYING, &[], &looks)?;
            Ok(Certificate::read(&self.root, &KEY).unwrap())
        }

        /// What the certificate says after the change.
        #[track_caller]
        fn check(look: impl Fn(&Self), change: impl Fn(&Self), expect: Option<&str>) {
            let place = Self::new();
            for name in ["file", "dir/one", "dir/two", "prog"] {
                place.write(name, "12345");
            }
            symlink("file", place.path("link")).unwrap();
            symlink("nowhere", place.path("dangling")).unwrap();
            settle();
            let certificate = place.certify(look).unwrap();
            assert_eq!(certificate.changed(), None);
            assert_eq!(certificate.saying(), Some(SAYING));
            change(&place);
            let changed = certificate.changed().map(|path| path.to_owned());
            let expect = expect.map(|name| place.root.join(name).into_string());
            assert_eq!(changed, expect);
        }
    }

    /// Later changes have later times.
    fn settle() {
        std::thread::sleep(std::time::Duration::from_millis(30));
    }

    fn state(name: &'static str) -> impl Fn(&Place) {
        move |place| {
            looks::state(&place.path(name));
        }
    }

    #[test]
    fn certificate_holds_until_what_was_seen_is_otherwise() {
        let same_size_and_time = |place: &Place| {
            let time = fs::metadata(place.path("file")).unwrap().modified().unwrap();
            place.write("file", "54321");
            fs::File::options()
                .write(true)
                .open(place.path("file"))
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        Place::check(state("file"), same_size_and_time, Some("file"));
        let moved = |place: &Place| fs::rename(place.path("dir/one"), place.path("file")).unwrap();
        Place::check(state("file"), moved, Some("file"));
        let removed = |place: &Place| fs::remove_file(place.path("file")).unwrap();
        Place::check(state("file"), removed, Some("file"));
        Place::check(state("link"), removed, Some("link"));
        let exists = |place: &Place| assert!(looks::exists(place.path("file")));
        Place::check(exists, removed, Some("file"));
        // Only that it is there was asked.
        Place::check(exists, same_size_and_time, None);
        let absent = |place: &Place| assert!(!looks::exists(place.path("new")));
        Place::check(absent, |place| place.write("new", ""), Some("new"));
        let dangling = |place: &Place| assert!(!looks::exists(place.path("dangling")));
        Place::check(dangling, |place| place.write("nowhere", ""), Some("dangling"));
        let link = |place: &Place| drop(looks::read_link(&place.path("link")));
        let retarget = |place: &Place| {
            fs::remove_file(place.path("link")).unwrap();
            symlink("prog", place.path("link")).unwrap();
        };
        Place::check(link, retarget, Some("link"));
        let real = |place: &Place| drop(looks::canonicalize(&place.path("link")));
        Place::check(real, retarget, Some("link"));
        let no_link = |place: &Place| drop(looks::read_link(&place.path("file")));
        let become_link = |place: &Place| {
            removed(place);
            symlink("prog", place.path("file")).unwrap();
        };
        Place::check(no_link, become_link, Some("file"));
        Place::check(state("file"), |place| place.write("state", "item begun"), Some("state"));
    }

    #[test]
    fn certificate_knows_absent_names_by_their_directory() {
        let listed = |place: &Place| {
            let dir = place.path("dir");
            let state = looks::state_now(&dir);
            let later_ns = looks::now_ns() + 10_000_000_000;
            looks::saw_names(&dir, state, later_ns);
            for name in ["dir/a", "dir/b", "no/c", "no/d"] {
                assert!(!looks::exists(place.path(name)));
            }
            assert!(!looks::exists(place.path("no")));
        };
        Place::check(listed, |place| place.write("dir/a", ""), Some("dir"));
        Place::check(listed, |place| place.write("no/d", ""), Some("no"));
        let place = Place::new();
        place.write("dir/one", "");
        let certificate = place.certify(listed).unwrap();
        let facts = certificate.contents().unwrap().facts;
        let names: Vec<&str> =
            facts.iter().map(|(path, _)| Utf8Path::new(*path).file_name().unwrap()).collect();
        assert_eq!(names, ["dir", "no", "state"]);
        // A link that leads nowhere is a name of the directory, and the file that it leads to is elsewhere.
        symlink("../elsewhere", place.path("dir/a")).unwrap();
        settle();
        let certificate = place.certify(listed).unwrap();
        place.write("elsewhere", "");
        assert_eq!(certificate.changed(), Some(place.root.join("dir/a").as_str()));
    }

    #[test]
    fn certificate_is_not_made_in_doubt() {
        let place = Place::new();
        assert_eq!(place.certify(|_| looks::doubt("of this")).unwrap_err(), "of this");
        let young = |place: &Place| {
            let path = place.path("state");
            looks::saw_content(&path, looks::state_now(&path), looks::now_ns());
        };
        assert!(place.certify(young).unwrap_err().ends_with("was changed only now"));
        // The build has written to its state after it was read.
        let written = |place: &Place| place.write("state", "more");
        assert!(place.certify(written).unwrap_err().ends_with("was changed only now"));
        assert!(Certificate::read(&place.root, &KEY).is_none());
    }

    #[test]
    fn certificate_that_is_damaged_or_of_another_build_is_none() {
        let place = Place::new();
        place.write("file", "");
        place.certify(state("file")).unwrap();
        let path = KEY.file_in(&place.root);
        let good = fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Certificate::read(&place.root, &KEY)
        };
        assert!(read(&good).is_some());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read(&bad).is_none(), "{at}");
            assert!(read(&good[..at]).is_none(), "{at}");
        }
        read(&good);
        let other = CertificateKey([8; 32]);
        fs::rename(&path, other.file_in(&place.root)).unwrap();
        assert!(Certificate::read(&place.root, &other).is_none());
        Certificate::remove_all(&place.root);
        assert!(!place.root.join(DIR_NAME).exists());
    }

    #[test]
    fn certificates_do_not_pile_up() {
        let place = Place::new();
        let looks = || {
            looks::record();
            looks::state(&place.path("state"));
            looks::take().unwrap()
        };
        for number in 0..3 * MOST {
            let key = CertificateKey::new([&number.to_le_bytes()[..]]);
            Certificate::write(&place.root, &key, SAYING, &[], &looks()).unwrap();
            assert!(Certificate::read(&place.root, &key).is_some());
        }
        assert!(place.root.join(DIR_NAME).read_dir_utf8().unwrap().count() <= MOST);
    }

    #[test]
    fn certificate_keys_tell_where_parts_end() {
        let key = |parts: &[&str]| CertificateKey::new(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
        for other in [&["ab", ""][..], &["a"], &["b", "a"], &["a", "b", ""]] {
            assert_ne!(key(&["a", "b"]), key(other));
        }
    }
}

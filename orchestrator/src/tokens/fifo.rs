//! The FIFO that one child reads its tokens from.
//!
//! Each child has its own FIFO, because a byte carries no owner: a byte that was put into this
//! FIFO, and is neither in it nor taken back, is held by this child or lost with it.
//!
//! The FIFO has a capacity of two pages. That is enough, and a thousand children do not exhaust the
//! user's limit of pipe memory (pipe-user-pages-soft in pipe(7)). One page is not enough: the
//! kernel fills a page from front to back and reuses it only when it is empty. While one byte of an
//! offer is unread, a child that returns a token would block for ever once 4096 bytes were written
//! in all. With two pages, one is emptied while the other fills. If the system grants only one
//! page, `put` empties it before it writes, so at least our own writes succeed.

use super::port::{Pair, Port, Ports};
use crate::sys::directories;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};
use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The byte that stands for a token. Its value has no meaning: GNU make returns `+` whatever it
/// read.
const TOKEN: u8 = b'+';

/// The prefix of the names of private directories.
const PREFIX: &str = "tender-jobs-";

/// Bytes. Kernels with larger pages round up to one page, which then holds that many more bytes.
const PIPE_SIZE: usize = 2 * 4096;

/// The private directory of the FIFOs; removed when this is dropped. It is made with the first FIFO,
/// because a build with nothing to do needs none, and file systems take their time to make one.
#[derive(Debug)]
pub struct Fifos {
    places: Vec<PathBuf>,
    directory: Option<TempDir>,
    made: u32,
}

impl Fifos {
    /// The directory will be in the first of `places` that can hold one, for the caller's user alone.
    ///
    /// A place is skipped if its path has a blank or is not UTF-8, because every client splits
    /// MAKEFLAGS at blanks, and if its file system does not support FIFOs.
    pub fn new(places: impl IntoIterator<Item = PathBuf>) -> Fifos {
        Fifos { places: places.into_iter().collect(), directory: None, made: 0 }
    }

    /// Makes the directory, and a FIFO in it.
    ///
    /// # Errors
    /// No place can hold it; the error is that of the last place.
    fn first(&mut self) -> io::Result<Fifo> {
        let mut why = io::Error::new(
            io::ErrorKind::NotFound,
            "no directory is known for the jobserver's FIFOs",
        );
        for place in &self.places {
            match in_place(place) {
                Ok((directory, fifo)) => {
                    self.directory = Some(directory);
                    self.made = 1;
                    return Ok(fifo);
                }
                Err(error) => {
                    why = io::Error::new(error.kind(), format!("{}: {error}", place.display()));
                }
            }
        }
        Err(why)
    }

    /// `state_dir`, else the runtime directory of the user, else the system's temporary directory.
    ///
    /// `state_dir` comes first because only one build uses it at a time. So directories in it are
    /// known to be left by killed builds: see [`Fifos::remove_stale`].
    pub fn usual_places(state_dir: PathBuf) -> impl Iterator<Item = PathBuf> {
        std::iter::once(state_dir).chain(Fifos::places_of_user())
    }

    /// The runtime directory of the user, else directories that all programs may use. TMPDIR is
    /// among them and may be unusable, so others follow it.
    pub fn places_of_user() -> impl Iterator<Item = PathBuf> {
        let for_all = [directories::temporary(), "/tmp".into(), "/dev/shm".into()];
        directories::runtime().into_iter().chain(for_all)
    }

    /// Removes the directories of builds that were killed. The caller holds the lock of
    /// `state_dir`.
    pub fn remove_stale(state_dir: &Path) {
        for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                // Our own directory gets a new name, so a stale one does no harm.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn in_place(place: &Path) -> io::Result<(TempDir, Fifo)> {
    let clean = place.to_str().is_some_and(|path| !path.contains(char::is_whitespace));
    if !clean || !place.is_absolute() {
        let why = "a jobserver's path must be absolute, UTF-8, and without blanks";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let for_us_alone = Permissions::from_mode(0o700);
    let directory =
        tempfile::Builder::new().prefix(PREFIX).permissions(for_us_alone).tempdir_in(place)?;
    let fifo = Fifo::create(path_in(&directory, 0))?;
    Ok((directory, fifo))
}

/// The path of the FIFO of this number.
fn path_in(directory: &TempDir, number: u32) -> String {
    format!("{}/{number}", directory.path().display())
}

impl Ports for Fifos {
    type Port = Fifo;

    fn make(&mut self) -> io::Result<Fifo> {
        let Some(directory) = &self.directory else { return self.first() };
        let path = path_in(directory, self.made);
        self.made += 1;
        Fifo::create(path)
    }
}

/// One FIFO, removed when it is dropped. An edge-triggered epoll reports its descriptor readable
/// when the child returns a byte, and when we put some. That the child takes a byte causes no
/// event; it is only found by counting.
#[derive(Debug)]
pub struct Fifo {
    /// UTF-8, because the directory's path is: see [`Fifos::new`].
    path: String,
    ends: OwnedFd,
    /// Bytes.
    capacity: u32,
    /// Bytes that were read to empty the page and did not fit again, because the child wrote at
    /// that moment. Otherwise 0.
    set_aside: u32,
}

impl Fifo {
    fn create(path: String) -> io::Result<Fifo> {
        mkfifoat(CWD, path.as_str(), Mode::RUSR | Mode::WUSR)?;
        // Opened for both directions, so that opening does not wait for the child and no reader
        // ever reads the end of file. O_NONBLOCK affects this open file description only: the child
        // opens its own.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let ends = open(path.as_str(), flags, Mode::empty()).inspect_err(|_| remove(&path))?;
        // A FIFO of the default size works as well, with more memory.
        let capacity = fcntl_setpipe_size(&ends, PIPE_SIZE).or_else(|_| fcntl_getpipe_size(&ends));
        Ok(Fifo { path, ends, capacity: capacity.unwrap_or(PIPE_SIZE) as u32, set_aside: 0 })
    }

    fn in_pipe(&self) -> io::Result<u32> {
        Ok(ioctl_fionread(&self.ends)? as u32)
    }

    /// Writes until all bytes are written or the page is full. Returns how many were written.
    fn write(&self, tokens: u32) -> io::Result<u32> {
        let bytes = [TOKEN; PIPE_SIZE];
        let mut written = 0;
        let mut chunk = bytes.len();
        while written < tokens {
            chunk = chunk.min((tokens - written) as usize);
            match write(&self.ends, &bytes[..chunk]) {
                Ok(n) => written += n as u32,
                Err(Errno::INTR) => {}
                // Writes of up to PIPE_BUF bytes are atomic, so a smaller one may still fit.
                Err(Errno::AGAIN) if chunk > 1 => chunk /= 2,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }

    fn read(&self, tokens: u32) -> io::Result<u32> {
        let mut bytes = [0; PIPE_SIZE];
        let mut taken = 0;
        while taken < tokens {
            let wanted = bytes.len().min((tokens - taken) as usize);
            match read(&self.ends, &mut bytes[..wanted]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(n) => taken += n as u32,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(taken)
    }
}

impl Port for Fifo {
    fn path(&self) -> &str {
        &self.path
    }

    fn open_pair(&self) -> io::Result<Pair> {
        // Neither open(2) waits for the other end, because we hold both.
        let read = open(self.path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let write = open(self.path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Pair { read, write })
    }

    fn unread(&self) -> io::Result<u32> {
        Ok(self.in_pipe()? + self.set_aside)
    }

    fn put(&mut self, tokens: u32) -> io::Result<u32> {
        let mut goal = self.set_aside + tokens;
        let mut written = self.write(goal)?;
        if written < goal && self.in_pipe()? < self.capacity {
            // The page is used up but not full: it is emptied, and the bytes are written again.
            goal += self.read(u32::MAX)?;
            written += self.write(goal - written)?;
        }
        let missing = goal - written;
        let accepted = tokens.saturating_sub(missing);
        self.set_aside = missing - (tokens - accepted);
        Ok(accepted)
    }

    fn take_back(&mut self, tokens: u32) -> io::Result<u32> {
        let from_aside = tokens.min(self.set_aside);
        self.set_aside -= from_aside;
        Ok(from_aside + self.read(tokens - from_aside)?)
    }
}

impl AsFd for Fifo {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ends.as_fd()
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Failure is ignored: the directory with all FIFOs is removed at the end.
fn remove(path: &str) {
    let _ = std::fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{ChildId, WorkerId};
    use rustix::event::{PollFd, PollFlags, poll};
    use std::os::unix::fs::FileTypeExt;
    use std::sync::mpsc;
    use tender_jobclient::{FromEnv, Pool};

    fn fifos() -> Fifos {
        Fifos::new([directories::temporary()])
    }

    /// A client's own open file description of the FIFO.
    fn client(fifo: &Fifo) -> OwnedFd {
        open(fifo.path.as_str(), OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap()
    }

    #[test]
    fn fifo_is_private_and_removed_when_dropped() {
        let mut fifos = fifos();
        let fifo = fifos.make().unwrap();
        let path = PathBuf::from(&fifo.path);
        let directory = path.parent().unwrap().to_owned();
        let metadata = std::fs::metadata(&path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fifo.path(), path.to_str().unwrap());
        drop(fifo);
        assert!(!path.exists());
        drop(fifos);
        assert!(!directory.exists());
    }

    #[test]
    fn fifos_make_their_directory_with_the_first_of_them() {
        let place = tempfile::tempdir().unwrap();
        let entries = || std::fs::read_dir(place.path()).unwrap().count();
        let mut fifos = Fifos::new([place.path().to_owned()]);
        assert_eq!(entries(), 0);
        let (one, two) = (fifos.make().unwrap(), fifos.make().unwrap());
        assert_ne!(one.path(), two.path());
        assert_eq!(entries(), 1);
        drop((one, two, fifos));
        assert_eq!(entries(), 0);
    }

    #[test]
    fn fifos_skip_places_whose_path_no_client_can_parse() {
        let parent = tempfile::tempdir().unwrap();
        let with_blank = parent.path().join("with blank");
        std::fs::create_dir(&with_blank).unwrap();
        let missing = parent.path().join("missing");
        let mut fifos = Fifos::new([missing.clone(), with_blank.clone(), directories::temporary()]);
        let fifo = fifos.make().unwrap();
        assert!(Path::new(fifo.path()).starts_with(directories::temporary()));
        assert_eq!(std::fs::read_dir(&with_blank).unwrap().count(), 0);
        let why = Fifos::new([missing, with_blank]).make().unwrap_err().to_string();
        assert!(why.contains("with blank: a jobserver's path must be"), "{why}");
    }

    #[test]
    fn fifo_counts_and_takes_back_what_was_put() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        assert_eq!((fifo.put(5).unwrap(), fifo.unread().unwrap()), (5, 5));
        assert_eq!(read(client(&fifo), &mut [0; 2]).unwrap(), 2);
        assert_eq!((fifo.take_back(9).unwrap(), fifo.unread().unwrap()), (3, 0));
    }

    #[test]
    fn fifo_put_stops_when_the_pipe_is_full() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        let capacity = fifo.capacity;
        assert_eq!(fifo.put(70_000).unwrap(), capacity);
        assert_eq!(fifo.put(70_000).unwrap(), 0);
        assert_eq!(fifo.unread().unwrap(), capacity);
        assert_eq!(read(client(&fifo), &mut [0; 100]).unwrap(), 100);
        assert_eq!(fifo.put(70_000).unwrap(), 100);
        assert_eq!(fifo.take_back(70_000).unwrap(), capacity);
    }

    /// One client takes and returns tokens while an offer stands, the other takes only.
    #[test]
    fn fifo_that_is_never_empty_does_not_fill_up() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        let client = client(&fifo);
        for offer in [1, 64, 1024] {
            fifo.put(offer).unwrap();
            for turn in 0..20_000 {
                assert_eq!(read(&client, &mut [0]).unwrap(), 1);
                assert_eq!(write(&client, b"x"), Ok(1), "turn {turn} with {offer} on offer");
            }
            for turn in 0..20_000 {
                assert_eq!(fifo.put(1).unwrap(), 1, "turn {turn} with {offer} on offer");
                assert_eq!(read(&client, &mut [0]).unwrap(), 1);
            }
            assert_eq!(fifo.take_back(u32::MAX).unwrap(), offer);
        }
    }

    /// If the system grants only one page, at least our own writes succeed.
    #[test]
    fn fifo_of_a_single_page_is_emptied_before_put_refuses() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        fifo.capacity = fcntl_setpipe_size(&fifo.ends, 4096).unwrap() as u32;
        let client = client(&fifo);
        fifo.put(1).unwrap();
        // One unread byte blocks the page after a page of writes.
        let turns_of_the_kernel = (0..10_000).take_while(|_| {
            let written = fifo.write(1).unwrap();
            written == 1 && read(&client, &mut [0]).unwrap() == 1
        });
        assert!(turns_of_the_kernel.count() <= fifo.capacity as usize);
        for turn in 0..10_000 {
            assert_eq!(fifo.put(1).unwrap(), 1, "turn {turn}");
            assert_eq!(read(&client, &mut [0]).unwrap(), 1);
        }
        assert_eq!(fifo.unread().unwrap(), 1);
    }

    #[test]
    fn fifo_becomes_readable_when_a_byte_is_returned() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        let client = client(&fifo);
        fifo.put(1).unwrap();
        read(&client, &mut [0]).unwrap();
        write(&client, b"x").unwrap();
        assert_eq!(poll(&mut [PollFd::new(&fifo, PollFlags::IN)], None).unwrap(), 1);
        assert_eq!(fifo.take_back(1).unwrap(), 1);
    }

    /// The broker, a real FIFO and the `jobserver` crate: tokens are granted, used and returned.
    #[test]
    fn fifo_serves_a_client_of_the_jobserver_crate() {
        use crate::tokens::fake::settle;
        use crate::tokens::{Broker, ChildKind, Settled};
        let child = ChildId::Worker(WorkerId(0));
        let mut broker = Broker::new(4, fifos());
        let admission = broker.admit(child, ChildKind::Own, 4).unwrap();
        let makeflags = |name: &str| {
            let mut variables = admission.environment().into_iter();
            variables.find(|(variable, _)| *variable == name).map(|(_, value)| value.into())
        };
        let FromEnv::Inherited(pool) = Pool::from_env(&makeflags) else { panic!("no pool") };
        let (arrivals, arrived) = mpsc::channel();
        let (client, _slot) = pool.start(move |token| drop(arrivals.send(token.unwrap()))).unwrap();

        client.request(3);
        settle(&mut broker, &[(child, 2)]);
        let tokens = [arrived.recv().unwrap(), arrived.recv().unwrap()];
        assert_eq!((broker.held(child).unwrap(), broker.free()), (2, 1));

        // The third request is cancelled. A token that reaches it nevertheless is returned by the
        // client.
        client.request(0);
        settle(&mut broker, &[(child, 3)]);
        assert_eq!(broker.free(), 0);
        drop(tokens);
        while broker.free() < 3 {
            let mut watched = [PollFd::new(broker.port(child).unwrap(), PollFlags::IN)];
            poll(&mut watched, None).unwrap();
            assert_eq!(settle(&mut broker, &[]), []);
        }
        drop(client);
        assert_eq!(broker.remove(child), Settled::default());
        assert_eq!(broker.free(), 4);
    }

    #[test]
    fn fifo_is_refilled_when_more_tokens_are_wanted_than_it_holds() {
        use crate::tokens::fake::settle;
        use crate::tokens::{Broker, ChildKind};
        let (n, child) = (70_000, ChildId::Worker(WorkerId(0)));
        let mut broker = Broker::new(n, fifos());
        broker.admit(child, ChildKind::Own, 4).unwrap();
        let client = client(broker.port(child).unwrap());
        let mut held = 0;
        while broker.free() > 0 {
            assert_eq!(settle(&mut broker, &[(child, n - 1)]), []);
            held += read(&client, &mut [0; PIPE_SIZE]).unwrap() as u32;
            assert_eq!(broker.held(child).unwrap(), held);
        }
        assert_eq!(broker.remove(child).held_lost, held);
        assert_eq!(broker.free(), n);
    }
}

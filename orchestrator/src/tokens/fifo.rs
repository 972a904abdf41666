//! The FIFO that one child reads its tokens from.
//!
//! A FIFO per child, and not one for all, because a byte has no owner: what was put into this FIFO
//! and is neither in it nor taken back is held by this child or lost with it.
//!
//! The FIFO is two pages long. That is enough, and a thousand children do not use up the user's
//! share of pipe memory. One page would be a trap, though it would tell when its last byte is
//! taken: the kernel fills a page from front to back and starts again only when it was empty, so
//! that after 4096 bytes written in all a child that returns a token would wait for ever, although
//! a single byte of an offer is unread. Two pages are emptied in turn. Where the system gives us
//! only one, `put` at least empties it first.

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

/// What a token looks like. Clients may return another byte (GNU make writes `+` whatever it read),
/// so it means nothing.
const TOKEN: u8 = b'+';

/// How the names of private directories begin.
const PREFIX: &str = "tender-jobs-";

/// Bytes. Kernels with larger pages round up, and then have one page, which holds as many times
/// more.
const PIPE_SIZE: usize = 2 * 4096;

/// The private directory that the FIFOs lie in; it goes when this is dropped.
#[derive(Debug)]
pub struct Fifos {
    directory: TempDir,
    made: u32,
}

impl Fifos {
    /// Makes the directory in the first of `places` that can hold one, for the caller's user alone.
    ///
    /// A place is passed over if its path has a blank or is not UTF-8, because every client splits
    /// MAKEFLAGS at blanks, or if its file system has no FIFOs.
    ///
    /// # Errors
    /// No place can hold it; the error is that of the last place.
    pub fn new(places: impl IntoIterator<Item = PathBuf>) -> io::Result<Fifos> {
        let mut why = io::Error::new(io::ErrorKind::NotFound, "no place for the jobserver's FIFOs");
        for place in places {
            match Fifos::in_place(&place) {
                Ok(fifos) => return Ok(fifos),
                Err(error) => {
                    why = io::Error::new(error.kind(), format!("{}: {error}", place.display()));
                }
            }
        }
        Err(why)
    }

    /// `state_dir`, else the runtime directory of the user, else the system's temporary directory.
    ///
    /// `state_dir` comes first because only one build uses it at a time, so that what a killed
    /// build left there is known to be nobody's: see [`Fifos::remove_left`].
    pub fn usual_places(state_dir: PathBuf) -> impl Iterator<Item = PathBuf> {
        std::iter::once(state_dir).chain(Fifos::places_of_user())
    }

    /// The runtime directory of the user, else where any program may have files. The user chooses
    /// the first of those too, perhaps badly.
    pub fn places_of_user() -> impl Iterator<Item = PathBuf> {
        let for_all = [directories::temporary(), "/tmp".into(), "/dev/shm".into()];
        directories::runtime().into_iter().chain(for_all)
    }

    /// Removes the directories of builds that were killed. The caller holds the lock of
    /// `state_dir`.
    pub fn remove_left(state_dir: &Path) {
        for entry in std::fs::read_dir(state_dir).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
                // What cannot be removed is in nobody's way.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    fn in_place(place: &Path) -> io::Result<Fifos> {
        let clean = place.to_str().is_some_and(|path| !path.contains(char::is_whitespace));
        if !clean || !place.is_absolute() {
            let why = "a jobserver's path must be absolute, of UTF-8, and without blanks";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let for_us_alone = Permissions::from_mode(0o700);
        let directory =
            tempfile::Builder::new().prefix(PREFIX).permissions(for_us_alone).tempdir_in(place)?;
        let mut fifos = Fifos { directory, made: 0 };
        fifos.make().map(|_probe| fifos)
    }
}

impl Ports for Fifos {
    type Port = Fifo;

    fn make(&mut self) -> io::Result<Fifo> {
        let path = format!("{}/{}", self.directory.path().display(), self.made);
        self.made += 1;
        Fifo::create(path)
    }
}

/// One FIFO, removed when it is dropped. As a descriptor it is edge-triggered for input whenever
/// the child returns a byte, and also when we put some. That it takes one cannot be seen but by
/// counting.
#[derive(Debug)]
pub struct Fifo {
    /// UTF-8: the directory's is, see [`Fifos::new`].
    path: String,
    ends: OwnedFd,
    /// Bytes.
    capacity: u32,
    /// Bytes that were read to empty the page and did not fit again. Never seen unless the child
    /// writes at that moment.
    set_aside: u32,
}

impl Fifo {
    fn create(path: String) -> io::Result<Fifo> {
        mkfifoat(CWD, path.as_str(), Mode::RUSR | Mode::WUSR)?;
        // Both ends, so that opening does not wait for the child and no reader ever sees the end of
        // file. O_NONBLOCK belongs to this description alone: the child opens its own.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let ends = open(path.as_str(), flags, Mode::empty()).inspect_err(|_| remove(&path))?;
        // A FIFO of the usual size works as well; it only costs more memory.
        let capacity = fcntl_setpipe_size(&ends, PIPE_SIZE).or_else(|_| fcntl_getpipe_size(&ends));
        Ok(Fifo { path, ends, capacity: capacity.unwrap_or(PIPE_SIZE) as u32, set_aside: 0 })
    }

    fn in_pipe(&self) -> io::Result<u32> {
        Ok(ioctl_fionread(&self.ends)? as u32)
    }

    /// Writes until nothing is left or the page is full.
    fn write(&self, tokens: u32) -> io::Result<u32> {
        let bytes = [TOKEN; PIPE_SIZE];
        let mut written = 0;
        let mut chunk = bytes.len();
        while written < tokens {
            chunk = chunk.min((tokens - written) as usize);
            match write(&self.ends, &bytes[..chunk]) {
                Ok(n) => written += n as u32,
                Err(Errno::INTR) => {}
                // A chunk of this size is written whole or not at all, so less of it may still fit.
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
        // Neither waits for the other end, because we hold both.
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
            // The page is used up but not full. What is taken out for this instant is written again
            // at once.
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

/// The directory goes at the end anyway, so that a failure leaves nothing behind that matters.
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
        Fifos::new([directories::temporary()]).unwrap()
    }

    /// A client's own description of the FIFO.
    fn client(fifo: &Fifo) -> OwnedFd {
        open(fifo.path.as_str(), OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap()
    }

    #[test]
    fn the_fifo_is_private_and_goes_with_its_owner() {
        let mut fifos = fifos();
        let fifo = fifos.make().unwrap();
        let (path, directory) = (fifo.path.clone(), fifos.directory.path().to_owned());
        let path = PathBuf::from(path);
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
    fn a_place_that_no_client_could_name_is_passed_over() {
        let parent = tempfile::tempdir().unwrap();
        let with_blank = parent.path().join("with blank");
        std::fs::create_dir(&with_blank).unwrap();
        let missing = parent.path().join("missing");
        let fifos =
            Fifos::new([missing.clone(), with_blank.clone(), directories::temporary()]).unwrap();
        assert!(fifos.directory.path().starts_with(directories::temporary()));
        assert_eq!(std::fs::read_dir(&with_blank).unwrap().count(), 0);
        let why = Fifos::new([missing, with_blank]).unwrap_err().to_string();
        assert!(why.contains("with blank: a jobserver's path must be"), "{why}");
    }

    #[test]
    fn what_is_put_in_can_be_counted_and_taken_back() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        assert_eq!((fifo.put(5).unwrap(), fifo.unread().unwrap()), (5, 5));
        assert_eq!(read(client(&fifo), &mut [0; 2]).unwrap(), 2);
        assert_eq!((fifo.take_back(9).unwrap(), fifo.unread().unwrap()), (3, 0));
    }

    #[test]
    fn more_than_a_pipe_holds_is_put_in_part() {
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

    /// A client that takes and returns while an offer stands, and one that only takes what is put.
    #[test]
    fn a_fifo_that_is_never_empty_does_not_fill_up() {
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

    /// Where the system gives only one page, at least our own writes go on.
    #[test]
    fn a_single_page_is_emptied_before_it_refuses() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        fifo.capacity = fcntl_setpipe_size(&fifo.ends, 4096).unwrap() as u32;
        let client = client(&fifo);
        fifo.put(1).unwrap();
        // The trap is real: one unread byte blocks the page after a page of writes.
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
    fn a_returned_byte_wakes_the_host() {
        let mut fifos = fifos();
        let mut fifo = fifos.make().unwrap();
        let client = client(&fifo);
        fifo.put(1).unwrap();
        read(&client, &mut [0]).unwrap();
        write(&client, b"x").unwrap();
        assert_eq!(poll(&mut [PollFd::new(&fifo, PollFlags::IN)], None).unwrap(), 1);
        assert_eq!(fifo.take_back(1).unwrap(), 1);
    }

    /// The broker, a real FIFO and the `jobserver` crate: tokens go out, work, and come back.
    #[test]
    fn a_client_of_the_jobserver_crate_is_served() {
        use crate::tokens::fake::settle;
        use crate::tokens::{Broker, Kind, Settled};
        let child = ChildId::Worker(WorkerId(0));
        let mut broker = Broker::new(4, fifos());
        let admission = broker.admit(child, Kind::Own, 4).unwrap();
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

        // The third wish is withdrawn, and a token that reaches it nevertheless comes back by
        // itself.
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
    fn more_tokens_than_a_fifo_holds_are_fed_in_turns() {
        use crate::tokens::fake::settle;
        use crate::tokens::{Broker, Kind};
        let (n, child) = (70_000, ChildId::Worker(WorkerId(0)));
        let mut broker = Broker::new(n, fifos());
        broker.admit(child, Kind::Own, 4).unwrap();
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

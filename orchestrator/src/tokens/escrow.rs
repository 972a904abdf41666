//! The escrow pipes: pipes of ours that hold the tokens borrowed from a parent. Knows no account
//! and no processes.
//!
//! If we read a token and are then killed, it is lost to the parent. So tokens are not read:
//! splice(2) moves each from the parent's pipe into an escrow pipe, in one atomic step. The
//! watchdog has the read ends of the escrow pipes, and returns all tokens in them if we are killed.
//!
//! The watchdog returns tokens by read(2) and write(2), not by splice(2). A byte that is spliced
//! occupies a whole buffer of the pipe, of which a pipe has 16 by default. With spliced bytes the
//! parent's pipe would be full soon, and its other clients would block when they return tokens.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use std::io;
use std::time::{Duration, Instant};

/// The largest pipe without privileges (pipe-max-size), bytes. It has a buffer for each page.
const PIPE_SIZE: usize = 1 << 20;
const PAGE: usize = 4096;

/// The most escrow pipes: room for 4096 tokens.
pub const MOST_PIPES: usize = 16;

/// How many tokens are returned at a time: less than PIPE_BUF, so that a write is atomic.
const CHUNK: usize = 256;

/// How long to wait for room in the parent's pipe. There is room, unless a client has written bytes
/// that it did not take.
pub const RETURN_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Escrow {
    pipes: Vec<Pipe>,
    room: u32,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// The result of an attempt to take a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Token,
    /// The pool has no token now, or the escrow pipes are full.
    Nothing,
    /// All write ends of the pool are closed.
    Closed,
}

impl Escrow {
    /// Creates escrow pipes for about `tokens`.
    ///
    /// # Errors
    /// No pipe can be created, or splice(2) does not work.
    pub fn new(tokens: u32) -> io::Result<Escrow> {
        Escrow::with_pipes_of(PIPE_SIZE, tokens)
    }

    /// As `new`, with pipes of `bytes` each.
    ///
    /// # Errors
    /// As `new`.
    pub(super) fn with_pipes_of(bytes: usize, tokens: u32) -> io::Result<Escrow> {
        let mut pipes = vec![Pipe::new(bytes)?];
        // Other pipes are as large as the first.
        let slots = fcntl_getpipe_size(&pipes[0].read)? / PAGE;
        let needed = (tokens as usize).div_ceil(slots.max(1)).min(MOST_PIPES);
        while pipes.len() < needed {
            pipes.push(Pipe::new(bytes)?);
        }
        let room = (slots * pipes.len()) as u32;
        let escrow = Escrow { pipes, room };
        escrow.probe()?;
        Ok(escrow)
    }

    /// Checks that splice(2) works: some sandboxes forbid it.
    fn probe(&self) -> io::Result<()> {
        let (from, to_from) = pipe_with(PipeFlags::CLOEXEC)?;
        write(&to_from, b"+")?;
        let taken = self.take(from.as_fd())?;
        let back =
            give_back(&self.readers().collect::<Vec<_>>(), to_from.as_fd(), 1, RETURN_TIMEOUT);
        if (taken, back) == (Taken::Token, 1) {
            Ok(())
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Moves one token from the pool into an escrow pipe, if the pool has one. The pool's open file
    /// description may be shared with other processes: its flags are neither used nor changed.
    ///
    /// # Errors
    /// Those of splice(2).
    pub fn take(&self, pool: BorrowedFd<'_>) -> io::Result<Taken> {
        for pipe in &self.pipes {
            loop {
                match splice(pool, None, &pipe.write, None, 1, SpliceFlags::NONBLOCK) {
                    Ok(0) => return Ok(Taken::Closed),
                    Ok(_) => return Ok(Taken::Token),
                    Err(Errno::INTR) => {}
                    // The pool is empty, or this pipe is full.
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Taken::Nothing)
    }

    /// How many tokens fit at most.
    pub fn room(&self) -> u32 {
        self.room
    }

    /// How many tokens are in the pipes now: borrowed, or not yet returned.
    pub fn count(&self) -> u32 {
        // FIONREAD does not fail on a pipe.
        let unread = |pipe: &Pipe| ioctl_fionread(&pipe.read).map_or(0, |bytes| bytes as u32);
        self.pipes.iter().map(unread).sum()
    }

    /// Whether the pipes have no room. Each token occupies a buffer of a pipe.
    pub fn is_full(&self) -> bool {
        self.count() >= self.room
    }

    /// Becomes writable when tokens of full escrow pipes are returned, since the first pipe is
    /// emptied first.
    pub fn first_writer(&self) -> BorrowedFd<'_> {
        self.pipes[0].write.as_fd()
    }

    /// The read ends, for the process that returns tokens.
    pub fn readers(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|pipe| pipe.read.as_fd())
    }
}

impl Pipe {
    fn new(bytes: usize) -> io::Result<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Failure is ignored: a smaller pipe has less room, and works as well.
        let _ = fcntl_setpipe_size(&write, bytes);
        Ok(Pipe { read, write })
    }
}

/// Reopens the write end of a pipe with O_NONBLOCK, so that the shared open file description is not
/// changed. Returns `write` itself if it cannot be reopened.
pub fn never_blocking(write: OwnedFd) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", write.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).unwrap_or(write)
}

/// Returns up to `tokens` from the escrow pipes to the pool. Returns how many: fewer if the pool
/// has no room within `timeout`, or is closed. The others stay in the escrow pipes. Does not
/// allocate, since the watchdog may be forked from a process with threads.
pub fn give_back(
    escrow: &[BorrowedFd<'_>],
    pool: BorrowedFd<'_>,
    tokens: u32,
    timeout: Duration,
) -> u32 {
    let start = Instant::now();
    let mut bytes = [0; CHUNK];
    let mut given = 0;
    for pipe in escrow {
        while given < tokens
            && has_any(pipe)
            && has_room(pool, timeout.saturating_sub(start.elapsed()))
        {
            let most = CHUNK.min((tokens - given) as usize);
            match read(pipe, &mut bytes[..most]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => given += put(pool, &bytes[..count], start, timeout),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
    given
}

/// Returns how many bytes were written: fewer only if the pool is closed, or another client has
/// filled it meanwhile.
fn put(pool: BorrowedFd<'_>, bytes: &[u8], start: Instant, timeout: Duration) -> u32 {
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(pool, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if has_room(pool, timeout.saturating_sub(start.elapsed())) => {}
            Err(_) => break,
        }
    }
    (bytes.len() - rest.len()) as u32
}

fn has_any(pipe: &BorrowedFd<'_>) -> bool {
    ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 0)
}

/// Waits until the pipe has room for a chunk, at most `timeout`. Also true if all readers are
/// closed: then the write fails.
fn has_room(pool: BorrowedFd<'_>, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).unwrap_or_default();
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(pool, PollFlags::OUT)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            other => return other.is_ok_and(|ready| ready > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(tokens: &[u8]) -> (OwnedFd, OwnedFd) {
        let (read, to_it) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        write(&to_it, tokens).unwrap();
        (read, to_it)
    }

    fn unread(pool: &OwnedFd) -> u64 {
        rustix::io::ioctl_fionread(pool).unwrap()
    }

    #[test]
    fn escrow_takes_and_returns_tokens_unchanged() {
        let escrow = Escrow::new(4).unwrap();
        let (pool, to_pool) = pool(b"abc");
        for left in [2, 1, 0] {
            assert_eq!((escrow.take(pool.as_fd()).unwrap(), unread(&pool)), (Taken::Token, left));
        }
        // The pool has no O_NONBLOCK, and splice does not block.
        assert_eq!(escrow.take(pool.as_fd()).unwrap(), Taken::Nothing);
        let readers: Vec<_> = escrow.readers().collect();
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, RETURN_TIMEOUT), 2);
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, RETURN_TIMEOUT), 1);
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, RETURN_TIMEOUT), 0);
        let mut bytes = [0; 4];
        assert_eq!((read(&pool, &mut bytes).unwrap(), &bytes[..3]), (3, &b"abc"[..]));
    }

    #[test]
    fn escrow_reports_a_pool_without_writers_as_closed() {
        let escrow = Escrow::new(4).unwrap();
        let (pool, to_pool) = pool(b"");
        drop(to_pool);
        assert_eq!(escrow.take(pool.as_fd()).unwrap(), Taken::Closed);
    }

    #[test]
    fn escrow_has_room_for_many_tokens() {
        let tokens = 1000;
        let escrow = Escrow::new(tokens).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 1000]);
        let mut taken = 0;
        while escrow.take(pool.as_fd()).unwrap() == Taken::Token {
            taken += 1;
        }
        assert_eq!(taken, tokens);
        let readers: Vec<_> = escrow.readers().collect();
        assert_eq!(
            (give_back(&readers, to_pool.as_fd(), u32::MAX, RETURN_TIMEOUT), unread(&pool)),
            (tokens, 1000)
        );
    }

    #[test]
    fn escrow_that_is_full_leaves_tokens_in_the_pool() {
        let escrow = Escrow::new(100_000).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 5000]);
        let mut taken = 0;
        while escrow.take(pool.as_fd()).unwrap() == Taken::Token {
            taken += 1;
        }
        assert!(taken == escrow.room() && taken <= 4096, "{taken}");
        assert_eq!(unread(&pool), 5000 - u64::from(taken));
        let readers: Vec<_> = escrow.readers().collect();
        assert_eq!(
            (give_back(&readers, to_pool.as_fd(), u32::MAX, RETURN_TIMEOUT), unread(&pool)),
            (taken, 5000)
        );
    }

    /// GNU make's pipe has 16 buffers, and its clients must not block when they return tokens.
    #[test]
    fn escrow_returns_tokens_without_filling_the_pool() {
        let escrow = Escrow::new(40).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 40]);
        let readers: Vec<_> = escrow.readers().collect();
        for _ in 0..10_000 {
            assert_eq!(escrow.take(pool.as_fd()).unwrap(), Taken::Token);
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, RETURN_TIMEOUT), 1);
        }
        assert_eq!(unread(&pool), 40);
    }

    /// As if a client had filled the pool with bytes that it did not take.
    #[test]
    fn escrow_waits_for_room_in_the_pool_for_a_limited_time() {
        for is_ours in [false, true] {
            let escrow = Escrow::new(4).unwrap();
            let (pool, to_pool) = pool(b"a");
            assert_eq!(escrow.take(pool.as_fd()).unwrap(), Taken::Token);
            fcntl_setpipe_size(&to_pool, PAGE).unwrap();
            write(&to_pool, &[b'+'; PAGE]).unwrap();
            // The shared open file description blocks.
            let to_pool = if is_ours { never_blocking(to_pool) } else { to_pool };
            let readers: Vec<_> = escrow.readers().collect();
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, Duration::ZERO), 0);
            assert_eq!((escrow.count(), unread(&pool)), (1, PAGE as u64));
            read(&pool, &mut [0; PAGE]).unwrap();
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, RETURN_TIMEOUT), 1);
            assert_eq!((escrow.count(), unread(&pool)), (0, 1));
        }
    }
}

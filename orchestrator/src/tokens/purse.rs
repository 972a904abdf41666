//! Where tokens of a parent's pool lie while they are lent to us: in a pipe of our own. Knows no
//! account and no processes.
//!
//! A byte that is read is lost if its reader is killed before it has told anybody. So none is read:
//! splice(2) moves it from the parent's pipe into the purse, in one step that is done or not done.
//! Whoever holds the other end of the purse, which is the watchdog, can give back all that is in
//! it, whatever becomes of us.
//!
//! The way back is a read and a write, by the watchdog, because a byte that is moved takes a whole
//! slot of a pipe, of which most have 16, and a client that wants to return a token of its own must
//! not find the parent's pipe full.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, ioctl_fionread, read, write};
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use std::io;
use std::time::{Duration, Instant};

/// What a user may have without privileges (pipe-max-size), bytes; a slot for each page.
const PIPE_SIZE: usize = 1 << 20;
const PAGE: usize = 4096;

/// Pipes of a purse, at most: room for 4096 tokens.
pub const MOST_PIPES: usize = 16;

/// Tokens that are given back at a time: fewer than PIPE_BUF, so that they are written all or none.
const CHUNK: usize = 256;

/// How long room in the parent's pipe is waited for. There always is some, unless somebody has
/// filled it with what is not theirs.
pub const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Purse {
    pipes: Vec<Pipe>,
    room: u32,
}

#[derive(Debug)]
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

/// What a pool had to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Token,
    /// None now, or the purse is full.
    Nothing,
    /// Nobody can put one in any more.
    Closed,
}

impl Purse {
    /// A purse for about `tokens`.
    ///
    /// # Errors
    /// The system has no pipe for us, or cannot move bytes between two.
    pub fn new(tokens: u32) -> io::Result<Purse> {
        Purse::with_pipes_of(PIPE_SIZE, tokens)
    }

    /// As `new`, with pipes of `bytes` each.
    ///
    /// # Errors
    /// As `new`.
    pub(super) fn with_pipes_of(bytes: usize, tokens: u32) -> io::Result<Purse> {
        let mut pipes = vec![Pipe::new(bytes)?];
        // Other pipes are as large as the first.
        let slots = fcntl_getpipe_size(&pipes[0].read)? / PAGE;
        let needed = (tokens as usize).div_ceil(slots.max(1)).min(MOST_PIPES);
        while pipes.len() < needed {
            pipes.push(Pipe::new(bytes)?);
        }
        let room = (slots * pipes.len()) as u32;
        let purse = Purse { pipes, room };
        purse.probe()?;
        Ok(purse)
    }

    /// Some sandboxes have no splice(2).
    fn probe(&self) -> io::Result<()> {
        let (from, to_from) = pipe_with(PipeFlags::CLOEXEC)?;
        write(&to_from, b"+")?;
        let taken = self.take(from.as_fd())?;
        let back = give_back(&self.readers().collect::<Vec<_>>(), to_from.as_fd(), 1, PATIENCE);
        if (taken, back) == (Taken::Token, 1) {
            Ok(())
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Moves one token from the pool to here, if it has one. The pool's description may be
    /// anybody's: no flag of it is used or changed.
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
                    // Either end may be the reason.
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(Taken::Nothing)
    }

    /// How many tokens it holds at most.
    pub fn room(&self) -> u32 {
        self.room
    }

    /// How many lie in it now: held, or not yet given back.
    pub fn left(&self) -> u32 {
        // It cannot fail on a pipe.
        let unread = |pipe: &Pipe| ioctl_fionread(&pipe.read).map_or(0, |bytes| bytes as u32);
        self.pipes.iter().map(unread).sum()
    }

    /// Whether no more can be taken. Each takes a slot of a pipe to itself.
    pub fn is_full(&self) -> bool {
        self.left() >= self.room
    }

    /// Becomes writable when one of a full purse is given back, which is done from its first pipe
    /// on.
    pub fn first_writer(&self) -> BorrowedFd<'_> {
        self.pipes[0].write.as_fd()
    }

    /// The ends that tokens are given back from.
    pub fn readers(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|pipe| pipe.read.as_fd())
    }
}

impl Pipe {
    fn new(bytes: usize) -> io::Result<Pipe> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one has less room, and works as well.
        let _ = fcntl_setpipe_size(&write, bytes);
        Ok(Pipe { read, write })
    }
}

/// The write end of a pipe on a description of our own that does not block, where the system lets
/// us open one; else as it is. What others share is left as it is.
pub fn never_blocking(write: OwnedFd) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", write.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open(path.as_str(), flags, Mode::empty()).unwrap_or(write)
}

/// Gives back up to `tokens` of what lies in a purse, and returns how many: fewer if the pool has
/// no room for so long, or is gone. What finds no room stays in the purse. Allocates nothing: for a
/// process that was forked off one with threads.
pub fn give_back(
    purse: &[BorrowedFd<'_>],
    pool: BorrowedFd<'_>,
    tokens: u32,
    patience: Duration,
) -> u32 {
    let start = Instant::now();
    let mut bytes = [0; CHUNK];
    let mut given = 0;
    for pipe in purse {
        while given < tokens
            && has_any(pipe)
            && has_room(pool, patience.saturating_sub(start.elapsed()))
        {
            let most = CHUNK.min((tokens - given) as usize);
            match read(pipe, &mut bytes[..most]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => given += put(pool, &bytes[..count], start, patience),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
    }
    given
}

/// Returns how many were written: fewer only if the pool is gone, or somebody has used up its room
/// just now, and nobody makes any.
fn put(pool: BorrowedFd<'_>, bytes: &[u8], start: Instant, patience: Duration) -> u32 {
    let mut rest = bytes;
    while !rest.is_empty() {
        match write(pool, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if has_room(pool, patience.saturating_sub(start.elapsed())) => {}
            Err(_) => break,
        }
    }
    (bytes.len() - rest.len()) as u32
}

fn has_any(pipe: &BorrowedFd<'_>) -> bool {
    ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 0)
}

/// Waits so long until the pipe takes a chunk. One that is gone takes anything, and says so.
fn has_room(pool: BorrowedFd<'_>, patience: Duration) -> bool {
    let patience = Timespec::try_from(patience).unwrap_or_default();
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(pool, PollFlags::OUT)], Some(&patience)) {
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
    fn tokens_are_moved_and_given_back_as_they_were() {
        let purse = Purse::new(4).unwrap();
        let (pool, to_pool) = pool(b"abc");
        for left in [2, 1, 0] {
            assert_eq!((purse.take(pool.as_fd()).unwrap(), unread(&pool)), (Taken::Token, left));
        }
        // The description has no O_NONBLOCK, and nothing waits.
        assert_eq!(purse.take(pool.as_fd()).unwrap(), Taken::Nothing);
        let readers: Vec<_> = purse.readers().collect();
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, PATIENCE), 2);
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, PATIENCE), 1);
        assert_eq!(give_back(&readers, to_pool.as_fd(), 2, PATIENCE), 0);
        let mut bytes = [0; 4];
        assert_eq!((read(&pool, &mut bytes).unwrap(), &bytes[..3]), (3, &b"abc"[..]));
    }

    #[test]
    fn a_pool_without_writers_is_closed() {
        let purse = Purse::new(4).unwrap();
        let (pool, to_pool) = pool(b"");
        drop(to_pool);
        assert_eq!(purse.take(pool.as_fd()).unwrap(), Taken::Closed);
    }

    #[test]
    fn many_tokens_have_room() {
        let tokens = 1000;
        let purse = Purse::new(tokens).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 1000]);
        let mut taken = 0;
        while purse.take(pool.as_fd()).unwrap() == Taken::Token {
            taken += 1;
        }
        assert_eq!(taken, tokens);
        let readers: Vec<_> = purse.readers().collect();
        assert_eq!(
            (give_back(&readers, to_pool.as_fd(), u32::MAX, PATIENCE), unread(&pool)),
            (tokens, 1000)
        );
    }

    #[test]
    fn there_is_room_for_so_many_and_the_rest_stays_in_the_pool() {
        let purse = Purse::new(100_000).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 5000]);
        let mut taken = 0;
        while purse.take(pool.as_fd()).unwrap() == Taken::Token {
            taken += 1;
        }
        assert!(taken == purse.room() && taken <= 4096, "{taken}");
        assert_eq!(unread(&pool), 5000 - u64::from(taken));
        let readers: Vec<_> = purse.readers().collect();
        assert_eq!(
            (give_back(&readers, to_pool.as_fd(), u32::MAX, PATIENCE), unread(&pool)),
            (taken, 5000)
        );
    }

    /// GNU make's pipe has 16 slots, and a client that returns a token to it may not be made to
    /// wait.
    #[test]
    fn what_is_given_back_takes_no_more_room_than_before() {
        let purse = Purse::new(40).unwrap();
        let (pool, to_pool) = pool(&[b'+'; 40]);
        let readers: Vec<_> = purse.readers().collect();
        for _ in 0..10_000 {
            assert_eq!(purse.take(pool.as_fd()).unwrap(), Taken::Token);
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, PATIENCE), 1);
        }
        assert_eq!(unread(&pool), 40);
    }

    /// As when a client has put in what is not its own.
    #[test]
    fn a_pool_without_room_is_not_waited_for_without_end() {
        for is_ours in [false, true] {
            let purse = Purse::new(4).unwrap();
            let (pool, to_pool) = pool(b"a");
            assert_eq!(purse.take(pool.as_fd()).unwrap(), Taken::Token);
            fcntl_setpipe_size(&to_pool, PAGE).unwrap();
            write(&to_pool, &[b'+'; PAGE]).unwrap();
            // The description that others share blocks.
            let to_pool = if is_ours { never_blocking(to_pool) } else { to_pool };
            let readers: Vec<_> = purse.readers().collect();
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, Duration::ZERO), 0);
            assert_eq!((purse.left(), unread(&pool)), (1, PAGE as u64));
            read(&pool, &mut [0; PAGE]).unwrap();
            assert_eq!(give_back(&readers, to_pool.as_fd(), 1, PATIENCE), 1);
            assert_eq!((purse.left(), unread(&pool)), (0, 1));
        }
    }
}

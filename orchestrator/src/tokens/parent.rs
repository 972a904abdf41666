//! The parent's jobserver as a lender: tokens are moved into our escrow pipes, and a descriptor
//! becomes readable when the parent's pool has tokens.

use super::device::DeviceLender;
use super::escrow::{Escrow, RETURN_TIMEOUT, Taken, give_back};
use super::pool::{Arrived, Lender};
use rustix::event::epoll;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use tender_jobclient::{Ends, ImplicitSlot, Pool};

/// Borrowed tokens are returned when this is dropped.
pub struct Parent(Connection);

enum Connection {
    Escrow(EscrowBorrower),
    /// For a pool that is no pipe, or a system without splice(2).
    Device(DeviceLender),
}

/// The process that returns tokens from the escrow pipes to the parent: the watchdog, which also
/// does it if we are killed.
pub trait Returner {
    /// Tells it to return this many tokens.
    ///
    /// # Errors
    /// The process has ended and returns nothing.
    fn give_back(&self, tokens: u32) -> io::Result<()>;
}

struct EscrowBorrower {
    ends: Ends,
    escrow: Escrow,
    returner: Box<dyn Returner>,
    /// An epoll descriptor, readable while what `awaits` names is available.
    ready: OwnedFd,
    awaits: Awaited,
    /// The escrow pipes have no room, because the watchdog has not emptied them yet.
    is_full: bool,
    requested: u32,
    held: u32,
    lost: bool,
    /// Counted in the account as its first slot.
    _slot: ImplicitSlot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Nothing,
    /// A token in the pool.
    Token,
    /// Room in the escrow pipes.
    Room,
}

impl Parent {
    /// Borrows through escrow pipes. `returner` has their read ends.
    ///
    /// # Errors
    /// No descriptor can be created.
    pub fn with_escrow(
        pool: Pool,
        ends: Ends,
        escrow: Escrow,
        returner: Box<dyn Returner>,
    ) -> io::Result<Parent> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let slot = pool.into_slot();
        Ok(Parent(Connection::Escrow(EscrowBorrower {
            ends,
            escrow,
            returner,
            ready,
            awaits: Awaited::Nothing,
            is_full: false,
            requested: 0,
            held: 0,
            lost: false,
            _slot: slot,
        })))
    }

    /// Borrows through the job client. Its tokens are lost if we are killed.
    ///
    /// # Errors
    /// No thread or descriptor can be created.
    pub fn with_waiter(pool: Pool) -> io::Result<Parent> {
        Ok(Parent(Connection::Device(DeviceLender::join(pool)?)))
    }

    /// How many tokens could not be returned. To be called when the returner has ended. Tries once
    /// more to return those that it has left.
    pub fn unreturned(&self) -> u32 {
        let Connection::Escrow(EscrowBorrower { escrow, ends, .. }) = &self.0 else { return 0 };
        if escrow.count() > 0 {
            let readers: Vec<BorrowedFd<'_>> = escrow.readers().collect();
            give_back(&readers, ends.write.as_fd(), u32::MAX, RETURN_TIMEOUT);
        }
        escrow.count()
    }

    /// Becomes readable when a token has arrived, or can be taken.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Connection::Escrow(borrower) => borrower.ready.as_fd(),
            Connection::Device(device) => device.as_fd(),
        }
    }
}

impl Lender for Parent {
    fn request(&mut self, tokens: u32) {
        match &mut self.0 {
            Connection::Escrow(borrower) => borrower.request(tokens),
            Connection::Device(device) => device.request(tokens),
        }
    }

    fn arrived(&mut self) -> Arrived {
        match &mut self.0 {
            Connection::Escrow(borrower) => borrower.take(),
            Connection::Device(device) => device.arrived(),
        }
    }

    fn give_back(&mut self, tokens: u32) {
        match &mut self.0 {
            Connection::Escrow(borrower) => borrower.give_back(tokens),
            Connection::Device(device) => device.give_back(tokens),
        }
    }
}

impl EscrowBorrower {
    fn request(&mut self, tokens: u32) {
        let room = if self.lost { 0 } else { self.escrow.room().saturating_sub(self.held) };
        self.requested = tokens.min(room);
        // Without a request we do not watch the pool: its other clients would wake us.
        let awaits = match self.requested {
            0 => Awaited::Nothing,
            _ if self.is_full => Awaited::Room,
            _ => Awaited::Token,
        };
        if awaits != self.awaits {
            // Watching a pipe fails only if the kernel lacks memory. Then tokens are noticed late,
            // with the next event.
            let _ = self.stop_watching(self.awaits).and_then(|()| self.watch(awaits));
            self.awaits = awaits;
        }
    }

    fn watch(&self, awaited: Awaited) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(0);
        match awaited {
            Awaited::Nothing => Ok(()),
            Awaited::Token => epoll::add(&self.ready, &self.ends.read, data, epoll::EventFlags::IN),
            Awaited::Room => {
                epoll::add(&self.ready, self.escrow.first_writer(), data, epoll::EventFlags::OUT)
            }
        }
    }

    fn stop_watching(&self, awaited: Awaited) -> rustix::io::Result<()> {
        match awaited {
            Awaited::Nothing => Ok(()),
            Awaited::Token => epoll::delete(&self.ready, &self.ends.read),
            Awaited::Room => epoll::delete(&self.ready, self.escrow.first_writer()),
        }
    }

    fn take(&mut self) -> Arrived {
        let mut arrived = Arrived::default();
        while self.requested > arrived.tokens {
            match self.escrow.take(self.ends.read.as_fd()) {
                Ok(Taken::Token) => arrived.tokens += 1,
                Ok(Taken::Nothing) => break,
                Ok(Taken::Closed) => {
                    arrived.lost = Some(io::ErrorKind::UnexpectedEof.into());
                    break;
                }
                Err(error) => {
                    arrived.lost = Some(error);
                    break;
                }
            }
        }
        self.held += arrived.tokens;
        self.lost |= arrived.lost.is_some();
        self.is_full = self.requested > arrived.tokens && self.escrow.is_full();
        self.request(self.requested - arrived.tokens);
        arrived
    }

    fn give_back(&mut self, tokens: u32) {
        let tokens = tokens.min(self.held);
        self.held -= tokens;
        if tokens > 0 && self.returner.give_back(tokens).is_err() {
            // The watchdog was killed.
            let readers: Vec<BorrowedFd<'_>> = self.escrow.readers().collect();
            give_back(&readers, self.ends.write.as_fd(), tokens, RETURN_TIMEOUT);
        }
    }
}

impl Drop for EscrowBorrower {
    fn drop(&mut self) {
        self.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::cell::Cell;
    use std::os::fd::AsRawFd;
    use std::rc::Rc;
    use tender_jobclient::FromEnv;

    struct Counting(Rc<Cell<u32>>);

    impl Returner for Counting {
        fn give_back(&self, tokens: u32) -> io::Result<()> {
            self.0.set(self.0.get() + tokens);
            Ok(())
        }
    }

    struct Gone;

    impl Returner for Gone {
        fn give_back(&self, _: u32) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// A parent with `tokens` in its pipe. The test has both ends of the pipe.
    fn parent(tokens: usize, returner: Box<dyn Returner>) -> (Parent, Ends) {
        parent_with(tokens, returner, Escrow::new(8).unwrap())
    }

    fn parent_with(tokens: usize, returner: Box<dyn Returner>, escrow: Escrow) -> (Parent, Ends) {
        let (read, write) = pipe_with(PipeFlags::empty()).unwrap();
        rustix::io::write(&write, &vec![b'+'; tokens]).unwrap();
        let flags = format!(" -j9 --jobserver-auth={},{}", read.as_raw_fd(), write.as_raw_fd());
        let env = |name: &str| (name == "MAKEFLAGS").then(|| flags.clone().into());
        let FromEnv::Inherited(pool) = Pool::from_env(&env) else { panic!("no pool") };
        let ends = pool.open_ends().unwrap().expect("it is a pipe");
        let parent = Parent::with_escrow(pool, ends, escrow, returner).unwrap();
        (parent, Ends { read, write })
    }

    fn is_ready(parent: &Parent) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(parent.as_fd(), PollFlags::IN)], Some(&now)).unwrap()
            > 0
    }

    fn unread(ends: &Ends) -> u64 {
        rustix::io::ioctl_fionread(&ends.read).unwrap()
    }

    #[test]
    fn parent_takes_only_requested_tokens() {
        let (mut parent, pool) = parent(3, Box::new(Counting(Rc::default())));
        assert!(!is_ready(&parent), "nothing is requested for");
        assert_eq!((parent.arrived().tokens, unread(&pool)), (0, 3));
        parent.request(2);
        assert!(is_ready(&parent));
        assert_eq!((parent.arrived().tokens, unread(&pool)), (2, 1));
        assert!(!is_ready(&parent), "all wishes are met");
        parent.request(2);
        assert_eq!((parent.arrived().tokens, unread(&pool)), (1, 0));
        assert!(!is_ready(&parent), "the pool is empty");
        rustix::io::write(&pool.write, b"+").unwrap();
        assert!(is_ready(&parent));
        parent.request(0);
        assert!(!is_ready(&parent), "a request is withdrawn at once");
        assert_eq!((parent.arrived().tokens, unread(&pool)), (0, 1));
    }

    #[test]
    fn parent_returns_borrowed_tokens_when_dropped() {
        let returned = Rc::new(Cell::new(0));
        let (mut parent, _pool) = parent(5, Box::new(Counting(Rc::clone(&returned))));
        parent.request(4);
        assert_eq!(parent.arrived().tokens, 4);
        parent.give_back(1);
        assert_eq!(returned.get(), 1);
        drop(parent);
        assert_eq!(returned.get(), 4);
    }

    #[test]
    fn parent_returns_tokens_itself_if_the_returner_is_gone() {
        let (mut parent, pool) = parent(3, Box::new(Gone));
        parent.request(3);
        parent.arrived();
        parent.give_back(1);
        assert_eq!(unread(&pool), 1);
        drop(parent);
        assert_eq!(unread(&pool), 3);
    }

    #[test]
    fn parent_reports_a_lost_pool_once() {
        let (mut parent, pool) = parent(0, Box::new(Gone));
        let Connection::Escrow(borrower) = &mut parent.0 else { panic!("it is a escrow") };
        // As if all writers had closed it.
        borrower.ends.write = rustix::io::fcntl_dupfd_cloexec(&pool.read, 3).unwrap();
        drop(pool);
        parent.request(1);
        assert!(is_ready(&parent));
        assert!(parent.arrived().lost.is_some());
        parent.request(1);
        assert!(parent.arrived().lost.is_none());
        assert!(!is_ready(&parent));
    }

    /// Tokens that are being returned may still be in the pipes when the next request comes.
    #[test]
    fn parent_waits_for_room_in_full_escrow_pipes() {
        let escrow = Escrow::with_pipes_of(4096, 1).unwrap();
        let all = escrow.room();
        // This returner only counts.
        let (mut parent, pool) =
            parent_with(all as usize + 1, Box::new(Counting(Rc::default())), escrow);
        parent.request(all);
        assert_eq!(parent.arrived().tokens, all);
        parent.give_back(1);
        parent.request(1);
        assert_eq!(parent.arrived().tokens, 0, "it is full");
        assert!(!is_ready(&parent), "there is nothing to be done until it has room");
        let Connection::Escrow(EscrowBorrower { escrow, ends, .. }) = &parent.0 else {
            panic!("it is a escrow")
        };
        let readers: Vec<_> = escrow.readers().collect();
        assert_eq!(give_back(&readers, ends.write.as_fd(), 1, RETURN_TIMEOUT), 1);
        assert!(is_ready(&parent));
        assert_eq!((parent.arrived().tokens, unread(&pool)), (1, 1));
        assert!(!is_ready(&parent));
        parent.request(1);
        assert_eq!(parent.arrived().tokens, 0);
        parent.give_back(1);
        parent.request(0);
        assert!(!is_ready(&parent));
    }

    #[test]
    fn parent_returns_what_the_returner_has_left() {
        let (mut parent, pool) = parent(2, Box::new(Counting(Rc::default())));
        parent.request(2);
        parent.arrived();
        parent.give_back(2);
        assert_eq!(unread(&pool), 0);
        assert_eq!((parent.unreturned(), unread(&pool)), (0, 2));
    }
}

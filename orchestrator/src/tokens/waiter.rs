//! A parent's jobserver that is no pipe, as a lender: tokens arrive on the job client's thread, and
//! a descriptor tells of them. Such a pool, a device of a daemon, notices by itself that a client
//! was killed.

use super::pool::{Arrived, Lender};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{read, write};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};

/// Tokens that are dropped go back; so everything is returned with this, on every way out but
/// SIGKILL.
pub struct Waiter {
    client: Client,
    arrivals: Receiver<io::Result<Token>>,
    told: Arc<OwnedFd>,
    tokens: Vec<Token>,
    /// It failed once, so it is not asked again: each time it would fail, and be told of.
    lost: bool,
    /// The account holds it as its first slot.
    _slot: ImplicitSlot,
}

impl Waiter {
    /// Starts the client's thread.
    ///
    /// # Errors
    /// The system has no thread or descriptor for us.
    pub fn join(pool: Pool) -> io::Result<Waiter> {
        let told = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, arrivals) = channel();
        let of_thread = Arc::clone(&told);
        let (client, slot) = pool.start(move |token| {
            // Where nobody listens any more, the token is dropped, and so returned.
            drop(sender.send(token));
            // Full only if it was not read 2^64 times.
            let _ = write(&of_thread, &1u64.to_ne_bytes());
        })?;
        Ok(Waiter { client, arrivals, told, tokens: Vec::new(), lost: false, _slot: slot })
    }

    /// Becomes readable when a token has arrived.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Lender for Waiter {
    fn wish(&mut self, tokens: u32) {
        self.client.request(if self.lost { 0 } else { tokens });
    }

    fn arrived(&mut self) -> Arrived {
        // Nothing to read is no error, and an eventfd has no others.
        let _ = read(&self.told, &mut [0; 8]);
        let mut arrived = Arrived::default();
        while let Ok(token) = self.arrivals.try_recv() {
            match token {
                Ok(token) => {
                    self.tokens.push(token);
                    arrived.tokens += 1;
                }
                Err(_) if self.lost => {}
                Err(error) => {
                    self.lost = true;
                    arrived.lost = Some(error);
                }
            }
        }
        arrived
    }

    fn give_back(&mut self, tokens: u32) {
        let kept = self.tokens.len().saturating_sub(tokens as usize);
        self.tokens.truncate(kept);
    }
}

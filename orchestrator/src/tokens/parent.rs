//! The parent's jobserver as a lender: tokens arrive on the job client's thread, and a descriptor tells of them.

use super::pool::{Arrived, Lender};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{read, write};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};

/// Tokens that are dropped go back; so everything is returned with this, on every way out but SIGKILL.
pub struct Parent {
    client: Client,
    arrivals: Receiver<io::Result<Token>>,
    told: Arc<OwnedFd>,
    tokens: Vec<Token>,
    /// Is told how many there are.
    tell: Box<dyn Fn(u32)>,
    /// The account holds it as its first slot.
    _slot: ImplicitSlot,
}

impl Parent {
    /// Starts the client's thread. `tell` hears how many tokens are held: more after they have arrived, fewer before they go
    /// back.
    ///
    /// # Errors
    /// The system has no thread or descriptor for us.
    pub fn join(pool: Pool, tell: impl Fn(u32) + 'static) -> io::Result<Parent> {
        let told = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, arrivals) = channel();
        let of_thread = Arc::clone(&told);
        let (client, slot) = pool.start(move |token| {
            // Where nobody listens any more, the token is dropped, and so returned.
            drop(sender.send(token));
            // Full only if it was not read 2^64 times.
            let _ = write(&of_thread, &1u64.to_ne_bytes());
        })?;
        Ok(Parent { client, arrivals, told, tokens: Vec::new(), tell: Box::new(tell), _slot: slot })
    }

    /// Becomes readable when a token has arrived.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

impl Lender for Parent {
    fn wish(&mut self, tokens: u32) {
        self.client.wish(tokens);
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
                Err(error) => arrived.lost = Some(error),
            }
        }
        arrived
    }

    fn borrowed(&mut self, tokens: u32) {
        (self.tell)(tokens);
    }

    fn give_back(&mut self, tokens: u32) {
        let kept = self.tokens.len().saturating_sub(tokens as usize);
        self.tokens.truncate(kept);
    }
}

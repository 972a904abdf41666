//! Borrows tokens from a parent's jobserver that is no pipe but a character device, served by a
//! daemon: tokens arrive on the job client's thread, and an eventfd becomes readable. The daemon
//! detects by itself that a client was killed.

use super::pool::{Arrived, Lender};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{read, write};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use tender_jobclient::{Client, ImplicitSlot, Pool, Token};

/// Dropping a token returns it. So dropping this returns all tokens; only SIGKILL loses them.
pub struct DeviceLender {
    client: Client,
    arrivals: Receiver<io::Result<Token>>,
    notify: Arc<OwnedFd>,
    tokens: Vec<Token>,
    /// The client has failed once. It is not asked again: it would fail and be reported each time.
    lost: bool,
    /// Counted in the account as its first slot.
    _slot: ImplicitSlot,
}

impl DeviceLender {
    /// Starts the client's thread.
    ///
    /// # Errors
    /// No thread or descriptor can be created.
    pub fn join(pool: Pool) -> io::Result<DeviceLender> {
        let notify = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, arrivals) = channel();
        let notify_in_thread = Arc::clone(&notify);
        let (client, slot) = pool.start(move |token| {
            // If the receiver is gone, the token is dropped, which returns it.
            drop(sender.send(token));
            // Fails only if the counter is at 2^64 - 1.
            let _ = write(&notify_in_thread, &1u64.to_ne_bytes());
        })?;
        Ok(DeviceLender { client, arrivals, notify, tokens: Vec::new(), lost: false, _slot: slot })
    }

    /// Becomes readable when a token has arrived.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.notify.as_fd()
    }
}

impl Lender for DeviceLender {
    fn request(&mut self, tokens: u32) {
        self.client.request(if self.lost { 0 } else { tokens });
    }

    fn arrived(&mut self) -> Arrived {
        // EAGAIN means that nothing arrived; an eventfd has no other errors.
        let _ = read(&self.notify, &mut [0; 8]);
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

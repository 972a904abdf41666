//! Asks a pool for tokens from a helper thread, and gives them back.
//!
//! The `jobserver` crate cannot cancel a request: a thread that waits for a token waits on. So at
//! most one request is outstanding in the crate, further wishes are a count of ours, and a token
//! that arrives when nobody wishes for one any more goes straight back on the helper thread.
//! Waiting costs nobody a token.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One slot of the pool, given back when it is dropped.
#[derive(Debug)]
pub struct Token {
    _acquired: jobserver::Acquired,
}

/// The wishes of this process. Dropping it withdraws them and ends the helper thread.
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    /// Tokens that are wished for and have not arrived.
    wished: u32,
    /// Whether the crate's thread waits for a token, for a wish or for one withdrawn since.
    asking: bool,
    /// Set once the thread is running; taken when the client is dropped.
    helper: Option<jobserver::HelperThread>,
}

impl Client {
    pub(crate) fn start(
        pool: jobserver::Client,
        mut deliver: impl FnMut(io::Result<Token>) + Send + 'static,
    ) -> io::Result<Client> {
        let state = State { wished: 0, asking: false, helper: None };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let of_thread = Arc::clone(&shared);
        let helper = pool.into_helper_thread(move |acquired| {
            // The lock is not held while `deliver` runs, which may well call `wish`.
            if let Some(arrival) = of_thread.arrived(acquired) {
                deliver(arrival);
            }
        })?;
        shared.lock().helper = Some(helper);
        Ok(Client { shared })
    }

    /// Sets how many tokens are wished for beyond those that have arrived; 0 withdraws every wish.
    pub fn wish(&self, tokens: u32) {
        let mut state = self.shared.lock();
        state.wished = tokens;
        state.ask();
    }
}

impl Shared {
    /// Turns what the crate's thread got into something to deliver, if anyone still wishes for it.
    fn arrived(&self, acquired: io::Result<jobserver::Acquired>) -> Option<io::Result<Token>> {
        let mut state = self.lock();
        state.asking = false;
        match acquired {
            // The surplus token is dropped, and so written back, after the lock.
            Ok(_) if state.wished == 0 => None,
            Ok(acquired) => {
                state.wished -= 1;
                state.ask();
                Some(Ok(Token { _acquired: acquired }))
            }
            // The pool is gone, for instance because its last writer ended; asking again would only
            // spin.
            Err(error) => {
                state.wished = 0;
                Some(Err(error))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask(&mut self) {
        if let (Some(helper), false, true) = (&self.helper, self.asking, self.wished > 0) {
            helper.request_token();
            self.asking = true;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let helper = {
            let mut state = self.shared.lock();
            state.wished = 0;
            state.helper.take()
        };
        // Ending the thread waits for it, and it may be about to take the lock.
        drop(helper);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Client")
            .field("wished", &state.wished)
            .field("asking", &state.asking)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    /// A pool of `tokens`, seen from outside by the second value.
    fn start(tokens: usize) -> (Client, jobserver::Client, Receiver<io::Result<Token>>) {
        let pool = jobserver::Client::new(tokens).unwrap();
        let (arrivals, arrived) = mpsc::channel();
        let client = Client::start(pool.clone(), move |token| drop(arrivals.send(token))).unwrap();
        (client, pool, arrived)
    }

    /// Waits for what the helper thread does by itself.
    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    fn is_asking(client: &Client) -> bool {
        client.shared.lock().asking
    }

    #[test]
    fn as_many_tokens_arrive_as_are_wished_for() {
        let (client, pool, arrived) = start(5);
        client.wish(3);
        let tokens: Vec<Token> = arrived.iter().take(3).map(Result::unwrap).collect();
        until(|| !is_asking(&client));
        assert_eq!(pool.available().unwrap(), 2);
        drop(tokens);
        assert_eq!(pool.available().unwrap(), 5);
    }

    #[test]
    fn wishes_are_absolute_and_one_request_is_outstanding() {
        let (client, pool, arrived) = start(0);
        client.wish(4);
        client.wish(2);
        client.wish(2);
        for _ in 0..5 {
            pool.release_raw().unwrap();
        }
        let tokens: Vec<Token> = arrived.iter().take(2).map(Result::unwrap).collect();
        until(|| !is_asking(&client));
        assert_eq!((tokens.len(), pool.available().unwrap()), (2, 3));
        assert!(arrived.try_recv().is_err());
    }

    #[test]
    fn a_token_for_a_withdrawn_wish_goes_straight_back() {
        let (client, pool, arrived) = start(0);
        client.wish(1);
        client.wish(0);
        assert!(is_asking(&client), "the crate cannot cancel a request");
        pool.release_raw().unwrap();
        until(|| !is_asking(&client) && pool.available().unwrap() == 1);
        assert!(arrived.try_recv().is_err());
        // The thread is as useful as before.
        client.wish(1);
        arrived.recv().unwrap().unwrap();
    }

    #[test]
    fn the_thread_ends_while_it_waits() {
        let (client, pool, arrived) = start(0);
        client.wish(7);
        drop(client);
        assert!(arrived.recv().is_err(), "the callback is gone with its thread");
        pool.release_raw().unwrap();
        assert_eq!(pool.available().unwrap(), 1);
    }

    #[test]
    fn tokens_outlive_the_client_and_may_be_dropped_anywhere() {
        let (client, pool, arrived) = start(1);
        client.wish(1);
        let token = arrived.recv().unwrap().unwrap();
        drop(client);
        thread::spawn(move || drop(token)).join().unwrap();
        assert_eq!(pool.available().unwrap(), 1);
    }

    #[test]
    fn many_takers_lose_nothing() {
        let (client, pool, arrived) = start(4);
        for turn in 0..500u32 {
            client.wish(turn % 7);
            if let Ok(token) = arrived.try_recv() {
                drop(token.unwrap());
            }
        }
        client.wish(0);
        drop(client);
        while let Ok(token) = arrived.recv() {
            drop(token.unwrap());
        }
        assert_eq!(pool.available().unwrap(), 4);
    }
}

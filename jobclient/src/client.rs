//! Acquires tokens from a pool on a helper thread, and releases them.
//!
//! The `jobserver` crate cannot cancel a request: its thread keeps waiting for a token. So at most
//! one request is outstanding in the crate, and further requests are a count in `State`. If a token
//! arrives when none is requested any more, the helper thread releases it at once. A waiting client
//! holds no token.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One token of the pool. It is released when it is dropped.
#[derive(Debug)]
pub struct Token {
    _acquired: jobserver::Acquired,
}

/// This process's requests for tokens. Dropping it withdraws them and ends the helper thread.
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    /// Tokens that are requested and have not arrived.
    requested: u32,
    /// Whether the crate's thread waits for a token, even if none is requested any more.
    waiting: bool,
    /// Set when the thread runs; taken when the client is dropped.
    helper: Option<jobserver::HelperThread>,
}

impl Client {
    pub(crate) fn start(
        pool: jobserver::Client,
        mut deliver: impl FnMut(io::Result<Token>) + Send + 'static,
    ) -> io::Result<Client> {
        let state = State { requested: 0, waiting: false, helper: None };
        let shared = Arc::new(Shared { state: Mutex::new(state) });
        let thread_shared = Arc::clone(&shared);
        let helper = pool.into_helper_thread(move |acquired| {
            // The lock is not held here, because `deliver` may call `request`.
            if let Some(arrival) = thread_shared.arrived(acquired) {
                deliver(arrival);
            }
        })?;
        shared.lock().helper = Some(helper);
        Ok(Client { shared })
    }

    /// Sets how many tokens are requested in addition to those that have arrived. 0 withdraws every
    /// request.
    pub fn request(&self, tokens: u32) {
        let mut state = self.shared.lock();
        state.requested = tokens;
        state.start_waiting();
    }
}

impl Shared {
    /// Handles what the crate's thread acquired. Returns what is to be delivered, if a token is
    /// still requested.
    fn arrived(&self, acquired: io::Result<jobserver::Acquired>) -> Option<io::Result<Token>> {
        let mut state = self.lock();
        state.waiting = false;
        match acquired {
            // The token is dropped, and so released, after the lock.
            Ok(_) if state.requested == 0 => None,
            Ok(acquired) => {
                state.requested -= 1;
                state.start_waiting();
                Some(Ok(Token { _acquired: acquired }))
            }
            // The pool is lost, for instance because its last writer ended. A further request would
            // fail in the same way.
            Err(error) => {
                state.requested = 0;
                Some(Err(error))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn start_waiting(&mut self) {
        if let (Some(helper), false, true) = (&self.helper, self.waiting, self.requested > 0) {
            helper.request_token();
            self.waiting = true;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let helper = {
            let mut state = self.shared.lock();
            state.requested = 0;
            state.helper.take()
        };
        // Dropping the helper joins its thread, which may be about to take the lock.
        drop(helper);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Client")
            .field("requested", &state.requested)
            .field("waiting", &state.waiting)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    /// A client of a pool of `tokens`. The second value is the pool itself.
    fn start(tokens: usize) -> (Client, jobserver::Client, Receiver<io::Result<Token>>) {
        let pool = jobserver::Client::new(tokens).unwrap();
        let (arrivals, arrived) = mpsc::channel();
        let client = Client::start(pool.clone(), move |token| drop(arrivals.send(token))).unwrap();
        (client, pool, arrived)
    }

    /// Waits until the helper thread has made the condition true.
    fn until(condition: impl Fn() -> bool) {
        while !condition() {
            thread::yield_now();
        }
    }

    fn is_waiting(client: &Client) -> bool {
        client.shared.lock().waiting
    }

    #[test]
    fn client_gets_as_many_tokens_as_it_requests() {
        let (client, pool, arrived) = start(5);
        client.request(3);
        let tokens: Vec<Token> = arrived.iter().take(3).map(Result::unwrap).collect();
        until(|| !is_waiting(&client));
        assert_eq!(pool.available().unwrap(), 2);
        drop(tokens);
        assert_eq!(pool.available().unwrap(), 5);
    }

    #[test]
    fn client_requests_an_absolute_number_of_tokens() {
        let (client, pool, arrived) = start(0);
        client.request(4);
        client.request(2);
        client.request(2);
        for _ in 0..5 {
            pool.release_raw().unwrap();
        }
        let tokens: Vec<Token> = arrived.iter().take(2).map(Result::unwrap).collect();
        until(|| !is_waiting(&client));
        assert_eq!((tokens.len(), pool.available().unwrap()), (2, 3));
        assert!(arrived.try_recv().is_err());
    }

    #[test]
    fn client_releases_a_token_that_is_not_requested_any_more() {
        let (client, pool, arrived) = start(0);
        client.request(1);
        client.request(0);
        assert!(is_waiting(&client), "the crate cannot cancel a request");
        pool.release_raw().unwrap();
        until(|| !is_waiting(&client) && pool.available().unwrap() == 1);
        assert!(arrived.try_recv().is_err());
        // The thread serves further requests.
        client.request(1);
        arrived.recv().unwrap().unwrap();
    }

    #[test]
    fn client_ends_its_thread_while_that_waits() {
        let (client, pool, arrived) = start(0);
        client.request(7);
        drop(client);
        assert!(arrived.recv().is_err(), "the callback is gone with its thread");
        pool.release_raw().unwrap();
        assert_eq!(pool.available().unwrap(), 1);
    }

    #[test]
    fn token_outlives_the_client_and_may_be_dropped_on_any_thread() {
        let (client, pool, arrived) = start(1);
        client.request(1);
        let token = arrived.recv().unwrap().unwrap();
        drop(client);
        thread::spawn(move || drop(token)).join().unwrap();
        assert_eq!(pool.available().unwrap(), 1);
    }

    #[test]
    fn client_loses_no_token_over_many_requests() {
        let (client, pool, arrived) = start(4);
        for round in 0..500u32 {
            client.request(round % 7);
            if let Ok(token) = arrived.try_recv() {
                drop(token.unwrap());
            }
        }
        client.request(0);
        drop(client);
        while let Ok(token) = arrived.recv() {
            drop(token.unwrap());
        }
        assert_eq!(pool.available().unwrap(), 4);
    }
}

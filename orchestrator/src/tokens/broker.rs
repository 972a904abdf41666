//! The account of the pool's tokens: events in, bytes moved through ports. Knows no processes and
//! no descriptors.
//!
//! # The account
//!
//! Every one of the N slots is in exactly one place:
//!
//! ```text
//! N = free + implicit slots charged + tokens out;     tokens out = unread in the child's port + held by the child
//! ```
//!
//! A child is charged its implicit slot from before it starts until it parks it or has ended. More
//! slots reach it as bytes in its own port. Bytes that it returns stay unread in the port until
//! `collect` takes them back. What a child holds is never counted by what it reports: it is what
//! was put in, less what was taken back, less what is unread. So when no process of it is left,
//! what it held is known, and becomes free at once.
//!
//! # Two kinds of children
//!
//! *Workers* publish how many tokens they can use, and the caller puts them into their ports.
//!
//! *External commands* (make, ninja, cargo, gcc) cannot do that, and the kernel does not report
//! that a client waits for a byte. So slots that no worker or item needs are *offered*: they are
//! put into the commands' ports, in equal shares. (All of them, and not one byte for each command,
//! because ninja reads its port only when one of its jobs ends.) When a command takes some, more
//! follow if there are more. If there are fewer slots than commands, an offer stays with a command
//! for at most 5 ms and then moves to a command without one: to the most urgent, but to each at
//! least once a round. An offer is withdrawn at once if a worker needs the slot.
//!
//! # A pool of varying size
//!
//! Under a parent's jobserver `grow` adds borrowed slots, and `shrink` removes free slots, to be
//! returned.

use super::dialect::Dialect;
use super::port::{Pair, Port, Ports};
use crate::keys::ChildId;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;
use tender_units::Micros;

/// The longest time that an offer stands before it moves to another child, microseconds.
/// `docs/jobserver.md` promises that a command can use a free token within 50 ms.
const OFFER_TIME_US: Micros = Micros::from_millis(5);

/// The most tokens in one offer. When the child has taken some, more follow. A FIFO has room for
/// many times as many.
const MOST_OFFERED: u32 = 512;

/// Within this time a free token has been offered to every external command, microseconds.
const ROUND_US: Micros = Micros::from_millis(40);

/// How a child gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildKind {
    /// A worker: it publishes how many tokens it can use.
    Own,
    /// An external command: free tokens are offered to it.
    External(Dialect),
}

/// What a child needs to be a client of the pool.
#[derive(Debug)]
pub struct Admission {
    makeflags: [String; 2],
    pair: Option<Pair>,
}

impl Admission {
    /// Variables to set.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        let [makeflags, cargo_makeflags] = &self.makeflags;
        [("MAKEFLAGS", makeflags), ("CARGO_MAKEFLAGS", cargo_makeflags)]
    }

    /// Descriptors that only this child inherits, under the same numbers.
    pub fn pair(&self) -> Option<&Pair> {
        self.pair.as_ref()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error("no job slot is free")]
    NoFreeSlot,
    #[error("cannot make a FIFO for the jobserver: {0}")]
    Port(#[from] io::Error),
}

/// A child returned more tokens than it took. The surplus was discarded, so the pool still holds N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surplus {
    pub child: ChildId,
    pub tokens: u32,
}

/// What the account of a removed child showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Settled {
    /// Tokens that it had read and not returned. They are free again. A client that ends normally
    /// leaves none.
    pub held_lost: u32,
    /// Tokens that it returned in excess of those it took.
    pub surplus: u32,
}

/// What happens to an offer that the child did not take in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// It moves to a child that has none. If each has one, it stays.
    Standing,
    /// The tokens are borrowed: it moves to a child that had no offer since `start_us`. If there is
    /// none, it is withdrawn. No child is offered more than `most`.
    Trial { start_us: Micros, most: u32 },
}

/// The state of the offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Offers {
    /// Offers were taken since the last call.
    pub taken: bool,
    /// Offers were withdrawn, because no command took them.
    pub refused: bool,
    /// External commands that have no offer.
    pub without: u32,
    /// When to call again at the latest, microseconds.
    pub deadline_us: Option<Micros>,
}

/// The account. `P` moves the bytes.
#[derive(Debug)]
pub struct Broker<P: Ports> {
    n: u32,
    free: u32,
    /// The most tokens that all offers may have together.
    most_offered: u32,
    ports: P,
    children: BTreeMap<ChildId, Child<P::Port>>,
}

#[derive(Debug)]
struct Child<Port> {
    /// Its implicit slot is charged to it, which means that it is not parked.
    charged: bool,
    /// `None` for a command that is no jobserver client.
    tokens: Option<Tokens<Port>>,
}

#[derive(Debug)]
struct Tokens<Port> {
    port: Port,
    /// Tokens put and not taken back: held or unread.
    out: u32,
    /// `Some` for external commands only.
    offer: Option<Offer>,
    priority: u64,
}

/// Tokens in the port of an external command that it has not taken, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    count: u32,
    /// When it was made, or, if `count` is 0, when the last one ended; microseconds.
    since_us: Micros,
    taken: bool,
}

/// How long an offer stands before it moves, with this many external commands.
fn offer_time_us(children: usize) -> Micros {
    (ROUND_US / children.max(1) as u64).min(OFFER_TIME_US)
}

impl<P: Ports> Broker<P> {
    /// An account of `n` slots, all free.
    pub fn new(n: u32, ports: P) -> Broker<P> {
        Broker { n, free: n, most_offered: u32::MAX, ports, children: BTreeMap::new() }
    }

    pub fn n(&self) -> u32 {
        self.n
    }

    /// Slots that no child has.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Slots that are charged or out, without offers. A token that a worker asked for and has not
    /// read yet counts.
    pub fn used(&self) -> u32 {
        self.n - self.free - self.standing().map(|(_, offer)| offer.count).sum::<u32>()
    }

    /// Tokens that the child has read and not returned, without its implicit slot. 0 for an unknown
    /// child.
    ///
    /// # Errors
    /// The child's port cannot be read.
    pub fn held(&self, child: ChildId) -> io::Result<u32> {
        match self.tokens(child) {
            Some(tokens) => tokens.held(),
            None => Ok(0),
        }
    }

    /// Unread tokens in the child's port. 0 for an unknown child.
    ///
    /// # Errors
    /// The child's port cannot be read.
    pub fn unread(&self, child: ChildId) -> io::Result<u32> {
        self.tokens(child).map_or(Ok(0), |tokens| tokens.port.unread())
    }

    /// The child's port, to be watched for bytes that it returns. `None` for a child that is
    /// unknown or no client.
    pub fn port(&self, child: ChildId) -> Option<&P::Port> {
        self.tokens(child).map(|tokens| &tokens.port)
    }

    /// Charges the implicit slot of a child that is about to start, and creates its port. `hint` is
    /// the number of jobs in its MAKEFLAGS, which clients show and do not rely on.
    ///
    /// Panics if the id is in use.
    ///
    /// # Errors
    /// No slot is free, or no port can be created. Nothing is charged then.
    pub fn admit(
        &mut self,
        child: ChildId,
        kind: ChildKind,
        hint: u32,
    ) -> Result<Admission, AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        let after = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        let port = self.ports.make()?;
        let (dialect, offer) = match kind {
            ChildKind::Own => (Dialect::Fifo, None),
            ChildKind::External(dialect) => (dialect, Some(Offer::default())),
        };
        let pair = dialect.has_pair().then(|| port.open_pair()).transpose()?;
        let numbers = pair.as_ref().map(|pair| (pair.read.as_raw_fd(), pair.write.as_raw_fd()));
        let makeflags = dialect.announce(hint, port.path(), numbers);
        self.free = after;
        let tokens = Tokens { port, out: 0, offer, priority: 0 };
        self.children.insert(child, Child { charged: true, tokens: Some(tokens) });
        Ok(Admission { makeflags, pair })
    }

    /// Charges the implicit slot of a command that is no jobserver client. `remove` frees it.
    /// Panics if the id is in use.
    ///
    /// # Errors
    /// [`AdmitError::NoFreeSlot`].
    pub fn charge(&mut self, child: ChildId) -> Result<(), AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        self.free = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        self.children.insert(child, Child { charged: true, tokens: None });
        Ok(())
    }

    /// Tokens that are out to the child: read by it, or unread in its port. 0 for an unknown child.
    pub fn out(&self, child: ChildId) -> u32 {
        self.tokens(child).map_or(0, |tokens| tokens.out)
    }

    /// Puts one free token into the port of a worker. Returns false if none is free, the port is
    /// full, or the child is unknown. (A worker's last messages may be read after it has ended.)
    ///
    /// # Errors
    /// Its port cannot be written.
    pub fn put(&mut self, child: ChildId) -> io::Result<bool> {
        if self.free == 0 {
            return Ok(false);
        }
        let Some(tokens) = self.tokens_mut(child) else { return Ok(false) };
        let put = tokens.port.put(1)?;
        tokens.out += put;
        self.free -= put;
        Ok(put > 0)
    }

    /// External commands of a higher priority are offered more, and earlier.
    pub fn set_priority(&mut self, child: ChildId, priority: u64) {
        if let Some(of_child) = self.tokens_mut(child) {
            of_child.priority = priority;
        }
    }

    /// Frees the implicit slot of a child that has nothing to run on it. Does nothing if it is
    /// parked already.
    pub fn park(&mut self, child: ChildId) {
        if let Some(child) = self.children.get_mut(&child)
            && child.charged
        {
            child.charged = false;
            self.free += 1;
        }
    }

    /// Charges a parked implicit slot to its child again. Returns false if no slot is free, or it
    /// is not parked.
    pub fn lend_slot(&mut self, child: ChildId) -> bool {
        match self.children.get_mut(&child) {
            Some(child) if !child.charged && self.free > 0 => {
                child.charged = true;
                self.free -= 1;
                true
            }
            _ => false,
        }
    }

    /// The child's process has ended and left survivors: its tokens stay charged, and so does its
    /// implicit slot until `park`. Unread tokens are taken back, and no more are granted or
    /// offered, because the build does not wait for survivors. Its id becomes `to`, so that the old
    /// one can be used again.
    ///
    /// Panics if `to` is in use.
    pub fn retire(&mut self, child: ChildId, to: ChildId) {
        let Some(mut retired) = self.children.remove(&child) else { return };
        if let Some(tokens) = &mut retired.tokens {
            // Without an offer `collect` takes back all that is unread.
            tokens.offer = None;
        }
        let before = self.children.insert(to, retired);
        assert!(before.is_none(), "{to:?} is admitted already");
    }

    /// Removes a child of which no process is left. All its slots become free.
    ///
    /// Must not be called before: each of its processes may run a job on one of its tokens.
    pub fn remove(&mut self, child: ChildId) -> Settled {
        let Some(child) = self.children.remove(&child) else { return Settled::default() };
        self.free += u32::from(child.charged);
        let Some(tokens) = child.tokens else { return Settled::default() };
        self.free += tokens.out;
        // All tokens are free in any case. If the port cannot be read, only the report is wrong.
        let unread = tokens.port.unread().unwrap_or(tokens.out);
        Settled {
            held_lost: tokens.out.saturating_sub(unread),
            surplus: unread.saturating_sub(tokens.out),
        }
    }

    /// Ends the account of a worker that keeps running and has nothing of the pool. Returns its port,
    /// for [`Broker::readmit`]. `None`, and nothing has changed: its implicit slot is charged, or
    /// tokens are in its port or out.
    pub fn release(&mut self, child: ChildId) -> Option<P::Port> {
        let has_nothing = self.children.get(&child).is_some_and(|child| {
            let settled = |tokens: &Tokens<P::Port>| {
                tokens.out == 0 && tokens.port.unread().is_ok_and(|unread| unread == 0)
            };
            !child.charged && child.tokens.as_ref().is_some_and(settled)
        });
        let released = has_nothing.then(|| self.children.remove(&child)).flatten()?;
        released.tokens.map(|tokens| tokens.port)
    }

    /// Charges the implicit slot of a worker that runs already, with the port that it has.
    ///
    /// Panics if the id is in use.
    ///
    /// # Errors
    /// [`AdmitError::NoFreeSlot`].
    pub fn readmit(&mut self, child: ChildId, port: P::Port) -> Result<(), AdmitError> {
        self.charge(child)?;
        let tokens = Tokens { port, out: 0, offer: None, priority: 0 };
        self.children.insert(child, Child { charged: true, tokens: Some(tokens) });
        Ok(())
    }

    /// Adds slots that were borrowed.
    pub fn grow(&mut self, slots: u32) {
        self.n += slots;
        self.free += slots;
    }

    /// Removes up to `slots` free slots from the account, and returns how many.
    pub fn shrink(&mut self, slots: u32) -> u32 {
        let gone = slots.min(self.free);
        self.free -= gone;
        self.n -= gone;
        gone
    }

    /// Takes back tokens that children returned, and unread tokens of workers in excess of
    /// `granted`. `granted` gives how many tokens a worker may have, those that it holds included.
    /// To be called when a port becomes readable or a grant changes. Returns the children that have
    /// returned more than they took.
    ///
    /// # Errors
    /// Those of the system on our own FIFOs. The account stays correct.
    pub fn collect(&mut self, granted: impl Fn(ChildId) -> u32) -> io::Result<Vec<Surplus>> {
        let mut surpluses = Vec::new();
        let mut taken_by_external = 0;
        for (id, child) in &mut self.children {
            let Some(tokens) = &mut child.tokens else { continue };
            let unread = tokens.port.unread()?;
            let surplus = unread.saturating_sub(tokens.out);
            if surplus > 0 {
                let discarded = tokens.port.take_back(surplus)?;
                surpluses.push(Surplus { child: *id, tokens: discarded });
            }
            let unread = unread - surplus;
            let unwanted = match &mut tokens.offer {
                Some(offer) => {
                    let taken = offer.count.saturating_sub(unread);
                    offer.taken |= taken > 0;
                    offer.count -= taken;
                    taken_by_external += taken;
                    unread - offer.count
                }
                None => tokens.out.saturating_sub(granted(*id)).min(unread),
            };
            if unwanted > 0 {
                let taken = tokens.port.take_back(unwanted)?;
                tokens.out -= taken;
                self.free += taken;
            }
        }
        if self.most_offered != u32::MAX {
            self.most_offered = self.most_offered.saturating_sub(taken_by_external);
        }
        Ok(surpluses)
    }

    /// Withdraws offers until `slots` are free or no offer is left.
    ///
    /// # Errors
    /// A port cannot be read. The account stays correct.
    pub fn withdraw_offers(&mut self, slots: u32) -> io::Result<()> {
        while self.free < slots
            // Of the largest offers the latest first: it is the least likely to be taken just now.
            && let Some((id, offer)) = self.standing().max_by_key(|(id, offer)| (offer.count, offer.since_us, *id))
        {
            self.take_back_offer(id, offer.count.min(slots - self.free))?;
        }
        Ok(())
    }

    /// Limits the tokens that external commands can take from now on to `most`, because memory has
    /// room for no more jobs. Exception: unless `most` is 0, a command that has an offer keeps one
    /// token of it until its time is over. To be called again when the limit changes.
    pub fn limit_offers(&mut self, most: u32) {
        self.most_offered = most;
    }

    /// Offers free slots, except the last `reserve`, to external commands, and moves offers that
    /// were not taken in their time.
    ///
    /// # Errors
    /// A port cannot be read or written. The account stays correct.
    pub fn offer(&mut self, reserve: u32, terms: Terms, now_us: Micros) -> io::Result<Offers> {
        let mut offers = Offers::default();
        self.share_out(reserve, terms, now_us)?;
        let mut waiting = self.without_offer(now_us);
        let mut standing: Vec<(Micros, ChildId)> =
            self.standing().map(|(id, offer)| (offer.since_us, id)).collect();
        let offer_time_us = offer_time_us(waiting.len() + standing.len());
        standing.sort_unstable();
        for (since_us, id) in standing {
            let next = waiting.iter().rposition(|id| match terms {
                Terms::Standing => true,
                Terms::Trial { start_us, .. } => self.offer_of(*id).since_us < start_us,
            });
            if next.is_none() && terms == Terms::Standing {
                break;
            }
            if now_us < since_us + offer_time_us {
                offers.deadline_us = Some(since_us + offer_time_us);
                break;
            }
            // Of a larger offer one token moves, and the rest stands.
            let count = if next.is_some() { 1 } else { u32::MAX };
            let taken_back = self.take_back_offer(id, count)?;
            if self.offer_of(id).count == 0 {
                self.note_offer_end(id, now_us);
            }
            if taken_back == 0 {
                continue;
            }
            match next {
                Some(next) => {
                    self.make_offer(waiting.remove(next), 1, now_us)?;
                    offers.deadline_us = Some(now_us + offer_time_us);
                }
                None => offers.refused = true,
            }
        }
        for tokens in self.children.values_mut().filter_map(|child| child.tokens.as_mut()) {
            if let Some(offer) = &mut tokens.offer {
                offers.taken |= std::mem::take(&mut offer.taken);
                offers.without += u32::from(offer.count == 0 && self.most_offered > 0);
            }
        }
        Ok(offers)
    }

    /// Makes offers of free slots, so that those of any two commands differ by one at most.
    fn share_out(&mut self, reserve: u32, terms: Terms, now_us: Micros) -> io::Result<()> {
        let most = match terms {
            Terms::Standing => MOST_OFFERED,
            Terms::Trial { most, .. } => most,
        };
        let mut order = self.without_offer(now_us);
        order.reverse();
        order.extend(self.standing().map(|(id, _)| id));
        // The remainder of the division goes to the most urgent.
        order.sort_by_key(|id| Reverse(self.tokens(*id).map_or(0, |tokens| tokens.priority)));
        if order.is_empty() {
            return Ok(());
        }
        let offered: u32 = order.iter().map(|id| self.offer_of(*id).count).sum();
        let all = (offered + self.free).saturating_sub(reserve).min(self.most_offered);
        let (share, rest) = (all / order.len() as u32, all % order.len() as u32);
        let goals: Vec<(ChildId, u32)> = (0..)
            .zip(&order)
            .map(|(at, id)| (*id, (share + u32::from(at < rest)).min(most)))
            .collect();
        for (id, goal) in &goals {
            let count = self.offer_of(*id).count;
            // The last token of an offer stays until the offer's time is over.
            let stays = if self.most_offered == 0 { 0 } else { (*goal).max(1) };
            self.take_back_offer(*id, count.saturating_sub(stays))?;
        }
        for (id, goal) in goals {
            let lacks = goal.saturating_sub(self.offer_of(id).count);
            self.make_offer(id, lacks.min(self.free.saturating_sub(reserve)), now_us)?;
        }
        Ok(())
    }

    /// External commands without an offer, the next one last. That is the most urgent one, unless
    /// another had no offer for a whole round: urgent commands may have no use for tokens.
    fn without_offer(&self, now_us: Micros) -> Vec<ChildId> {
        let offers =
            self.children.iter().filter_map(|(id, child)| Some((*id, child.tokens.as_ref()?)));
        let external: Vec<(ChildId, u64, Offer)> =
            offers.filter_map(|(id, tokens)| Some((id, tokens.priority, tokens.offer?))).collect();
        let round_us = offer_time_us(external.len()) * external.len() as u64;
        let waiting = external.into_iter().filter(|(_, _, offer)| offer.count == 0);
        let mut waiting: Vec<_> = waiting
            .map(|(id, priority, Offer { since_us, .. })| {
                let overdue_since = (now_us >= since_us + round_us).then_some(Reverse(since_us));
                (overdue_since, priority, Reverse(since_us), Reverse(id))
            })
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, _, _, Reverse(id))| id).collect()
    }

    /// The offers that commands have.
    fn standing(&self) -> impl Iterator<Item = (ChildId, Offer)> + '_ {
        self.children.iter().filter_map(|(id, child)| {
            let offer = child.tokens.as_ref()?.offer.filter(|offer| offer.count > 0)?;
            Some((*id, offer))
        })
    }

    fn offer_of(&self, child: ChildId) -> Offer {
        self.tokens(child).and_then(|tokens| tokens.offer).unwrap_or_default()
    }

    fn make_offer(&mut self, child: ChildId, count: u32, now_us: Micros) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let tokens = self.tokens_mut(child).expect("it is a client");
        let put = tokens.port.put(count)?;
        tokens.out += put;
        let offer = tokens.offer.get_or_insert_default();
        if offer.count == 0 {
            offer.since_us = now_us;
        }
        offer.count += put;
        self.free -= put;
        Ok(())
    }

    /// Takes back up to `count` tokens of the child's offer. Returns how many: fewer if the offer
    /// is smaller, or the child has read some.
    fn take_back_offer(&mut self, child: ChildId, count: u32) -> io::Result<u32> {
        let tokens = self.tokens_mut(child).expect("it is a client");
        let offer = tokens.offer.get_or_insert_default();
        let wanted = count.min(offer.count);
        if wanted == 0 {
            return Ok(0);
        }
        let taken_back = tokens.port.take_back(wanted)?;
        tokens.out -= taken_back;
        let rest = offer.count - taken_back;
        // The port had fewer tokens than the offer: the child has read all others.
        offer.taken |= taken_back < wanted;
        offer.count = if taken_back < wanted { 0 } else { rest };
        self.free += taken_back;
        Ok(taken_back)
    }

    fn note_offer_end(&mut self, child: ChildId, now_us: Micros) {
        if let Some(offer) = self.tokens_mut(child).and_then(|tokens| tokens.offer.as_mut()) {
            offer.since_us = now_us;
        }
    }

    fn tokens(&self, child: ChildId) -> Option<&Tokens<P::Port>> {
        self.children.get(&child)?.tokens.as_ref()
    }

    fn tokens_mut(&mut self, child: ChildId) -> Option<&mut Tokens<P::Port>> {
        self.children.get_mut(&child)?.tokens.as_mut()
    }
}

impl<Port: super::port::Port> Tokens<Port> {
    fn held(&self) -> io::Result<u32> {
        Ok(self.out.saturating_sub(self.port.unread()?))
    }
}

#[cfg(test)]
mod tests;

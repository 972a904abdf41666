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
//! A child is charged its implicit slot from before it starts until it parks it or is gone. More
//! slots reach it as bytes in its own port. Bytes that it returns lie unread in the port until
//! `collect` takes them back. What a child holds is never counted by what it reports: it is what was
//! put in, less what was taken back, less what is unread. So when its process tree is gone, what it
//! held is known, and is free at once.
//!
//! # Two kinds of children
//!
//! *Workers* publish how many tokens they can use, and the caller puts them into their ports.
//!
//! *External commands* (make, ninja, cargo, gcc) cannot do that, and a client that waits for a byte
//! cannot be seen. So slots that no worker or item needs are *offered*: shared out evenly, they lie
//! in the commands' ports. (All of them, and not one byte for each command, because ninja looks into
//! its port only when a job of its ends.) When a command takes some, more follow if there are more.
//! Where there are fewer slots than commands, an offer stays with a command for at most 5 ms and
//! then moves to one that has none: to the most urgent, but to each at least once a round. A worker
//! that needs a slot draws an offer back at once.
//!
//! # A pool that varies
//!
//! Under a parent's jobserver `grow` adds what was acquired, and `shrink` takes out free slots to
//! be returned.

use super::dialect::Dialect;
use super::port::{Pair, Port, Ports};
use crate::keys::ChildId;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd;

/// How long an offer stands before it moves on to another child, at most; microseconds.
/// `docs/jobserver.md` promises that a token that becomes free is used within 50 ms by a command.
const TURN_US: u64 = 5_000;

/// No child is offered more at a time; when it has taken some, more follow. A FIFO holds many times
/// that.
const MOST_OFFERED: u32 = 512;

/// Within this time every foreign child has been offered a token that became free, microseconds.
const ROUND_US: u64 = 40_000;

/// Whose program a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Says what it wants.
    Own,
    /// Is offered what is free.
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

    /// Descriptors that the child, and nobody else, inherits under their present numbers.
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

/// What a child left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Settled {
    /// Tokens that it had read and not returned. They are free again; a client that ends in order
    /// leaves none.
    pub held_lost: u32,
    /// Tokens that it had returned beyond those it took.
    pub surplus: u32,
}

/// What becomes of an offer that nobody took in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// It moves on if another child has none, and stands otherwise.
    Standing,
    /// The tokens are wanted elsewhere: they move on to a child that had no offer since `start_us`,
    /// and are drawn back otherwise. No child is offered more than `most`.
    Trial { start_us: u64, most: u32 },
}

/// How the offers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Offers {
    /// Offers were taken since the last call.
    pub taken: bool,
    /// Offers were drawn back, because nobody took them.
    pub refused: bool,
    /// External commands that have no offer.
    pub without: u32,
    /// When to call again, whatever happens until then.
    pub deadline_us: Option<u64>,
}

/// The ledger, and through `P` the bytes.
#[derive(Debug)]
pub struct Broker<P: Ports> {
    n: u32,
    free: u32,
    /// All offers together may be as many.
    most_offered: u32,
    ports: P,
    children: BTreeMap<ChildId, Child<P::Port>>,
}

#[derive(Debug)]
struct Child<Port> {
    /// Whether its starting slot is charged to it, that is not parked.
    charged: bool,
    /// None for a command that is no client.
    tokens: Option<Tokens<Port>>,
}

#[derive(Debug)]
struct Tokens<Port> {
    port: Port,
    /// Put in and not taken back: held or unread.
    out: u32,
    /// Of foreign ones only.
    offer: Option<Offer>,
    priority: u64,
}

/// Unread bytes beyond what the child has a use for, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    count: u32,
    /// When it was made, or, if there is none, when the last one ended.
    since_us: u64,
    taken: bool,
}

/// How long an offer stands before it moves on, where there are so many foreign children.
fn turn_us(children: usize) -> u64 {
    (ROUND_US / children.max(1) as u64).min(TURN_US)
}

impl<P: Ports> Broker<P> {
    /// An account of `n` slots, all free.
    pub fn new(n: u32, ports: P) -> Broker<P> {
        Broker { n, free: n, most_offered: u32::MAX, ports, children: BTreeMap::new() }
    }

    pub fn n(&self) -> u32 {
        self.n
    }

    /// Slots that nobody was given.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Slots that are charged or out, offers apart; a byte that one of ours wants and has not read
    /// yet counts.
    pub fn used(&self) -> u32 {
        self.n - self.free - self.standing().map(|(_, offer)| offer.count).sum::<u32>()
    }

    /// Tokens that the child has read and not returned, its starting slot not counted. 0 for a
    /// child that is not known.
    ///
    /// # Errors
    /// The child's port cannot be read.
    pub fn held(&self, child: ChildId) -> io::Result<u32> {
        match self.tokens(child) {
            Some(tokens) => tokens.held(),
            None => Ok(0),
        }
    }

    /// Tokens that lie in the child's port and were not read. 0 for a child that is not known.
    ///
    /// # Errors
    /// The child's port cannot be read.
    pub fn unread(&self, child: ChildId) -> io::Result<u32> {
        self.tokens(child).map_or(Ok(0), |tokens| tokens.port.unread())
    }

    /// The child's port, to be watched for the bytes it takes and returns. None for a child that is
    /// not known or no client.
    pub fn port(&self, child: ChildId) -> Option<&P::Port> {
        self.tokens(child).map(|tokens| &tokens.port)
    }

    /// Charges a starting slot to a child that is about to start, and makes its port. `hint` is the
    /// number of jobs that it is told of, which clients show and do not count on.
    ///
    /// Panics if the id is in use, which would mix up two accounts.
    ///
    /// # Errors
    /// No slot is free, or no port can be made; then nothing is charged.
    pub fn admit(
        &mut self,
        child: ChildId,
        kind: Kind,
        hint: u32,
    ) -> Result<Admission, AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        let after = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        let port = self.ports.make()?;
        let (dialect, offer) = match kind {
            Kind::Own => (Dialect::Fifo, None),
            Kind::External(dialect) => (dialect, Some(Offer::default())),
        };
        let pair = dialect.has_pair().then(|| port.open_pair()).transpose()?;
        let numbers = pair.as_ref().map(|pair| (pair.read.as_raw_fd(), pair.write.as_raw_fd()));
        let makeflags = dialect.announce(hint, port.path(), numbers);
        self.free = after;
        let tokens = Tokens { port, out: 0, offer, priority: 0 };
        self.children.insert(child, Child { charged: true, tokens: Some(tokens) });
        Ok(Admission { makeflags, pair })
    }

    /// Charges a slot to a command that is no client. `remove` gives it back. Panics if the id is
    /// in use.
    ///
    /// # Errors
    /// [`AdmitError::NoFreeSlot`].
    pub fn charge(&mut self, child: ChildId) -> Result<(), AdmitError> {
        assert!(!self.children.contains_key(&child), "{child:?} is admitted already");
        self.free = self.free.checked_sub(1).ok_or(AdmitError::NoFreeSlot)?;
        self.children.insert(child, Child { charged: true, tokens: None });
        Ok(())
    }

    /// Tokens that are out to the child: it has read them, or they lie unread in its port. 0 for a
    /// child that is not known.
    pub fn out(&self, child: ChildId) -> u32 {
        self.tokens(child).map_or(0, |tokens| tokens.out)
    }

    /// Puts one free token into the port of a child of ours. Returns whether it did: not if none is
    /// free, the port is full, or the child is not known, whose last words may be read after it is
    /// gone.
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
    pub fn priority(&mut self, child: ChildId, priority: u64) {
        if let Some(of_child) = self.tokens_mut(child) {
            of_child.priority = priority;
        }
    }

    /// Takes the starting slot from a child that has nothing to run on it. Does nothing if it is
    /// parked already.
    pub fn park(&mut self, child: ChildId) {
        if let Some(child) = self.children.get_mut(&child)
            && child.charged
        {
            child.charged = false;
            self.free += 1;
        }
    }

    /// Charges a parked starting slot to its child again. Returns whether it did: not if nothing is
    /// free or parked.
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

    /// The child's own process is gone, and others of its tree live on: what it holds stays
    /// charged, and so does its starting slot until `park`. What is unread comes back, and it is
    /// given and offered nothing more, because nobody waits for what it does. From now on it is
    /// `to`, so that its id may be used again.
    ///
    /// Panics if `to` is in use.
    pub fn retire(&mut self, child: ChildId, to: ChildId) {
        let Some(mut retired) = self.children.remove(&child) else { return };
        if let Some(tokens) = &mut retired.tokens {
            // As one of ours that is to have nothing.
            tokens.offer = None;
        }
        let before = self.children.insert(to, retired);
        assert!(before.is_none(), "{to:?} is admitted already");
    }

    /// Settles with a child of which no process is left: what it held is free at once.
    ///
    /// While one of its processes lives, that process may still run a job on a token, so call this
    /// no sooner.
    pub fn remove(&mut self, child: ChildId) -> Settled {
        let Some(child) = self.children.remove(&child) else { return Settled::default() };
        self.free += u32::from(child.charged);
        let Some(tokens) = child.tokens else { return Settled::default() };
        self.free += tokens.out;
        // Nobody else could have read the bytes, so a port that fails to answer changes only what
        // is said here.
        let unread = tokens.port.unread().unwrap_or(tokens.out);
        Settled {
            held_lost: tokens.out.saturating_sub(unread),
            surplus: unread.saturating_sub(tokens.out),
        }
    }

    /// Adds slots that were acquired elsewhere.
    pub fn grow(&mut self, slots: u32) {
        self.n += slots;
        self.free += slots;
    }

    /// Takes up to `slots` free ones out of the account, and returns how many.
    pub fn shrink(&mut self, slots: u32) -> u32 {
        let gone = slots.min(self.free);
        self.free -= gone;
        self.n -= gone;
        gone
    }

    /// Takes back what children returned, and of ours what lies unread beyond what `granted` says that
    /// they are to have, those they hold included. Call it after every event: a child's port became
    /// readable, or its wish changed. Returns who has returned more than it took.
    ///
    /// # Errors
    /// Those of the system on our own FIFOs; the account is right in spite of them.
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

    /// Takes offers back until `slots` are free, or there are no more.
    ///
    /// # Errors
    /// A port cannot be read; the account is right in spite of that.
    pub fn draw_back(&mut self, slots: u32) -> io::Result<()> {
        while self.free < slots
            // The latest of the largest first: it is the least likely to be taken this instant.
            && let Some((id, offer)) = self.standing().max_by_key(|(id, offer)| (offer.count, offer.since_us, *id))
        {
            self.take_back_offer(id, offer.count.min(slots - self.free))?;
        }
        Ok(())
    }

    /// From now on no more than `most` further tokens are given to foreign children (but one that
    /// has an offer keeps a token of it for its turn, if there is room for any): there is no room
    /// for more jobs than that. Call it again when there is.
    pub fn limit_offers(&mut self, most: u32) {
        self.most_offered = most;
    }

    /// Offers free slots to foreign children, except the last `reserve`, and moves on what nobody
    /// took.
    ///
    /// # Errors
    /// A port cannot be read or written; the account is right in spite of that.
    pub fn offer(&mut self, reserve: u32, terms: Terms, now_us: u64) -> io::Result<Offers> {
        let mut offers = Offers::default();
        self.share_out(reserve, terms, now_us)?;
        let mut waiting = self.without_offer(now_us);
        let mut standing: Vec<(u64, ChildId)> =
            self.standing().map(|(id, offer)| (offer.since_us, id)).collect();
        let turn_us = turn_us(waiting.len() + standing.len());
        standing.sort_unstable();
        for (since_us, id) in standing {
            let next = waiting.iter().rposition(|id| match terms {
                Terms::Standing => true,
                Terms::Trial { start_us, .. } => self.offer_of(*id).since_us < start_us,
            });
            if next.is_none() && terms == Terms::Standing {
                break;
            }
            if now_us < since_us + turn_us {
                offers.deadline_us = Some(since_us + turn_us);
                break;
            }
            // One that is larger than others gives up what is too much, and stands.
            let too_much = if next.is_some() { 1 } else { u32::MAX };
            let taken_back = self.take_back_offer(id, too_much)?;
            if self.offer_of(id).count == 0 {
                self.end_turn(id, now_us);
            }
            if taken_back == 0 {
                continue;
            }
            match next {
                Some(next) => {
                    self.make_offer(waiting.remove(next), 1, now_us)?;
                    offers.deadline_us = Some(now_us + turn_us);
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

    /// Makes offers of what is free, so that those of any two children differ by one at most.
    fn share_out(&mut self, reserve: u32, terms: Terms, now_us: u64) -> io::Result<()> {
        let most = match terms {
            Terms::Standing => MOST_OFFERED,
            Terms::Trial { most, .. } => most,
        };
        let mut order = self.without_offer(now_us);
        order.reverse();
        order.extend(self.standing().map(|(id, _)| id));
        // What is left over after each has the same goes to the most urgent.
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
            // An offer that is all there is moves on with its turn and not before.
            let stays = if self.most_offered == 0 { 0 } else { (*goal).max(1) };
            self.take_back_offer(*id, count.saturating_sub(stays))?;
        }
        for (id, goal) in goals {
            let lacks = goal.saturating_sub(self.offer_of(id).count);
            self.make_offer(id, lacks.min(self.free.saturating_sub(reserve)), now_us)?;
        }
        Ok(())
    }

    /// External commands without an offer; the next one last. That is the most urgent one, but one
    /// that had none for a whole round comes before it: nobody knows who would take what others
    /// leave lying.
    fn without_offer(&self, now_us: u64) -> Vec<ChildId> {
        let offers =
            self.children.iter().filter_map(|(id, child)| Some((*id, child.tokens.as_ref()?)));
        let foreign: Vec<(ChildId, u64, Offer)> =
            offers.filter_map(|(id, tokens)| Some((id, tokens.priority, tokens.offer?))).collect();
        let round_us = turn_us(foreign.len()) * foreign.len() as u64;
        let waiting = foreign.into_iter().filter(|(_, _, offer)| offer.count == 0);
        let mut waiting: Vec<_> = waiting
            .map(|(id, priority, Offer { since_us, .. })| {
                let overdue_since = (now_us >= since_us + round_us).then_some(Reverse(since_us));
                (overdue_since, priority, Reverse(since_us), Reverse(id))
            })
            .collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, _, _, Reverse(id))| id).collect()
    }

    /// The offers that stand.
    fn standing(&self) -> impl Iterator<Item = (ChildId, Offer)> + '_ {
        self.children.iter().filter_map(|(id, child)| {
            let offer = child.tokens.as_ref()?.offer.filter(|offer| offer.count > 0)?;
            Some((*id, offer))
        })
    }

    fn offer_of(&self, child: ChildId) -> Offer {
        self.tokens(child).and_then(|tokens| tokens.offer).unwrap_or_default()
    }

    fn make_offer(&mut self, child: ChildId, count: u32, now_us: u64) -> io::Result<()> {
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

    /// Returns how many came back: fewer than `count` if there were not as many, or the child was
    /// quicker.
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
        // What did not come back is taken, and so is what lay behind it.
        offer.taken |= taken_back < wanted;
        offer.count = if taken_back < wanted { 0 } else { rest };
        self.free += taken_back;
        Ok(taken_back)
    }

    fn end_turn(&mut self, child: ChildId, now_us: u64) {
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

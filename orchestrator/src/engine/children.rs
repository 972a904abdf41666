//! The processes of a build: workers, commands, and their survivors. Starts, reads, signals and
//! ends them. `poll` returns their messages and ends as data: knows no scheduler, no account of
//! memory and no sink.

use super::command::CommandProcess;
use super::ends::{CommandEnd, WorkerEnd};
use super::kept::{KeptWorkers, WorkerOrigin};
use super::worker::{Greeting, WorkerMessages, WorkerProcess};
use crate::graph::{Command, Graph, Item};
use crate::host::error::system;
use crate::host::probe::{Answer, Probe};
use crate::host::survivors::Search;
use crate::host::{EngineError, Guard};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::sys::process::{Exit, GroupEntry, Jobs, KILLED_WITHIN, Leftovers, reap_orphans};
use crate::sys::watch::{Watch, Watched};
use crate::sys::{group, now_us, usage};
use crate::tokens::Fifo;
use camino::Utf8Path;
use mio::Interest;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tender_protocol::{FromWorker, Plan, ToWorker};
use tender_units::{Bytes, Micros};

/// What has happened.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// This process has received signals.
    Signals,
    /// A worker has sent its greeting.
    Greeted(Greeting),
    Message {
        worker: WorkerId,
        message: FromWorker,
    },
    /// A worker wrote this to standard error. Reported between items, never inside a diagnostic.
    StandardError(String),
    /// The process was reaped. All its messages were returned before.
    WorkerEnded(EndedChild, WorkerEnd),
    /// The process was reaped.
    CommandEnded(EndedChild, CommandEnd),
    /// A program that was asked for its version has answered.
    Answered {
        probe: u32,
        answer: Answer,
    },
    /// A survivor of this child has ended, or the search for its survivors is done.
    SurvivorsChanged(ChildId),
}

/// What a watched descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    WorkerInput(WorkerId),
    WorkerOutput(WorkerId),
    WorkerErrors(WorkerId),
    WorkerEnd(WorkerId),
    CommandOutput(ItemId),
    CommandEnd(ItemId),
    Probe(u32),
    SurvivorEnd(ChildId),
    /// Tokens were returned, or have arrived; the pool counts them.
    Pool,
}

/// A process, and its watched descriptors.
struct WatchedChild<T> {
    child: T,
    watched: Vec<Watched>,
}

/// A child whose own process has ended.
#[derive(Debug)]
pub(super) struct EndedChild {
    pub(super) id: ChildId,
    /// Processes of its group that were killed with it and have not ended.
    pub(super) killed: Vec<OwnedFd>,
    /// For a command, when it started, as `family::started` returns. Processes that a worker starts
    /// stay in its group.
    command: Option<u64>,
    /// Its name in messages.
    pub(super) name: String,
    /// It ended by itself. Only then tokens that it has not returned are reported as its fault.
    pub(super) ended_by_itself: bool,
}

impl EndedChild {
    /// Only commands can have survivors outside their process group.
    pub(super) fn is_command(&self) -> bool {
        self.command.is_some()
    }
}

/// What is known of the survivors of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SurvivorState {
    /// Processes that were killed, and are about to end.
    Killed,
    /// The search for daemons is not done.
    Unknown,
    /// Processes that have left the child's process group.
    Daemons,
    Nothing,
}

struct Survivors {
    of: EndedChild,
    daemons: Vec<OwnedFd>,
    search: Option<Search>,
    /// What the last search has found, until it is moved to `daemons`.
    found: Option<Vec<OwnedFd>>,
    /// `daemons` is the result of a search, and none of them has ended since.
    is_searched: bool,
    port: Option<Watched>,
    /// The watches of `of.killed` and `daemons`. To be removed before those are closed.
    processes: Vec<Watched>,
}

pub(super) struct Children<'a> {
    graph: &'a Graph,
    /// The `tender-worker` to start.
    program: &'a Utf8Path,
    /// Workers of earlier builds that are not used here. `None`: no worker stays.
    kept: Option<&'a mut KeptWorkers>,
    /// From what workers are started here.
    origin: Option<WorkerOrigin>,
    workers: BTreeMap<WorkerId, WatchedChild<WorkerProcess>>,
    commands: BTreeMap<ItemId, WatchedChild<CommandProcess>>,
    survivors: BTreeMap<ChildId, Survivors>,
    /// Programs that are asked for their version, by a number that is not reused.
    probes: BTreeMap<u32, WatchedChild<Probe>>,
    next_probe: u32,
    /// How many ids of survivors were used.
    retired: u32,
    guard: Guard,
    watch: Watch<Source>,
    /// Sources that may have more to read. They are read again after all others.
    partly_read: Vec<Source>,
}

impl<'a> Children<'a> {
    /// `poll` returns when `signals` or `lender` become readable.
    ///
    /// # Errors
    /// Descriptors cannot be watched.
    pub(super) fn new(
        graph: &'a Graph,
        program: &'a Utf8Path,
        guard: Guard,
        signals: impl AsFd,
        lender: Option<impl AsFd>,
        kept: Option<&'a mut KeptWorkers>,
    ) -> Result<Children<'a>, EngineError> {
        let mut watch = Watch::new().map_err(system("create an epoll instance"))?;
        watch
            .add(signals, Interest::READABLE, Source::Signals)
            .map_err(system("watch for signals"))?;
        if let Some(lender) = lender {
            let added = watch.add(lender, Interest::READABLE, Source::Pool);
            added.map_err(system("watch for the parent's tokens"))?;
        }
        Ok(Children {
            graph,
            program,
            kept,
            origin: None,
            workers: BTreeMap::new(),
            commands: BTreeMap::new(),
            survivors: BTreeMap::new(),
            probes: BTreeMap::new(),
            next_probe: 0,
            retired: 0,
            guard,
            watch,
            partly_read: Vec::new(),
        })
    }

    /// Waits for events, at most `timeout`, and reads what is available. Does not wait if the last
    /// call left something unread.
    ///
    /// # Errors
    /// The program is no `tender-worker` of our version, or the system fails.
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<Vec<ChildEvent>, EngineError> {
        let timeout = if self.partly_read.is_empty() { timeout } else { Duration::ZERO };
        let deadlines = self.probes.values().filter_map(|probe| probe.child.deadline_us());
        let searches = self.survivors.values().filter_map(|one| one.search.as_ref());
        let next_us = deadlines.chain(searches.map(Search::next_us)).min();
        let until_next = |at_us: Micros| at_us.saturating_sub(now_us()).duration();
        let timeout = next_us.map_or(timeout, |at_us| until_next(at_us).min(timeout));
        let mut sources = self.watch.wait(timeout).map_err(system("wait for events"))?;
        sources.append(&mut self.partly_read);
        let mut events = Vec::new();
        for source in sources {
            self.handle_source(source, &mut events)?;
        }
        self.step_probes(&mut events);
        self.search(&mut events);
        Ok(events)
    }

    fn handle_source(
        &mut self,
        source: Source,
        events: &mut Vec<ChildEvent>,
    ) -> Result<(), EngineError> {
        let mut has_more = false;
        match source {
            Source::Signals => events.push(ChildEvent::Signals),
            Source::WorkerInput(ix) => {
                if let Some(running) = self.workers.get_mut(&ix) {
                    running.child.outgoing.flush();
                }
            }
            Source::WorkerOutput(ix) => has_more = self.read_worker(ix, events)?,
            Source::WorkerErrors(ix) => {
                if let Some(running) = self.workers.get_mut(&ix) {
                    has_more = running.child.read_errors();
                }
            }
            Source::WorkerEnd(ix) => self.reap_worker(ix, events)?,
            Source::CommandOutput(item) => {
                has_more = self.commands.get_mut(&item).is_some_and(|one| one.child.read());
            }
            Source::CommandEnd(item) => self.reap_command(item, events)?,
            Source::SurvivorEnd(child) => events.push(ChildEvent::SurvivorsChanged(child)),
            // `poll` checks all probes, and the pool its tokens.
            Source::Probe(_) | Source::Pool => {}
        }
        if has_more {
            self.partly_read.push(source);
        }
        Ok(())
    }

    /// Returns whether there may be more to read.
    fn read_worker(
        &mut self,
        ix: WorkerId,
        events: &mut Vec<ChildEvent>,
    ) -> Result<bool, EngineError> {
        let Some(WatchedChild { child, .. }) = self.workers.get_mut(&ix) else { return Ok(false) };
        let WorkerMessages { greeting, messages, has_more } = child.read(self.program)?;
        events.extend(greeting.map(ChildEvent::Greeted));
        for message in messages {
            // LLVM and linkers may write to standard error.
            let text = match message {
                FromWorker::ItemFinished(_) | FromWorker::SlotParked => child.take_unshown_errors(),
                _ => None,
            };
            events.extend(text.map(ChildEvent::StandardError));
            events.push(ChildEvent::Message { worker: ix, message });
        }
        Ok(has_more)
    }

    fn reap_worker(
        &mut self,
        ix: WorkerId,
        events: &mut Vec<ChildEvent>,
    ) -> Result<(), EngineError> {
        let Some(WatchedChild { child, .. }) = self.workers.get_mut(&ix) else { return Ok(()) };
        let Some(exit) = child.try_reap().map_err(system("wait for a worker"))? else {
            return Ok(());
        };
        // Its last messages may still be in the pipes.
        self.read_worker(ix, events)?;
        let Some(WatchedChild { mut child, watched }) = self.workers.remove(&ix) else {
            return Ok(());
        };
        self.forget(watched);
        child.read_errors();
        let gone = EndedChild {
            id: ChildId::Worker(ix),
            killed: child.process.take_killed(),
            command: None,
            name: child.name(),
            ended_by_itself: matches!(exit, Exit::Code(_)),
        };
        let (cause, how, tail) = child.end(self.program, exit);
        events.push(ChildEvent::WorkerEnded(gone, WorkerEnd { worker: ix, cause, how, tail }));
        Ok(())
    }

    fn reap_command(
        &mut self,
        ix: ItemId,
        events: &mut Vec<ChildEvent>,
    ) -> Result<(), EngineError> {
        let Some(WatchedChild { child, .. }) = self.commands.get_mut(&ix) else { return Ok(()) };
        let reaped = child.process.try_reap(Leftovers::Kill);
        let Some(exit) = reaped.map_err(system("wait for a command"))? else { return Ok(()) };
        let id = ChildId::Command(ix);
        let name = self.name_of(id);
        let Some(WatchedChild { mut child, watched }) = self.commands.remove(&ix) else {
            return Ok(());
        };
        self.forget(watched);
        child.read();
        let gone = EndedChild {
            id,
            killed: child.process.take_killed(),
            command: Some(child.started),
            name,
            ended_by_itself: !child.interrupted,
        };
        let end = CommandEnd {
            item: ix,
            success: exit.success(),
            how: exit.to_string(),
            was_interrupted: child.interrupted,
            text: child.text(),
            wall_us: now_us() - child.started_us,
        };
        events.push(ChildEvent::CommandEnded(gone, end));
        Ok(())
    }

    /// Starts a worker with `jobs`. `poll` returns when `port` becomes readable. Returns its pid.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start_worker(
        &mut self,
        ix: WorkerId,
        jobs: &Jobs<'_>,
        port: Option<impl AsFd>,
    ) -> Result<u32, EngineError> {
        self.note_origin();
        let entry = self.guard.entry()?;
        let child = WorkerProcess::start(self.program, &self.graph.root, jobs, entry)?;
        self.insert_worker(ix, child, port)
    }

    /// Of the first worker here. If its program is replaced later, none of this build is used by the
    /// next.
    fn note_origin(&mut self) -> &WorkerOrigin {
        let (program, root) = (self.program, &self.graph.root);
        self.origin.get_or_insert_with(|| WorkerOrigin::now(program, root))
    }

    /// Takes a worker of an earlier build, with its port.
    pub(super) fn take_kept(&mut self) -> Option<(WorkerProcess, Fifo)> {
        if self.kept.as_ref().is_none_or(|kept| kept.is_empty()) {
            return None;
        }
        let origin = self.note_origin().clone();
        self.kept.as_mut()?.take(&origin)
    }

    /// Ends the workers of earlier builds that are not used here, because memory is short.
    pub(super) fn end_kept(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.end();
        }
    }

    /// What the workers of earlier builds use that are not used here.
    pub(super) fn kept_bytes(&self) -> Bytes {
        self.kept.as_ref().map_or(Bytes::ZERO, |kept| kept.resident_bytes())
    }

    /// Whether a worker may stay when this build ends.
    pub(super) fn can_keep(&self, ix: WorkerId, most: u32) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.len() < most as usize)
            && self.worker(ix).is_some_and(WorkerProcess::can_stay)
    }

    /// Gives a worker that has no slot and no item to the next build, with its port.
    pub(super) fn keep_worker(&mut self, ix: WorkerId, port: Fifo) {
        let origin = self.note_origin().clone();
        let Some(WatchedChild { mut child, watched }) = self.workers.remove(&ix) else { return };
        self.forget(watched);
        child.leave();
        if let Some(kept) = &mut self.kept {
            kept.keep(child, port, origin);
        }
    }

    /// Whether workers stay when this build ends.
    pub(super) fn keeps_workers(&self) -> bool {
        self.kept.is_some()
    }

    /// A worker of an earlier build is used here. `poll` returns when `port` becomes readable. Returns
    /// its pid.
    ///
    /// # Errors
    /// Its descriptors cannot be watched.
    pub(super) fn join_worker(
        &mut self,
        ix: WorkerId,
        mut child: WorkerProcess,
        port: Option<impl AsFd>,
    ) -> Result<(u32, Option<Greeting>), EngineError> {
        let entry = self.guard.entry()?;
        let greeting = child.join(entry);
        Ok((self.insert_worker(ix, child, port)?, greeting))
    }

    fn insert_worker(
        &mut self,
        ix: WorkerId,
        child: WorkerProcess,
        port: Option<impl AsFd>,
    ) -> Result<u32, EngineError> {
        let watch = &mut self.watch;
        let mut watched = vec![
            watch.add(&child.output, Interest::READABLE, Source::WorkerOutput(ix)),
            watch.add(&child.errors, Interest::READABLE, Source::WorkerErrors(ix)),
            watch.add(child.process.pidfd(), Interest::READABLE, Source::WorkerEnd(ix)),
        ];
        let input = child.outgoing.fd();
        watched.extend(input.map(|fd| watch.add(fd, Interest::WRITABLE, Source::WorkerInput(ix))));
        watched.extend(port.map(|port| watch.add(port, Interest::READABLE, Source::Pool)));
        let watched =
            watched.into_iter().collect::<io::Result<_>>().map_err(system("watch a worker"))?;
        let pid = child.process.pid();
        self.workers.insert(ix, WatchedChild { child, watched });
        Ok(pid)
    }

    /// As `start_worker`, of a command. Returns when it started, microseconds, or why its program
    /// cannot be started.
    ///
    /// # Errors
    /// The system fails.
    pub(super) fn start_command(
        &mut self,
        ix: ItemId,
        item: &Item,
        command: &Command,
        jobs: &Jobs<'_>,
        port: Option<impl AsFd>,
    ) -> Result<io::Result<Micros>, EngineError> {
        let entry = self.guard.entry()?;
        let child = match CommandProcess::start(self.graph, item, command, jobs, entry) {
            Ok(child) => child,
            Err(error) => return Ok(Err(error)),
        };
        let watch = &mut self.watch;
        let mut watched = vec![
            watch.add(&child.output, Interest::READABLE, Source::CommandOutput(ix)),
            watch.add(child.process.pidfd(), Interest::READABLE, Source::CommandEnd(ix)),
        ];
        watched.extend(port.map(|port| watch.add(port, Interest::READABLE, Source::Pool)));
        let watched =
            watched.into_iter().collect::<io::Result<_>>().map_err(system("watch a command"))?;
        let started_us = child.started_us;
        self.commands.insert(ix, WatchedChild { child, watched });
        Ok(Ok(started_us))
    }

    /// Asks a program for its version, in the directory of the command that it is asked for.
    /// Returns the number of the probe, or why the program cannot be started.
    ///
    /// # Errors
    /// The system fails.
    pub(super) fn start_probe(
        &mut self,
        program: &Utf8Path,
        dir: &Utf8Path,
    ) -> Result<io::Result<u32>, EngineError> {
        let entry = self.guard.entry()?;
        let child = match Probe::start(program, dir, entry, now_us()) {
            Ok(child) => child,
            Err(error) => return Ok(Err(error)),
        };
        let number = self.next_probe;
        self.next_probe += 1;
        let watch = &mut self.watch;
        let watched = child.descriptors();
        let watched = watched.map(|fd| watch.add(fd, Interest::READABLE, Source::Probe(number)));
        let watched =
            watched.into_iter().collect::<io::Result<_>>().map_err(system("watch a program"))?;
        self.probes.insert(number, WatchedChild { child, watched });
        Ok(Ok(number))
    }

    fn step_probes(&mut self, events: &mut Vec<ChildEvent>) {
        let now_us = now_us();
        let mut over = Vec::new();
        for (number, WatchedChild { child, .. }) in &mut self.probes {
            if let Some(answer) = child.step(now_us) {
                events.push(ChildEvent::Answered { probe: *number, answer });
            }
            over.extend(child.is_over().then_some(*number));
        }
        for number in over {
            if let Some(WatchedChild { child, watched }) = self.probes.remove(&number) {
                self.forget(watched);
                drop(child);
            }
        }
    }

    /// Ends all probes. Their answers are not needed any more.
    pub(super) fn end_probes(&mut self) {
        self.probes.values_mut().for_each(|probe| probe.child.end());
    }

    /// A new id for the survivors of a child.
    pub(super) fn survivor_id(&mut self) -> ChildId {
        let id = ChildId::Survivors(self.retired);
        self.retired += 1;
        id
    }

    /// Watches the survivors that `of` may have, under its new id, until they are taken.
    pub(super) fn keep(&mut self, of: EndedChild, port: Option<impl AsFd>) {
        let watch = &mut self.watch;
        let port = port.and_then(|port| watch.add(port, Interest::READABLE, Source::Pool).ok());
        let id = of.id;
        let survivors = Survivors {
            of,
            daemons: Vec::new(),
            search: None,
            found: None,
            is_searched: false,
            port,
            processes: Vec::new(),
        };
        self.survivors.insert(id, survivors);
        self.watch_survivors(id);
    }

    /// Stops watching survivors, and returns their child.
    pub(super) fn take_survivors(&mut self, id: ChildId) -> Option<EndedChild> {
        let Survivors { of, port, processes, .. } = self.survivors.remove(&id)?;
        self.forget(port.into_iter().chain(processes));
        Some(of)
    }

    /// The current state of survivors. `fifo` is the path of their port if tokens are missing,
    /// which a daemon may hold. If none are missing, daemons do not matter, because they are
    /// granted none.
    pub(super) fn survivor_state(&mut self, id: ChildId, fifo: Option<&str>) -> SurvivorState {
        let ours = self.pids();
        let Some(survivors) = self.survivors.get_mut(&id) else { return SurvivorState::Nothing };
        let processes = std::mem::take(&mut survivors.processes);
        self.forget(processes);
        let Some(survivors) = self.survivors.get_mut(&id) else { return SurvivorState::Nothing };
        if let Some(found) = survivors.found.take() {
            survivors.daemons = found;
            survivors.is_searched = true;
        }
        let daemons = survivors.daemons.len();
        survivors.of.killed.retain(|process| !group::has_ended(process));
        survivors.daemons.retain(|process| !group::has_ended(process));
        // A daemon that has ended may have started others.
        survivors.is_searched &= survivors.daemons.len() == daemons;
        let left = match (survivors.of.command, fifo) {
            _ if !survivors.of.killed.is_empty() => SurvivorState::Killed,
            (Some(since), Some(fifo)) if !survivors.is_searched => {
                let search = || Search::new(fifo.to_owned(), ours, since);
                survivors.search.get_or_insert_with(search);
                SurvivorState::Unknown
            }
            (Some(_), Some(_)) if !survivors.daemons.is_empty() => SurvivorState::Daemons,
            _ => SurvivorState::Nothing,
        };
        self.watch_survivors(id);
        left
    }

    /// Watches the ends of survivors. One that has ended already is readable at once.
    fn watch_survivors(&mut self, id: ChildId) {
        let Some(survivors) = self.survivors.get_mut(&id) else { return };
        let running = survivors.of.killed.iter().chain(&survivors.daemons);
        let source = Source::SurvivorEnd(id);
        let watch = &mut self.watch;
        survivors.processes =
            running.filter_map(|fd| watch.add(fd, Interest::READABLE, source).ok()).collect();
    }

    /// Does a part of each search. A search reads much of /proc, and events must not wait for it.
    fn search(&mut self, events: &mut Vec<ChildEvent>) {
        for (id, survivors) in &mut self.survivors {
            if let Some(search) = &mut survivors.search
                && let Some(found) = search.step(now_us())
            {
                survivors.search = None;
                survivors.found = Some(found);
                events.push(ChildEvent::SurvivorsChanged(*id));
            }
        }
    }

    /// Kills all children. No output is lost: an output has its final name before its item is
    /// reported. Waits for their ends, some milliseconds, so that their processor time is added to
    /// ours, and no file is in use when we have ended. Returns all children, and which of them were
    /// workers.
    pub(super) fn kill_all(&mut self) -> Vec<(ChildId, Option<WorkerId>)> {
        for running in self.workers.values() {
            running.child.process.signal_group(Signal::KILL);
        }
        self.end_probes();
        let mut gone = Vec::new();
        while let Some((ix, mut running)) = self.workers.pop_first() {
            self.forget(running.watched);
            running.child.process.kill();
            gone.push((ChildId::Worker(ix), Some(ix)));
        }
        while let Some((item, mut running)) = self.commands.pop_first() {
            running.child.process.kill();
            self.forget(running.watched);
            gone.push((ChildId::Command(item), None));
        }
        // Dropping a probe waits for its end.
        while let Some((_, WatchedChild { child, watched })) = self.probes.pop_first() {
            self.forget(watched);
            drop(child);
        }
        // Killed survivors are waited for. Daemons keep running.
        while let Some((id, survivors)) = self.survivors.pop_first() {
            let Survivors { of, port, processes, .. } = survivors;
            self.forget(port.into_iter().chain(processes));
            group::wait_for_end(&of.killed, KILLED_WITHIN);
            gone.push((id, None));
        }
        gone
    }

    fn forget(&mut self, watched: impl IntoIterator<Item = Watched>) {
        for one in watched {
            self.watch.remove(one);
        }
    }

    pub(super) fn program(&self) -> &'a Utf8Path {
        self.program
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The watchdog's entry for the group of a process that is started elsewhere.
    ///
    /// # Errors
    /// The watchdog cannot be started.
    pub(super) fn group_entry(&mut self) -> Result<Option<GroupEntry>, EngineError> {
        self.guard.entry()
    }

    pub(super) fn worker(&self, ix: WorkerId) -> Option<&WorkerProcess> {
        self.workers.get(&ix).map(|running| &running.child)
    }

    fn worker_mut(&mut self, ix: WorkerId) -> Option<&mut WorkerProcess> {
        self.workers.get_mut(&ix).map(|running| &mut running.child)
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = (WorkerId, &WorkerProcess)> {
        self.workers.iter().map(|(ix, running)| (*ix, &running.child))
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = (ItemId, &CommandProcess)> {
        self.commands.iter().map(|(item, running)| (*item, &running.child))
    }

    pub(super) fn has_commands(&self) -> bool {
        !self.commands.is_empty()
    }

    pub(super) fn has_survivors(&self) -> bool {
        !self.survivors.is_empty()
    }

    pub(super) fn send(&mut self, worker: WorkerId, message: &ToWorker) {
        if let Some(child) = self.worker_mut(worker) {
            child.send(message);
        }
    }

    pub(super) fn send_plan(&mut self, worker: WorkerId, plan: Plan) {
        if let Some(child) = self.worker_mut(worker) {
            child.send_plan(plan);
        }
    }

    /// Grants memory for one part of an item, bytes.
    pub(super) fn lease(&mut self, worker: WorkerId, item: ItemId, bytes: Bytes) {
        if let Some(child) = self.worker_mut(worker) {
            child.lease(item, bytes);
        }
    }

    /// Kills a worker that violated the protocol. `what` it did is reported as the cause of its
    /// end.
    pub(super) fn kill_as_faulty(&mut self, worker: WorkerId, what: String) {
        if let Some(child) = self.worker_mut(worker) {
            child.kill_as_faulty(what);
        }
    }

    /// Closes the worker's input. It ends when it has finished its items.
    pub(super) fn close_worker(&mut self, ix: WorkerId) {
        self.watch.remove_source(Source::WorkerInput(ix));
        if let Some(child) = self.worker_mut(ix) {
            child.close();
        }
    }

    /// Kills a worker with its linker. Its end is returned by `poll` as any other.
    pub(super) fn kill_worker(&self, ix: WorkerId) {
        if let Some(child) = self.worker(ix) {
            child.process.signal_group(Signal::KILL);
        }
    }

    /// The build is interrupted: kills workers, whose outputs are written atomically, and passes
    /// the signal on to commands.
    pub(super) fn interrupt(&mut self, signal: Signal) {
        for running in self.workers.values_mut() {
            running.child.dismiss();
        }
        for running in self.commands.values_mut() {
            running.child.interrupted = true;
            running.child.process.signal_group(signal);
            // A stopped process handles the signal only when it is continued.
            running.child.process.signal_group(Signal::CONT);
        }
    }

    /// Sends signals to the process groups of all workers and all commands.
    pub(super) fn signal_all(&self, to_workers: Signal, to_commands: Signal) {
        for (_, child) in self.workers() {
            child.process.signal_group(to_workers);
        }
        for (_, child) in self.commands() {
            child.process.signal_group(to_commands);
        }
    }

    /// The pids of workers, commands, probes and the watchdog.
    fn pids(&self) -> BTreeSet<u32> {
        let mut pids = self.own_pids();
        pids.extend(self.commands().map(|(_, child)| child.process.pid()));
        pids
    }

    /// The pids of workers, probes and the watchdog.
    pub(super) fn own_pids(&self) -> BTreeSet<u32> {
        let workers = self.workers().map(|(_, child)| child.process.pid());
        let probes = self.probes.values().map(|probe| probe.child.pid());
        let kept = self.kept.as_ref().map(|kept| kept.pids()).unwrap_or_default();
        workers.chain(probes).chain(self.guard.pid()).chain(kept).collect()
    }

    /// Reaps orphans that became children of this process and have ended.
    pub(super) fn reap_orphans(&self) {
        let ours = self.pids();
        reap_orphans(|pid| ours.contains(&pid));
    }

    /// The name of the child in messages.
    pub(super) fn name_of(&self, child: ChildId) -> String {
        match child {
            ChildId::Worker(worker) => {
                self.worker(worker).map_or("tender-worker".to_owned(), WorkerProcess::name)
            }
            ChildId::Command(item) => {
                let item = &self.graph[item];
                format!("the command for `{}` of crate `{}`", item.label, item.krate_name)
            }
            ChildId::Survivors(_) => {
                let survivors = self.survivors.get(&child);
                survivors.map_or("a process that a child left running".to_owned(), |one| {
                    one.of.name.clone()
                })
            }
        }
    }

    /// The processor time of each worker, microseconds, if it can be read.
    pub(super) fn used_us(&self) -> Vec<(WorkerId, Micros)> {
        let used = |(ix, child): (WorkerId, &WorkerProcess)| {
            Some((ix, child.gauge.as_ref().and_then(usage::Gauge::used_us)?))
        };
        self.workers().filter_map(used).collect()
    }
}

impl Drop for Children<'_> {
    /// Also after a panic.
    fn drop(&mut self) {
        self.kill_all();
    }
}

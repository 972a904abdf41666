//! The processes that a build has started: workers, commands, and what those left running. Starts,
//! hears, signals and ends them. What they say and how they end comes out of `poll` as data: knows
//! no scheduler, no account of memory, and nobody who is told.

use super::command::CommandProcess;
use super::ends::{CommandEnd, WorkerEnd};
use super::worker::{Greeting, Heard, WorkerProcess};
use crate::graph::{Command, Graph, Item};
use crate::host::error::system;
use crate::host::{EngineError, Guard, survivors};
use crate::keys::{ChildId, ItemIx, WorkerId};
use crate::sys::process::{Exit, Jobs, KILLED_WITHIN, Leftovers, reap_orphans};
use crate::sys::watch::{Watch, Watched};
use crate::sys::{group, now_us, usage};
use camino::Utf8Path;
use mio::Interest;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tender_protocol::{FromWorker, Plan, ToWorker};

/// What has happened.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// Signals have reached this process.
    Signals,
    /// A worker has said which LLVM and which libraries it has.
    Greeted(Greeting),
    /// A worker has said something after its greeting for the first time.
    Heard(WorkerId),
    Said {
        worker: WorkerId,
        message: FromWorker,
    },
    /// A worker wrote this to standard error. Told between items, never inside a diagnostic.
    Complained(String),
    /// It is no child any more. All that it said was told before.
    WorkerEnded(Gone, WorkerEnd),
    /// It is no child any more.
    CommandEnded(Gone, CommandEnd),
    /// A process that this child has left running has ended.
    SurvivorEnded(ChildId),
}

/// What a watched descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Signals,
    WorkerInput(WorkerId),
    WorkerOutput(WorkerId),
    WorkerErrors(WorkerId),
    WorkerEnd(WorkerId),
    CommandOutput(ItemIx),
    CommandEnd(ItemIx),
    SurvivorEnd(ChildId),
    /// Tokens were taken, returned, or have arrived: whoever owns the pool finds out.
    Pool,
}

/// Watched for as long as it is there.
struct Running<T> {
    child: T,
    watched: Vec<Watched>,
}

/// A child whose own process is gone.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) id: ChildId,
    /// The number of its process group, all of which was killed.
    group: u32,
    /// A command, and when it started, as `family::started` says. What a worker starts stays in its
    /// group.
    command: Option<u64>,
    /// How people know it.
    pub(super) name: String,
    /// Tokens that it has not returned are a fault of its: nobody killed it or told it to stop.
    pub(super) in_order: bool,
}

/// What a child that is gone has left running, each process as the descriptor that tells its end.
pub(super) struct Left {
    killed: Vec<OwnedFd>,
    daemons: Vec<OwnedFd>,
}

impl Left {
    pub(super) fn is_empty(&self) -> bool {
        self.killed.is_empty() && self.daemons.is_empty()
    }

    /// Nothing of it is about to end.
    pub(super) fn has_daemons_alone(&self) -> bool {
        self.killed.is_empty()
    }
}

struct Survivors {
    of: Gone,
    /// Closed after they are not watched any more.
    _left: Left,
    watched: Vec<Watched>,
}

pub(super) struct Children<'a> {
    graph: &'a Graph,
    /// The `tender-worker` to start.
    program: &'a Utf8Path,
    workers: BTreeMap<WorkerId, Running<WorkerProcess>>,
    commands: BTreeMap<ItemIx, Running<CommandProcess>>,
    survivors: BTreeMap<ChildId, Survivors>,
    /// How many children have left something running, each of which got an id of its own for it.
    retired: u32,
    guard: Guard,
    watch: Watch<Source>,
    /// What was not read to its end, and is to be heard again after everything else.
    again: Vec<Source>,
}

impl<'a> Children<'a> {
    /// `signals` and `lender` wake `poll` when there is something to read.
    ///
    /// # Errors
    /// The system does not let us watch descriptors.
    pub(super) fn new(
        graph: &'a Graph,
        program: &'a Utf8Path,
        guard: Guard,
        signals: impl AsFd,
        lender: Option<impl AsFd>,
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
            workers: BTreeMap::new(),
            commands: BTreeMap::new(),
            survivors: BTreeMap::new(),
            retired: 0,
            guard,
            watch,
            again: Vec::new(),
        })
    }

    /// Sleeps until something happens, at most `timeout` and not at all where more was there than was
    /// read last time, and reads what there is to read.
    ///
    /// # Errors
    /// A worker is not one of ours, or the system fails.
    pub(super) fn poll(&mut self, timeout: Duration) -> Result<Vec<ChildEvent>, EngineError> {
        let timeout = if self.again.is_empty() { timeout } else { Duration::ZERO };
        let mut sources = self.watch.wait(timeout).map_err(system("wait for events"))?;
        sources.append(&mut self.again);
        let mut events = Vec::new();
        for source in sources {
            self.hear(source, &mut events)?;
        }
        Ok(events)
    }

    fn hear(&mut self, source: Source, events: &mut Vec<ChildEvent>) -> Result<(), EngineError> {
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
            Source::SurvivorEnd(child) => events.push(ChildEvent::SurvivorEnded(child)),
            Source::Pool => {}
        }
        if has_more {
            self.again.push(source);
        }
        Ok(())
    }

    /// Returns whether there may be more to read.
    fn read_worker(
        &mut self,
        ix: WorkerId,
        events: &mut Vec<ChildEvent>,
    ) -> Result<bool, EngineError> {
        let Some(Running { child, .. }) = self.workers.get_mut(&ix) else { return Ok(false) };
        let Heard { greeting, is_first, messages, has_more } = child.read(self.program)?;
        events.extend(greeting.map(ChildEvent::Greeted));
        if is_first {
            events.push(ChildEvent::Heard(ix));
        }
        for message in messages {
            // Code in LLVM or a linker may print where it likes.
            let complaint = match message {
                FromWorker::ItemFinished(_) | FromWorker::SlotParked => child.take_complaint(),
                _ => None,
            };
            events.extend(complaint.map(ChildEvent::Complained));
            events.push(ChildEvent::Said { worker: ix, message });
        }
        Ok(has_more)
    }

    fn reap_worker(
        &mut self,
        ix: WorkerId,
        events: &mut Vec<ChildEvent>,
    ) -> Result<(), EngineError> {
        let Some(Running { child, .. }) = self.workers.get_mut(&ix) else { return Ok(()) };
        let Some(exit) = child.try_reap().map_err(system("wait for a worker"))? else {
            return Ok(());
        };
        self.guard.remove_group(child.process.pid());
        // Its last words may still lie in the pipes.
        self.read_worker(ix, events)?;
        let Some(Running { mut child, watched }) = self.workers.remove(&ix) else { return Ok(()) };
        self.forget(watched);
        child.read_errors();
        let gone = Gone {
            id: ChildId::Worker(ix),
            group: child.process.pid(),
            command: None,
            name: child.name(),
            in_order: matches!(exit, Exit::Code(_)),
        };
        let (cause, how, tail) = child.end(self.program, exit);
        events.push(ChildEvent::WorkerEnded(gone, WorkerEnd { worker: ix, cause, how, tail }));
        Ok(())
    }

    fn reap_command(
        &mut self,
        ix: ItemIx,
        events: &mut Vec<ChildEvent>,
    ) -> Result<(), EngineError> {
        let Some(Running { child, .. }) = self.commands.get_mut(&ix) else { return Ok(()) };
        let reaped = child.process.try_reap(Leftovers::Kill);
        let Some(exit) = reaped.map_err(system("wait for a command"))? else { return Ok(()) };
        self.guard.remove_group(child.process.pid());
        let id = ChildId::Command(ix);
        let name = self.name_of(id);
        let Some(Running { mut child, watched }) = self.commands.remove(&ix) else {
            return Ok(());
        };
        self.forget(watched);
        child.read();
        let gone = Gone {
            id,
            group: child.process.pid(),
            command: Some(child.started),
            name,
            in_order: !child.interrupted,
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

    /// Starts a worker with `jobs`; `port` wakes `poll` when tokens move. Returns its pid.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start_worker(
        &mut self,
        ix: WorkerId,
        jobs: &Jobs<'_>,
        port: Option<impl AsFd>,
    ) -> Result<u32, EngineError> {
        let child = WorkerProcess::start(self.program, &self.graph.root, jobs)?;
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
        self.guard.add_group(pid)?;
        self.workers.insert(ix, Running { child, watched });
        Ok(pid)
    }

    /// As `start_worker`, of a command. Returns when it started, microseconds, or why its program
    /// cannot be started.
    ///
    /// # Errors
    /// The system fails.
    pub(super) fn start_command(
        &mut self,
        ix: ItemIx,
        item: &Item,
        command: &Command,
        jobs: &Jobs<'_>,
        port: Option<impl AsFd>,
    ) -> Result<io::Result<u64>, EngineError> {
        let child = match CommandProcess::start(self.graph, item, command, jobs) {
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
        self.guard.add_group(child.process.pid())?;
        self.commands.insert(ix, Running { child, watched });
        Ok(Ok(started_us))
    }

    /// What a child has left running. `fifo` is its port by name, and `lacks` tells whether tokens of
    /// it are missing: whoever has no name may have taken some before it lost it; if none are missing
    /// it does not matter whose it is.
    pub(super) fn left_by(
        &self,
        gone: &Gone,
        fifo: Option<&str>,
        lacks: impl FnOnce() -> bool,
    ) -> Left {
        // One that ends just now is not there any more, and one that cannot be watched is not
        // waited for.
        let open = |pid: &Pid| pidfd_open(*pid, PidfdFlags::NONBLOCK).ok();
        let killed = group::running_in(gone.group).iter().filter_map(open).collect();
        let daemons = match (gone.command, fifo) {
            (Some(since), Some(fifo)) => self.daemons(fifo, lacks(), since),
            _ => Vec::new(),
        };
        Left { killed, daemons: daemons.iter().filter_map(open).collect() }
    }

    /// What has left a command's group.
    fn daemons(&self, fifo: &str, lacks: bool, since: u64) -> Vec<Pid> {
        let mut daemons = survivors::of(fifo);
        if lacks {
            daemons.extend(survivors::unnamed(fifo, &self.pids(), since));
        }
        daemons
    }

    /// An id for what a child has left running.
    pub(super) fn survivor_id(&mut self) -> ChildId {
        let id = ChildId::Survivors(self.retired);
        self.retired += 1;
        id
    }

    /// Watches what `of` has left running, under its new id, until it has ended.
    pub(super) fn keep(&mut self, of: Gone, left: Left, port: Option<impl AsFd>) {
        let source = Source::SurvivorEnd(of.id);
        let pidfds = left.killed.iter().chain(&left.daemons);
        let watch = &mut self.watch;
        let mut watched: Vec<Watched> =
            pidfds.filter_map(|fd| watch.add(fd, Interest::READABLE, source).ok()).collect();
        watched
            .extend(port.and_then(|port| watch.add(port, Interest::READABLE, Source::Pool).ok()));
        self.survivors.insert(of.id, Survivors { of, _left: left, watched });
    }

    /// Takes out what was kept: one of the processes has ended, and may have started others.
    pub(super) fn take_survivors(&mut self, id: ChildId) -> Option<Gone> {
        let Survivors { of, watched, .. } = self.survivors.remove(&id)?;
        self.forget(watched);
        Some(of)
    }

    /// Nothing of ours outlives the build. Outputs are at their final names before an item is
    /// reported, so there is nothing to lose. All are waited for, some milliseconds, so that their
    /// processor time is counted as ours, and nothing of ours is in use when we have ended: no file,
    /// no disk. Returns all that are gone, and which of them were workers.
    pub(super) fn kill_all(&mut self) -> Vec<(ChildId, Option<WorkerId>)> {
        for running in self.workers.values() {
            running.child.process.signal_group(Signal::KILL);
        }
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
        // Those that were killed are waited for. A daemon has left its group, and nobody waits for
        // that.
        while let Some((id, Survivors { of, watched, .. })) = self.survivors.pop_first() {
            self.forget(watched);
            group::wait_for_end(of.group, KILLED_WITHIN);
            gone.push((id, None));
        }
        gone
    }

    fn forget(&mut self, watched: Vec<Watched>) {
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

    pub(super) fn worker(&self, ix: WorkerId) -> Option<&WorkerProcess> {
        self.workers.get(&ix).map(|running| &running.child)
    }

    fn worker_mut(&mut self, ix: WorkerId) -> Option<&mut WorkerProcess> {
        self.workers.get_mut(&ix).map(|running| &mut running.child)
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = (WorkerId, &WorkerProcess)> {
        self.workers.iter().map(|(ix, running)| (*ix, &running.child))
    }

    pub(super) fn commands(&self) -> impl Iterator<Item = (ItemIx, &CommandProcess)> {
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
    pub(super) fn lease(&mut self, worker: WorkerId, item: ItemIx, bytes: u64) {
        if let Some(child) = self.worker_mut(worker) {
            child.lease(item, bytes);
        }
    }

    /// The worker did what none of ours does: it is killed. `what` is said of it.
    pub(super) fn accuse(&mut self, worker: WorkerId, what: String) {
        if let Some(child) = self.worker_mut(worker) {
            child.accuse(what);
        }
    }

    /// The worker gets no more to do, and ends when it has done what it has.
    pub(super) fn close_worker(&mut self, ix: WorkerId) {
        self.watch.remove_source(Source::WorkerInput(ix));
        if let Some(child) = self.worker_mut(ix) {
            child.close();
        }
    }

    /// Kills a worker with the linker that it has started. Its end is told like any other.
    pub(super) fn kill_worker(&self, ix: WorkerId) {
        if let Some(child) = self.worker(ix) {
            child.process.signal_group(Signal::KILL);
        }
    }

    /// The build is interrupted: kills workers, which leave nothing half-written, and passes the
    /// signal on to commands.
    pub(super) fn interrupt(&mut self, signal: Signal) {
        for running in self.workers.values_mut() {
            running.child.dismiss();
        }
        for running in self.commands.values_mut() {
            running.child.interrupted = true;
            running.child.process.signal_group(signal);
            // One that is stopped would never get to see it.
            running.child.process.signal_group(Signal::CONT);
        }
    }

    /// To all processes of all workers, and of all commands.
    pub(super) fn signal_all(&self, to_workers: Signal, to_commands: Signal) {
        for (_, child) in self.workers() {
            child.process.signal_group(to_workers);
        }
        for (_, child) in self.commands() {
            child.process.signal_group(to_commands);
        }
    }

    /// Of workers, commands and the watchdog.
    fn pids(&self) -> BTreeSet<u32> {
        let workers = self.workers().map(|(_, child)| child.process.pid());
        let commands = self.commands().map(|(_, child)| child.process.pid());
        workers.chain(commands).chain(self.guard.pid()).collect()
    }

    /// Of workers and the watchdog: what is no command's.
    pub(super) fn own_pids(&self) -> BTreeSet<u32> {
        self.workers().map(|(_, child)| child.process.pid()).chain(self.guard.pid()).collect()
    }

    /// Waits for processes that others have left to us and that have ended.
    pub(super) fn reap_orphans(&self) {
        let ours = self.pids();
        reap_orphans(|pid| ours.contains(&pid));
    }

    /// How people know the child.
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
                survivors.map_or("what a child left running".to_owned(), |one| one.of.name.clone())
            }
        }
    }

    /// The processor time that each worker has used, microseconds, where that can be read.
    pub(super) fn used_us(&self) -> Vec<(WorkerId, u64)> {
        let used = |(ix, child): (WorkerId, &WorkerProcess)| {
            Some((ix, child.gauge.as_ref().and_then(usage::Gauge::used_us)?))
        };
        self.workers().filter_map(used).collect()
    }
}

impl Drop for Children<'_> {
    /// When we panic, too.
    fn drop(&mut self) {
        self.kill_all();
    }
}

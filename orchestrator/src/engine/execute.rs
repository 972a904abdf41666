//! Executes the scheduler's actions, each with the owners that it needs. Decides nothing.

use super::children::Children;
use super::progress::Progress;
use super::record::Record;
use super::slots::JobSlots;
use super::worker::Greeting;
use crate::events::Event;
use crate::graph::{Graph, Item, Run};
use crate::host::tools::Tools;
use crate::host::{EngineError, jobs_of, unshared};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::manifest;
use crate::schedule::{PlannedItem, Scheduler};
use crate::sys::now_us;
use crate::tokens::ChildKind;
use crate::toolchain::{Toolchain, ToolchainError};
use tender_protocol::{Plan, PlanId, Translate, Work};

/// Starts a worker on a free slot, or takes one of an earlier build. With `fresh`, memory is short or
/// an item is suspected, so none of those stays.
///
/// # Errors
/// It cannot be started, or its FIFO cannot be made.
pub(super) fn start_worker(
    children: &mut Children<'_>,
    slots: &mut JobSlots,
    record: &mut Record<'_>,
    progress: &mut Progress<'_>,
    ix: WorkerId,
    fresh: bool,
) -> Result<(), EngineError> {
    let id = ChildId::Worker(ix);
    if fresh {
        children.end_kept();
    }
    let pid = match children.take_kept() {
        Some((process, port)) => {
            slots.readmit(id, port);
            let (pid, greeting) = children.join_worker(ix, process, slots.port(id))?;
            if let Some(Greeting { llvm, libraries }) = greeting {
                record.tool_said(&llvm, &libraries);
            }
            pid
        }
        None => {
            let admission = slots.admit(id, ChildKind::Own)?;
            let port = slots.port(id);
            children.start_worker(ix, &jobs_of(&admission), port)?
        }
    };
    progress.report(Event::WorkerStarted { worker: ix, pid, at_us: now_us() });
    Ok(())
}

/// A plan, and the items that cannot be in it because no program to link with is found.
pub(super) struct PlanForWorker {
    pub(super) plan: Plan,
    pub(super) without_driver: Vec<(ItemId, ToolchainError)>,
}

/// Completes the plan of these items, and begins their records. `jobs` is the number of slots of
/// the build.
pub(super) fn plan(
    graph: &Graph,
    items: &[PlannedItem],
    jobs: u32,
    record: &mut Record<'_>,
    progress: &mut Progress<'_>,
    toolchain: &mut Toolchain,
) -> PlanForWorker {
    let mut planned_items = Vec::new();
    let mut without_driver = Vec::new();
    for planned in items {
        let item = &graph[planned.item];
        // Units were judged. An archive in their plan was not: it is dirty because they are.
        if !planned.after.is_empty() {
            let reason = record.reason_behind(planned.item, planned.after[0]);
            progress.dirty(planned.item, reason, record.last_wall_us(planned.item));
        }
        let Run::Worker(work) = &item.run else {
            unreachable!("commands are not given to workers")
        };
        let mut work = work.clone();
        let found = drivers(&mut work).into_iter().try_for_each(|driver| {
            if let Some(words) = toolchain.driver(driver)? {
                driver.clone_from(&words);
                progress.report(Event::Driver { item: planned.item, words });
            }
            Ok(())
        });
        if let Err(error) = found {
            // Nothing of the same plan is made of what it makes: only archives are planned with what
            // they are made of.
            without_driver.push((planned.item, error));
            continue;
        }
        if planned.without_headers
            && let Work::Compile { share: Some(share), .. } = &mut work
        {
            share.headers.clear();
        }
        record.begin(planned.item);
        planned_items.push(tender_protocol::Item {
            id: planned.item,
            unit: item.label.clone(),
            // The worker orders items by this, so it is the priority in the whole build.
            cost: planned.priority,
            after: planned.after.clone(),
            memory: planned.memory.into(),
            settled: record.settled(planned.item),
            modules: graph.module_files(item),
            work,
        });
    }
    let first = items.first().map(|planned| &graph[planned.item]);
    let plan = Plan {
        id: PlanId(0),
        krate: first.map(|item| item.krate_name.clone()).unwrap_or_default(),
        jobs: Some(jobs),
        translate: match graph.profile.translate {
            manifest::Translate::Parallel => Translate::Parallel,
            manifest::Translate::Serial => Translate::Serial,
        },
        items: planned_items,
    };
    PlanForWorker { plan, without_driver }
}

/// The link drivers that an item's worker runs.
fn drivers(work: &mut Work) -> Vec<&mut Vec<String>> {
    match work {
        Work::Link { driver, .. } => vec![driver],
        Work::Configure(request) => vec![&mut request.c_driver, &mut request.cxx_driver],
        _ => Vec::new(),
    }
}

/// An external command, and what it needs to start.
pub(super) struct CommandStart<'e, 'a> {
    pub(super) children: &'e mut Children<'a>,
    pub(super) slots: &'e mut JobSlots,
    pub(super) record: &'e mut Record<'a>,
    pub(super) progress: &'e mut Progress<'a>,
    pub(super) tools: &'e Tools,
}

impl CommandStart<'_, '_> {
    /// Starts the command of an item on a free slot. `tools` has the versions that it needs.
    /// Returns whether it runs. If not, reports why.
    ///
    /// # Errors
    /// The system fails.
    pub(super) fn run(
        self,
        ix: ItemId,
        item: &Item,
        scheduler: &Scheduler,
    ) -> Result<bool, EngineError> {
        let CommandStart { children, slots, record, progress, tools } = self;
        let Run::Command(words) = &item.run else {
            unreachable!("only commands run outside workers")
        };
        let id = ChildId::Command(ix);
        let (program, arguments) =
            words.words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        if let Some(unshared) = unshared::why(program, arguments, &words.dir, tools) {
            progress.warn(format!("in a command of crate `{}`: {unshared}", item.krate_name));
        }
        let kind = ChildKind::External(tools.dialect(program, &words.dir));
        let admission = slots.admit(id, kind)?;
        slots.set_priority(id, scheduler.priority(ix).0);
        // Free slots are offered before it starts: ninja reads its port when it starts, and then
        // only when one of its jobs ends.
        let reserve = scheduler.wanted(slots.max_additional());
        slots.offer_ahead(reserve, now_us())?;
        record.begin(ix);
        let port = slots.port(id);
        match children.start_command(ix, item, words, &jobs_of(&admission), port)? {
            Ok(at_us) => {
                progress.started(ix, None, 0, at_us);
                Ok(true)
            }
            Err(error) => {
                slots.remove(id);
                let (command, dir, krate) = (words.quoted(), &words.dir, &item.krate_name);
                progress.error(format!(
                    "failed to start `{command}` of crate `{krate}` in {dir}: {error}"
                ));
                Ok(false)
            }
        }
    }
}

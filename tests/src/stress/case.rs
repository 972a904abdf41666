//! One build of a workload with a limit, and its checks.

use super::confined::{Confined, run_in};
use super::workload::{PLENTY, Workload};
use crate::cgroup::Cgroup;
use crate::invariants::{self, Judged};
use crate::run::Run;
use crate::trace::Trace;
use std::fmt::{self, Display, Formatter};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// How much memory the build gets, relative to what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// One and a half times the peak of the build.
    Ample,
    Half,
    /// Percent of the largest need of an item.
    OfNeed(u32),
    /// As little as can be told from the need.
    JustAbove,
}

/// With less there is no room for `tender` beside a worker. Bytes.
const LEAST: u64 = 32 << 20;

impl Limit {
    /// Bytes.
    fn of(self, workload: &Workload) -> u64 {
        let figures = &workload.figures;
        let limit = match self {
            Limit::Ample => figures.ample / 2 * 3 + (128 << 20),
            Limit::Half => figures.ample / 2,
            // Rounded up, so that it does not count as one percent less.
            Limit::OfNeed(percent) => (figures.need * u64::from(percent)).div_ceil(100),
            Limit::JustAbove => figures.need + (16 << 20),
        };
        limit.max(LEAST)
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = match self {
            Limit::Ample => "ample".to_owned(),
            Limit::Half => "half".to_owned(),
            Limit::OfNeed(percent) => format!("{percent} %"),
            Limit::JustAbove => "need + 16".to_owned(),
        };
        f.pad(&text)
    }
}

/// How the limit is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// By a memory cgroup: the kernel kills a process at the limit.
    Group,
    /// By `--memory`, on a machine with enough memory: no process is killed, and one job can always
    /// run.
    Budget,
}

impl Display for SetBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            SetBy::Group => "group",
            SetBy::Budget => "budget",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub jobs: u32,
    pub limit: Limit,
    pub set_by: SetBy,
    /// Earlier builds have measured the items.
    pub with_history: bool,
}

/// The most kills of one item in a build, by us or by the kernel.
const MOST_KILLS: u32 = 2;

/// The percentages of the need from which a build succeeds, and from which no process is killed if
/// there are measurements.
const SUCCEEDS_FROM: u64 = 125;
const UNHARMED_FROM: u64 = 130;

/// How much may be used above the budget, or above the largest need if that is more, bytes: an idle
/// worker may have 16 MiB, and its allocator keeps up to 8. Measured, with measurements of an
/// earlier build: at most 8 MiB.
const BESIDE: u64 = 24 << 20;

/// The result of a case.
#[derive(Clone, Debug)]
pub struct Row {
    pub workload: String,
    pub case: Case,
    /// Bytes.
    pub limit: u64,
    pub succeeded: bool,
    pub kernel_kills: u64,
    /// Items whose worker was killed, and the most kills of one item.
    pub items_killed: usize,
    pub most_kills: u32,
    /// The peak of what was used: by the cgroup as the kernel counts it, or, with a budget, by all
    /// processes of the build.
    pub peak: Option<u64>,
    pub took: Duration,
    pub judged: Judged,
}

impl Row {
    pub const HEAD: &'static str = "workload     -j  limit      MiB  set by  history  result   kernel  items  most   peak    time";
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Case { jobs, limit, set_by, with_history } = self.case;
        write!(
            f,
            "{:<11} {jobs:>3}  {limit:<9}{:>5}  {set_by:<6}  {:<7}  {:<7} {:>7} {:>6} {:>5} {:>6} {:>5.1} s",
            self.workload,
            self.limit >> 20,
            if with_history { "yes" } else { "no" },
            if self.succeeded { "built" } else { "refused" },
            self.kernel_kills,
            self.items_killed,
            self.most_kills,
            self.peak.map_or("?".to_owned(), |peak| (peak >> 20).to_string()),
            self.took.as_secs_f64(),
        )
    }
}

impl Case {
    /// A budget of that size, on a machine with enough memory.
    pub const fn by_budget(self) -> Case {
        Case { set_by: SetBy::Budget, ..self }
    }

    /// Builds, and checks.
    ///
    /// # Errors
    /// The violation, with the output of the build.
    pub fn run(self, workload: &Workload) -> Result<Row, String> {
        let Case { jobs, limit, set_by, .. } = self;
        let about = format!("{}, -j{jobs}, {limit} by {set_by}, {self:?}", workload.recipe);
        let result = catch_unwind(AssertUnwindSafe(|| self.build(workload)));
        let why = match result {
            Ok(Ok(row)) => return Ok(row),
            Ok(Err(why)) => why,
            Err(why) => {
                let text = why.downcast_ref::<String>().map(String::as_str);
                text.or_else(|| why.downcast_ref::<&str>().copied())
                    .unwrap_or("it panicked")
                    .to_owned()
            }
        };
        Err(format!("{about}: {why}"))
    }

    fn build(self, workload: &Workload) -> Result<Row, String> {
        let space = workload.space(self.with_history);
        let limit = self.limit.of(workload);
        let (jobs, file) = (format!("-j{}", self.jobs), space.path("trace.json"));
        let mut command = space.command(&["build", "-v", &jobs, "--trace", file.as_str()]);
        let size = match self.set_by {
            SetBy::Group => limit,
            SetBy::Budget => {
                command.args(["--memory", &format!("{limit}B")]);
                PLENTY
            }
        };
        let group = Cgroup::new(size).ok_or("no group can be made")?;
        let Confined { run, kills, mut peak, took } = run_in(&group, &space, command);
        let say = |why: String| format!("{why} (in {} MiB)\n{run}", limit >> 20);

        let percent = limit * 100 / workload.figures.need;
        let succeeded = run.status.success();
        if succeeded {
            workload.expect_whole(&space).map_err(say)?;
        } else if percent >= SUCCEEDS_FROM || self.set_by == SetBy::Budget {
            return Err(say(format!("it fails in {percent} % of the largest item's need")));
        } else {
            expect_refusal(&run).map_err(say)?;
            workload.expect_no_wrong_one(&space).map_err(say)?;
            // A later build with enough memory succeeds.
            let again = space.tender(&["build"]);
            if !again.status.success() {
                return Err(say(format!("and with plenty, after it: {again}")));
            }
            workload.expect_whole(&space).map_err(say)?;
        }
        let trace = Trace::read(&file);
        let judged = invariants::all(&trace, u64::from(self.jobs), succeeded).map_err(say)?;
        let of_items = invariants::kills(&trace);
        let most_kills = of_items.values().copied().max().unwrap_or(0);
        if most_kills > MOST_KILLS {
            return Err(say(format!("killed more than {MOST_KILLS} times: {of_items:?}")));
        }
        if (kills > 0 || most_kills > 0) && self.with_history && percent >= UNHARMED_FROM {
            return Err(say(format!(
                "killed with a history and {percent} % of the need: {kills} by the kernel, {of_items:?}"
            )));
        }
        if self.set_by == SetBy::Budget {
            if kills > 0 || most_kills > 0 {
                return Err(say(format!(
                    "killed where there is plenty: {kills} by the kernel, {of_items:?}"
                )));
            }
            let used = used(&trace);
            let most = limit.max(workload.figures.need) + BESIDE;
            if self.with_history && used > most {
                return Err(say(format!("{} MiB were used, more than {}", used >> 20, most >> 20)));
            }
            peak = Some(used);
        }
        Ok(Row {
            workload: workload.recipe.kind.to_string(),
            case: self,
            limit,
            succeeded,
            kernel_kills: kills,
            items_killed: of_items.len(),
            most_kills,
            peak,
            took,
            judged,
        })
    }
}

/// The peak of the sum over all processes of the build, bytes.
fn used(trace: &Trace) -> u64 {
    let mut summaries = trace.of_kind("i").filter(|event| event["name"] == "memory summary");
    summaries.next().and_then(|event| event["args"]["peak"].as_u64()).expect("it was measured")
}

/// The message names the item and the crate that ran out of memory, its peak and the budget.
fn expect_refusal(run: &Run) -> Result<(), String> {
    if run.status.code() != Some(101) {
        return Err("this is no end of a build that has too little memory".into());
    }
    let errors: Vec<&str> =
        run.stderr.lines().filter(|line| line.starts_with("error: out of memory ")).collect();
    let said = [" while ", " of crate `", "with nothing else running", "peak ", "budget "];
    let is_said = |line: &&str| said.iter().all(|text| line.contains(text));
    match errors.as_slice() {
        [] => Err("it fails, and does not say why".into()),
        lines if !lines.iter().all(is_said) => {
            Err(format!("it does not say all of {said:?}: {lines:?}"))
        }
        _ if !run.stderr.contains("\nhelp: it needs more memory than there is; ") => {
            Err("no cure is named".into())
        }
        _ => Ok(()),
    }
}

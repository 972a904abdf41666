//! Generated workspaces with combinations of numbers of jobs and limits of memory.

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tender_tests::invariants::Judged;
use tender_tests::stress::{Case, Kind, Limit, Recipe, Row, SetBy, Workload};

/// How many builds run at once: a build with little memory runs one item at a time.
const LANES: usize = 2;

/// After this many failures the rest is not tried.
const MOST_FAILURES: usize = 4;

/// The default runs: each limit with eight jobs, the hardest limits with fewer and more; and
/// budgets for one job, for some, and for less than one.
const SOME: [Case; 15] = [
    first(8, Limit::Ample),
    first(8, Limit::Half),
    again(8, Limit::Half),
    first(8, Limit::OfNeed(130)),
    again(8, Limit::OfNeed(130)),
    again(8, Limit::JustAbove),
    first(8, Limit::OfNeed(70)),
    first(2, Limit::OfNeed(125)),
    again(2, Limit::OfNeed(130)),
    first(32, Limit::Half),
    first(32, Limit::OfNeed(125)),
    again(32, Limit::OfNeed(130)),
    first(8, Limit::OfNeed(130)).by_budget(),
    again(8, Limit::Half).by_budget(),
    again(8, Limit::OfNeed(60)).by_budget(),
];

const fn first(jobs: u32, limit: Limit) -> Case {
    Case { jobs, limit, set_by: SetBy::Group, with_history: false }
}

const fn again(jobs: u32, limit: Limit) -> Case {
    Case { jobs, limit, set_by: SetBy::Group, with_history: true }
}

/// All combinations.
fn all() -> Vec<Case> {
    let limits = [
        Limit::Ample,
        Limit::Half,
        Limit::OfNeed(200),
        Limit::OfNeed(150),
        Limit::OfNeed(130),
        Limit::OfNeed(125),
        Limit::JustAbove,
        Limit::OfNeed(90),
        Limit::OfNeed(60),
    ];
    // A budget limits builds on a machine with enough memory, so fewer cases are needed.
    let budgets = [Limit::Half, Limit::OfNeed(130), Limit::OfNeed(60)];
    let both = |jobs, limit| [first(jobs, limit), again(jobs, limit)];
    let by_jobs = |jobs| {
        let by_group = limits.into_iter().flat_map(move |limit| both(jobs, limit));
        by_group.chain(
            budgets.into_iter().flat_map(move |limit| both(jobs, limit).map(Case::by_budget)),
        )
    };
    [2, 8, 32].into_iter().flat_map(by_jobs).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Calls `work` for each of `tasks`, several at once. The results are in the order of the tasks.
fn in_lanes<T: Sync, R: Send>(tasks: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let lane = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(place) else { break };
            let result = work(task);
            results.lock().unwrap().push((place, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

#[test]
fn builds_fit_into_what_there_is() {
    let chosen = variable("TENDER_STRESS");
    let is_all = chosen.as_deref() == Some("all");
    // Not by `eprintln!`, whose output the test harness hides if the test passes. Standard error
    // may be closed.
    let show = |text: &str| {
        if chosen.is_some() {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    };
    let start = Instant::now();
    let kinds: Vec<Kind> = match variable("TENDER_STRESS_KIND") {
        Some(name) => vec![name.parse().unwrap()],
        None => Kind::ALL.to_vec(),
    };
    let light = kinds.iter().map(|kind| Recipe::new(*kind, 1));
    let heavy = kinds.iter().map(|kind| Recipe { weight: 3, ..Recipe::new(*kind, 2) });
    let recipes = light.chain(heavy.filter(|_| is_all));
    let recipes: Vec<Recipe> = match variable("TENDER_STRESS_SEED") {
        Some(seed) => recipes.filter(|recipe| recipe.seed.to_string() == seed).collect(),
        None => recipes.collect(),
    };

    let workloads = in_lanes(&recipes, |recipe| Workload::measure(*recipe));
    // Without a cgroup all are skipped.
    let Some(workloads) = workloads.into_iter().collect::<Option<Vec<Workload>>>() else { return };
    workloads.iter().for_each(|workload| show(&workload.to_string()));
    show(Row::HEAD);
    let cases = if is_all { all() } else { SOME.to_vec() };
    let by_workload = |workload| cases.iter().map(move |case| (workload, *case));
    let runs: Vec<(&Workload, Case)> = workloads.iter().flat_map(by_workload).collect();
    let failed = AtomicUsize::new(0);
    let results = in_lanes(&runs, |(workload, case)| {
        // Each of them may be a hang.
        if failed.load(Ordering::Relaxed) >= MOST_FAILURES {
            return Err("not tried".to_owned());
        }
        let result = case.run(workload);
        failed.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
        match &result {
            Ok(row) => show(&row.to_string()),
            Err(why) => show(&format!("WRONG: {}", why.lines().next().unwrap_or_default())),
        }
        result
    });
    let judged: Judged = results.iter().flatten().map(|row| row.judged).sum();
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    let count = failures.len();
    let summary = format!(
        "{} builds, {count} wrong, {} s; {judged:?}",
        runs.len(),
        start.elapsed().as_secs()
    );
    show(&summary);
    assert!(failures.is_empty(), "{}\n\n{summary}", failures.join("\n\n"));
    // Each invariant must have had a case. A single kind may have no case of some.
    if kinds == Kind::ALL {
        assert_eq!(judged.vacuous(), [""; 0], "these were about nothing: {summary}");
    }
}

//! One cell of the matrix: how a tool below another one behaves. No result depends on a clock; only
//! an unexpected one takes long.

use super::{CommandLine, Found, Probes, Tool, expect_whole_pool, find, members};
use crate::run::Run;
use crate::space::TestSpace;
use crate::wait_until;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The inner tool gets all N slots, and never more.
    Shared,
    /// The inner tool runs one job at a time.
    OneJob,
    /// The inner tool runs more than N jobs: it does not join the pool. N has to be less than its
    /// own number of jobs: three for ninja on two processors, one for each processor for gcc.
    Outside,
    /// The inner tool fails, and runs nothing.
    Refused,
}

/// Runs `inner` with probe jobs below the command that `outer` returns: a tool with `n` slots that
/// runs it, perhaps beside other probe jobs.
#[track_caller]
pub fn expect_sharing(
    inner: &Found,
    n: usize,
    expect: Sharing,
    outer: impl FnOnce(&Probes, CommandLine) -> CommandLine,
) -> Run {
    expect_sharing_and_whole(inner, n, expect, |probes, child, _| outer(probes, child))
}

/// The same, and `outer` gets one more command, which runs N jobs at once in the same pool: after
/// the inner tool it fails unless all slots were returned.
#[track_caller]
pub fn expect_sharing_and_whole(
    inner: &Found,
    n: usize,
    expect: Sharing,
    outer: impl FnOnce(&Probes, CommandLine, &CommandLine) -> CommandLine,
) -> Run {
    let space = TestSpace::new();
    let (meet, jobs) = match expect {
        Sharing::Shared => (n, 2 * n),
        Sharing::OneJob => (1, 3),
        Sharing::Outside => (n + 1, 2 * n + 2),
        Sharing::Refused => (1, 2),
    };
    let probes = Probes::new(&space, meet);
    let child = inner.tree(&probes, "inner", jobs, &[]);
    let after = Probes::new(&space, n).apart("after.log");
    // tender joins every pool.
    let tender = find(Tool::Tender).expect("it is the program under test");
    let line = outer(&probes, child, &tender.tree(&after, "after", n + 1, &[]));
    let runs_after = line.words.iter().any(|word| word.contains(space.path("after").as_str()));
    let run = line.run(&space);
    wait_until("nothing is left running", || members(&space).is_empty());
    let log = probes.log();
    let cell = format!("{} ({}), {expect:?}", inner.tool.name(), inner.version);
    let most = log.most_at_once();
    match expect {
        Sharing::Shared => assert_eq!(most, n, "{cell}: {run}"),
        Sharing::OneJob => assert_eq!(most, 1, "{cell}: {run}"),
        Sharing::Outside => assert!(most > n, "{cell}: {most} at once of {n}: {run}"),
        Sharing::Refused => {
            assert_eq!(log.jobs.len(), 0, "{cell}: {run}");
            assert!(!run.status.success(), "{cell}: {run}");
            return run;
        }
    }
    assert!(run.status.success(), "{cell}: {run}");
    let inner = log.of("inner");
    assert_eq!((inner.jobs.len(), inner.finished()), (jobs, jobs), "{cell}: {run}");
    expect_whole_pool(&run);
    if runs_after {
        let after = after.log();
        assert_eq!((after.most_at_once(), after.finished()), (n, n + 1), "{cell}, and then: {run}");
    }
    run
}

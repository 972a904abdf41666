//! Every pair of tools shares a pool, or does not, as the table in `docs/jobserver-matrix.md` says.
//! Each cell runs the real tools; a missing tool is reported as a skip, and its row or column is
//! left out.

use camino::{Utf8Path, Utf8PathBuf};
use tender_tests::Feature;
use tender_tests::interop::{Found, Sharing, Tool, expect_sharing_and_whole, find, find_gcc};

/// The outer tool of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    TenderExec,
    /// With a `[[generate]]` command, with that make first in PATH.
    TenderBuild(Tool),
    /// With a recipe, and one more argument.
    Make(Tool, Option<&'static str>),
    /// With a build script.
    Cargo,
}

const OUTERS: [(&str, Outer); 7] = [
    ("`tender exec`", Outer::TenderExec),
    ("`tender build`, old `make`", Outer::TenderBuild(Tool::Make43)),
    ("`tender build`, new `make`", Outer::TenderBuild(Tool::Make44)),
    ("make before 4.4", Outer::Make(Tool::Make43, None)),
    ("make since 4.4, pipe", Outer::Make(Tool::Make44, Some("--jobserver-style=pipe"))),
    ("make since 4.4, fifo", Outer::Make(Tool::Make44, None)),
    ("cargo", Outer::Cargo),
];

/// The inner tools of the rows.
const INNERS: [(&str, Tool); 9] = [
    ("make before 4.4", Tool::Make43),
    ("make since 4.4", Tool::Make44),
    ("ninja before 1.13", Tool::NinjaOld),
    ("ninja since 1.13", Tool::Ninja),
    ("Kitware's ninja", Tool::NinjaKitware),
    ("cargo", Tool::Cargo),
    ("gcc before 13", Tool::Gcc),
    ("gcc since 13", Tool::Gcc),
    ("tender", Tool::Tender),
];

/// The tool of a row. Which forms gcc reads depends on its version.
fn of_row(row: &str, tool: Tool) -> Option<Found> {
    match row {
        "gcc before 13" => find_gcc(Feature::GccOld),
        "gcc since 13" => find_gcc(Feature::Gcc13),
        _ => find(tool),
    }
}

/// The cells of the table, by row and column, without the first of each.
fn table() -> (Vec<String>, Vec<(String, Vec<Sharing>)>) {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs/jobserver-matrix.md");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut rows =
        text.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|')).map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().to_owned());
            (cells.next().expect("split gives one at least"), cells.collect::<Vec<_>>())
        });
    let (_, header) = rows.next().expect("there is a table");
    let sharing = |word: &String| match word.as_str() {
        "shared" => Sharing::Shared,
        "one job" => Sharing::OneJob,
        "outside" => Sharing::Outside,
        "refused" => Sharing::Refused,
        _ => panic!("{path}: not a word of the table: {word:?}"),
    };
    // After the line of dashes.
    let rows =
        rows.skip(1).map(|(name, cells)| (name, cells.iter().map(sharing).collect())).collect();
    (header, rows)
}

#[test]
fn table_has_every_pair() {
    let (header, rows) = table();
    assert_eq!(header, OUTERS.map(|(name, _)| name));
    assert_eq!(
        rows.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        INNERS.map(|(name, _)| name)
    );
    for (name, cells) in rows {
        assert_eq!(cells.len(), OUTERS.len(), "{name}");
    }
}

/// Runs every cell of a column.
#[track_caller]
fn check(column: &str) {
    let (header, rows) = table();
    let number = header.iter().position(|name| name == column).expect("the table has the column");
    let outer = OUTERS[number].1;
    let Some(host) = find(host(outer)) else { return };
    // The make that PATH has to find, also for the probe of its version.
    let make = match outer {
        Outer::TenderBuild(make) => match find(make) {
            Some(make) => Some(make.path.parent().expect("a program is in a directory").to_owned()),
            None => return,
        },
        _ => None,
    };
    for ((row, inner), (_, cells)) in INNERS.into_iter().zip(&rows) {
        let Some(inner) = of_row(row, inner) else { continue };
        cell(outer, &host, make.as_ref(), &inner, cells[number]);
    }
}

fn host(outer: Outer) -> Tool {
    match outer {
        Outer::TenderExec | Outer::TenderBuild(_) => Tool::Tender,
        Outer::Make(make, _) => make,
        Outer::Cargo => Tool::Cargo,
    }
}

#[track_caller]
fn cell(outer: Outer, host: &Found, make: Option<&Utf8PathBuf>, inner: &Found, expect: Sharing) {
    let by_tender = host.tool == Tool::Tender;
    let n = match expect {
        // A make with one slot has no pool, and a ninja without a pool runs three jobs on a machine
        // with two processors.
        Sharing::Outside if by_tender => 1,
        Sharing::Outside => 2,
        _ => 3,
    };
    // A gcc outside of the pool runs one job for each processor, and the outer tool has more jobs.
    let beside = usize::from(inner.tool == Tool::Gcc && expect == Sharing::Outside && !by_tender);
    let jobs = format!("-j{n}");
    let run = expect_sharing_and_whole(inner, n, expect, |probes, child, after| {
        // Below `exec` it has to be the command itself, because the command decides the dialect.
        let child = if outer == Outer::TenderExec { child } else { child.then(after) };
        match outer {
            Outer::TenderExec => child.under([host.path.as_str(), "exec", &jobs, "--"]),
            Outer::TenderBuild(_) => {
                let before = make.map_or("", |make| make.as_str());
                let script = "PATH=$0:$PATH exec \"$@\"";
                let line = host.tree(probes, "outer", beside, &[child]).arg(&jobs);
                line.under(["sh", "-c", script, before])
            }
            Outer::Make(_, style) => {
                let line = host.tree(probes, "outer", beside, &[child]).arg(&jobs);
                style.into_iter().fold(line, |line, word| line.arg(word))
            }
            Outer::Cargo => host.tree(probes, "outer", beside, &[child]).arg(&jobs),
        }
    });
    if by_tender && expect != Sharing::Refused {
        // It warns if a child lost tokens, or returned more than it took.
        assert!(!run.stderr.contains("token"), "{run}");
    }
    if outer == Outer::TenderExec && expect != Sharing::Refused {
        // Runs in the pool of another host, in which no token may be missing at the end.
        let exec = [host.path.as_str(), "exec"];
        let run = expect_sharing_and_whole(inner, n, expect, |_, child, after| {
            let child = child.under(exec.into_iter().chain(["--"])).then(after);
            child.under(exec.into_iter().chain([jobs.as_str(), "--"]))
        });
        assert!(!run.stderr.contains("token"), "{run}");
    }
}

#[test]
fn matrix_below_tender_exec() {
    check("`tender exec`");
}

#[test]
fn matrix_below_tender_build_with_old_make() {
    check("`tender build`, old `make`");
}

#[test]
fn matrix_below_tender_build_with_new_make() {
    check("`tender build`, new `make`");
}

#[test]
fn matrix_below_old_make() {
    check("make before 4.4");
}

#[test]
fn matrix_below_new_make_with_a_pipe() {
    check("make since 4.4, pipe");
}

#[test]
fn matrix_below_new_make_with_a_fifo() {
    check("make since 4.4, fifo");
}

#[test]
fn matrix_below_cargo() {
    check("cargo");
}

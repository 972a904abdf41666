//! A generated workspace that was built and measured without a limit: the reference for its builds
//! with little memory, and the need of its items.

use super::confined::{Confined, run_in, start_in};
use super::recipe::Recipe;
use super::workspace::Workspace;
use crate::cgroup::Cgroup;
use crate::space::TestSpace;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// The precision of needs, bytes.
const STEP: u64 = 16 << 20;

/// A limit that no workload reaches: the group only counts.
pub(super) const PLENTY: u64 = 1 << 40;

/// The time limit, many times that of an item. If memory does not suffice, the kernel may reclaim
/// the code pages of programs for a long time before it kills.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file with a build's measurements.
const HISTORY: &str = "target/debug/.tender/measurements";

pub struct Workload {
    pub recipe: Recipe,
    workspace: Workspace,
    /// The outputs of a build, by name.
    pub reference: BTreeMap<String, Vec<u8>>,
    history: Vec<u8>,
    pub figures: Figures,
}

/// The measured needs, bytes.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The smallest cgroup, in steps of 16 MiB, in which the item with the largest need can be
    /// built alone; and that item.
    pub need: u64,
    pub neediest: String,
    /// The peak of a build with eight jobs and no limit.
    pub ample: u64,
    /// The wall time of the build without a limit, with one job.
    pub took: Duration,
}

impl Workload {
    /// Builds and measures. `None` if no cgroup can be made.
    ///
    /// # Panics
    /// The build without a limit fails.
    pub fn measure(recipe: Recipe) -> Option<Workload> {
        let plenty = Cgroup::new(PLENTY)?;
        let workspace = Workspace::new(&recipe);
        let space = TestSpace::new();
        workspace.write(space.root()).expect("the space is ours");
        let build = space.command(&["build", "-j1", "--message-format", "json"]);
        let Confined { run, took, .. } = run_in(&plenty, &space, build);
        let items = items(&run.expect_ok().messages(), space.root());
        let printed = space.built("target/debug/app").expect_ok().stdout;
        assert_eq!(printed, workspace.expected, "clang and the generator differ about {recipe}");
        let reference = space.outputs("debug");
        let history = space.read_bytes(HISTORY);

        let wide = TestSpace::new();
        workspace.write(wide.root()).expect("the space is ours");
        let group = Cgroup::new(PLENTY)?;
        let Confined { run, peak, .. } = run_in(&group, &wide, wide.command(&["build", "-j8"]));
        run.expect_ok();
        let (need, neediest) = need(&space, &items);
        let ample = peak.unwrap_or(4 * need).max(need);
        let figures = Figures { need, neediest, ample, took };
        Some(Workload { recipe, workspace, reference, history, figures })
    }

    /// A new copy of it, with or without the measurements of an earlier build.
    pub fn space(&self, with_history: bool) -> TestSpace {
        let space = TestSpace::new();
        self.workspace.write(space.root()).expect("the space is ours");
        if with_history {
            space.write(HISTORY, &self.history);
        }
        space
    }

    /// Checks the output of the program of a successful build, and that all outputs are equal to
    /// those of the reference.
    ///
    /// # Errors
    /// The check fails.
    pub fn expect_whole(&self, space: &TestSpace) -> Result<(), String> {
        let names = |of: &BTreeMap<String, Vec<u8>>| of.keys().cloned().collect::<Vec<_>>();
        let made = space.outputs("debug");
        if names(&made) != names(&self.reference) {
            return Err(format!(
                "{:?} were made instead of {:?}",
                names(&made),
                names(&self.reference)
            ));
        }
        self.expect_no_wrong_one(space)?;
        let printed = space.built("target/debug/app").stdout;
        let is_right = printed == self.workspace.expected;
        if is_right {
            Ok(())
        } else {
            Err(format!("the program prints another checksum: {printed}"))
        }
    }

    /// Checks that outputs, all or some of them, are equal to those of the reference.
    ///
    /// # Errors
    /// The check fails.
    pub fn expect_no_wrong_one(&self, space: &TestSpace) -> Result<(), String> {
        if !space.exists("target/debug") {
            return Ok(());
        }
        let made = space.outputs("debug");
        let wrong: Vec<&String> = made
            .iter()
            .filter(|(name, bytes)| self.reference.get(*name) != Some(*bytes))
            .map(|(n, _)| n)
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("made wrong: {wrong:?}")) }
    }
}

/// Such as `huge, seed 1, width 4, weight 1: need 160 MiB (crates/c02/src/u0.c), ample 610 MiB, 7.1
/// s with -j1`.
impl Display for Workload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Figures { need, neediest, ample, took } = &self.figures;
        write!(
            f,
            "{}: need {} MiB ({neediest}), ample {} MiB, {:.1} s with -j1",
            self.recipe,
            need >> 20,
            ample >> 20,
            took.as_secs_f64()
        )
    }
}

/// An item, and its measured peak.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// Bytes.
    peak: u64,
    /// A unit's source, a command's input, or an output.
    name: String,
    is_command: bool,
}

impl Item {
    /// Parses the message of its end.
    fn new(message: &Value, root: &Utf8Path) -> Item {
        let text = |value: &Value| {
            value.as_str().unwrap_or_else(|| panic!("no text in {message}")).to_owned()
        };
        let unit = text(&message["unit"]);
        let is_command = message["target"]["kind"][0] == "custom-build";
        let name = if is_command {
            // All commands have the same name; their last argument is their input.
            let manifest = Utf8PathBuf::from(text(&message["manifest_path"]));
            let input = manifest.with_file_name(unit.rsplit(' ').next().unwrap_or_default());
            input.strip_prefix(root).expect("it is one of the workspace").to_string()
        } else {
            unit
        };
        Item { peak: message["peak_bytes"].as_u64().expect("each has its peak"), name, is_command }
    }
}

/// The items by their peaks, the largest first.
fn items(messages: &[Value], root: &Utf8Path) -> Vec<Item> {
    let ended = messages.iter().filter(|message| message["reason"] == "unit-finished");
    let mut items: Vec<Item> = ended.map(|message| Item::new(message, root)).collect();
    items.sort_unstable_by(|a, b| b.cmp(a));
    items
}

/// The largest need of an item, and that item. `space` has been built.
///
/// The peaks are not comparable: that of a command includes a whole process, that of a unit
/// excludes the worker's baseline, and that of a link excludes its pieces. So the largest of each
/// kind is measured.
fn need(space: &TestSpace, items: &[Item]) -> (u64, String) {
    let largest = |is_command| items.iter().find(|item| item.is_command == is_command);
    let link = items.iter().find(|item| item.name == "app");
    let mut candidates: Vec<&Item> =
        [largest(true), largest(false), link].into_iter().flatten().collect();
    candidates.dedup();
    let needs = candidates
        .into_iter()
        .map(|Item { peak, name, .. }| (need_of(space, name, *peak), name.clone()));
    needs.max().expect("something was built")
}

/// Searches between the item's peak and the peak of a whole build without a limit.
fn need_of(space: &TestSpace, item: &str, peak: u64) -> u64 {
    let build = || {
        make_dirty(space, item);
        space.command(&["build", "-j1"])
    };
    let group = |limit| Cgroup::new(limit).expect("there was one before");
    let Confined { run, peak: most, .. } = run_in(&group(PLENTY), space, build());
    run.expect_ok();
    let suffices = |limit| {
        let group = group(limit);
        let mut alone = start_in(&group, space, "alone", build());
        alone.ends_within(PATIENCE) && alone.finish().run.status.success()
    };
    let (mut too_little, mut enough) = (peak / STEP, most.unwrap_or(4 * peak).div_ceil(STEP));
    while enough > too_little + 1 {
        let middle = too_little.midpoint(enough);
        if suffices(middle * STEP) {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    make_dirty(space, item);
    space.tender(&["build"]).expect_ok();
    enough * STEP
}

/// So that this item is built again, and nearly nothing else.
fn make_dirty(space: &TestSpace, item: &str) {
    let made = format!("target/debug/{item}");
    // A program may have the name of a crate's directory.
    if space.path(item).is_file() {
        let text = space.read(item);
        space.write(item, text + "\n");
    } else if space.exists(&made) {
        // Otherwise the last attempt has failed.
        space.remove(&made);
    }
}

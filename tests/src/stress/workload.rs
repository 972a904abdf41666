//! A generated workspace, built once without a limit, and measured: what its builds in little
//! memory are compared with, and how much is little for it.

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

/// To which needs are known, bytes.
const STEP: u64 = 16 << 20;

/// More than any workload takes, and a limit all the same: the group counts, and never binds.
pub(super) const PLENTY: u64 = 1 << 40;

/// Many times what an item takes. Where it does not suffice the kernel finds memory for a long time
/// before it kills: it drops what is there of programs, which read it again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a build keeps what it measured.
const HISTORY: &str = "target/debug/.tender/measurements";

pub struct Workload {
    pub recipe: Recipe,
    workspace: Workspace,
    /// What a build makes for its users, by name.
    pub reference: BTreeMap<String, Vec<u8>>,
    history: Vec<u8>,
    pub figures: Figures,
}

/// Measured, bytes.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The smallest group, to 16 MiB, in which the neediest item is built alone; and which that is.
    pub need: u64,
    pub neediest: String,
    /// What a build with eight jobs and no limit takes at most.
    pub ample: u64,
    /// Of the build without a limit, with one job.
    pub took: Duration,
}

impl Workload {
    /// Builds and measures. `None` where no cgroup can be made.
    ///
    /// # Panics
    /// The build without a limit is wrong.
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

    /// A fresh copy of it, with what an earlier build has measured or not.
    pub fn space(&self, with_history: bool) -> TestSpace {
        let space = TestSpace::new();
        self.workspace.write(space.root()).expect("the space is ours");
        if with_history {
            space.write(HISTORY, &self.history);
        }
        space
    }

    /// The program of a build that succeeded prints what it should, and all that was made is as in
    /// the reference.
    ///
    /// # Errors
    /// It is not so.
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

    /// What a build has made, all of it or a part, is as in the reference.
    ///
    /// # Errors
    /// It is not so.
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

/// What was built, and what it was measured to use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// Bytes.
    peak: u64,
    /// A unit's source, a command's input, or what is made.
    name: String,
    is_command: bool,
}

impl Item {
    /// From the message of its end.
    fn new(message: &Value, root: &Utf8Path) -> Item {
        let text = |value: &Value| {
            value.as_str().unwrap_or_else(|| panic!("no text in {message}")).to_owned()
        };
        let unit = text(&message["unit"]);
        let is_command = message["target"]["kind"][0] == "custom-build";
        let name = if is_command {
            // All commands are called the same, and read what their last word says.
            let manifest = Utf8PathBuf::from(text(&message["manifest_path"]));
            let input = manifest.with_file_name(unit.rsplit(' ').next().unwrap_or_default());
            input.strip_prefix(root).expect("it is one of the workspace").to_string()
        } else {
            unit
        };
        Item { peak: message["peak_bytes"].as_u64().expect("each has its peak"), name, is_command }
    }
}

/// The neediest first, as far as their peaks tell.
fn items(messages: &[Value], root: &Utf8Path) -> Vec<Item> {
    let ended = messages.iter().filter(|message| message["reason"] == "unit-finished");
    let mut items: Vec<Item> = ended.map(|message| Item::new(message, root)).collect();
    items.sort_unstable_by(|a, b| b.cmp(a));
    items
}

/// The need of the neediest item, and which that is. `space` has been built.
///
/// A command's peak is that of a process, a unit's what it takes beside what its worker does in any
/// case, and what pieces of the link take is not in its peak: so the largest of each are looked at.
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

/// Looks between what the item alone is known to take and what a whole build of it took with
/// plenty.
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

/// So that this item is built again, and next to nothing else.
fn make_dirty(space: &TestSpace, item: &str) {
    let made = format!("target/debug/{item}");
    // A program may be called as a crate's directory is.
    if space.path(item).is_file() {
        let text = space.read(item);
        space.write(item, text + "\n");
    } else if space.exists(&made) {
        // Else the last attempt has failed.
        space.remove(&made);
    }
}

//! Tries programs in batches of one setting, several batches at once, until all are done or the
//! time is over.

use super::batch;
use super::corpus::Test;
use super::draw::Setting;
use super::outcome::Outcome;
use super::state::State;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Which programs are tried, and how.
pub struct Session<'a> {
    pub tests: &'a [Test],
    /// Replaces the drawn setting.
    pub setting: Option<Setting>,
    /// The file of outcomes, if they are saved.
    pub state: Option<Utf8PathBuf>,
    /// After this time no new batch is started.
    pub time: Duration,
    /// Whether the directories of builds are kept.
    pub keep: bool,
    /// Called with each outcome.
    pub show: &'a (dyn Fn(&Outcome) + Sync),
}

/// How many batches run at once: a compiler or a running program of one batch uses one core only.
const LANES: usize = 2;

/// Programs in one batch: enough to share the start of `tender`, and few enough to repeat after an
/// interruption.
const BATCH: usize = 24;

impl Session<'_> {
    /// The outcomes of all tried programs, of this run and of earlier ones, in the order of the
    /// tests.
    pub fn run(&self) -> Vec<Outcome> {
        let start = Instant::now();
        let state = self.state.as_deref().map(|path| State::open(path, &subject()));
        let known = |test: &Test| state.as_ref().and_then(|state| state.known(&test.name)).cloned();
        let mut outcomes: BTreeMap<String, Outcome> = self
            .tests
            .iter()
            .filter_map(known)
            .map(|outcome| (outcome.name.clone(), outcome))
            .collect();

        let mut by_setting: BTreeMap<Setting, Vec<&Test>> = BTreeMap::new();
        for test in self.tests.iter().filter(|test| !outcomes.contains_key(&test.name)) {
            by_setting
                .entry(self.setting.unwrap_or_else(|| Setting::of(&test.name)))
                .or_default()
                .push(test);
        }
        let batches: Vec<(Setting, &[&Test])> = by_setting
            .iter()
            .flat_map(|(setting, tests)| tests.chunks(BATCH).map(move |tests| (*setting, tests)))
            .collect();
        let next = Mutex::new(batches.into_iter());
        let found = Mutex::new(Vec::new());
        let lane = || {
            while start.elapsed() < self.time {
                let Some((setting, tests)) = next.lock().unwrap().next() else { break };
                let tried = batch::run(tests, setting, self.keep);
                tried.iter().for_each(self.show);
                if let Some(state) = &state {
                    state.add(&tried);
                }
                found.lock().unwrap().extend(tried);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..LANES {
                scope.spawn(lane);
            }
        });
        outcomes.extend(
            found.into_inner().unwrap().into_iter().map(|outcome| (outcome.name.clone(), outcome)),
        );
        outcomes.into_values().collect()
    }
}

/// Identifies the programs under test, for which outcomes are valid.
fn subject() -> String {
    let identity = |name: &str| {
        let content = std::fs::read(crate::program(name)).unwrap();
        format!("{name} {}", &blake3::hash(&content).to_hex()[..16])
    };
    [identity("tender"), identity("tender-worker")].join(", ")
}

/// The directory of downloads and outcomes, below the target directory. Downloads GCC's tests if
/// they are missing.
pub fn directory() -> Utf8PathBuf {
    let directory = crate::programs::profile_directory().parent().unwrap().join("torture");
    let script =
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tools/torture.sh");
    let status = std::process::Command::new(script)
        .arg(&directory)
        .status()
        .expect("tools/torture.sh starts");
    assert!(status.success(), "tools/torture.sh: {status}");
    directory
}

//! One round: a workspace is built, and edited and built again until its steps are done. Each build
//! is compared with a clean one of the same files.

use super::build::{self, Build, Outcome, Profile};
use super::disk::Disk;
use super::edit::Edit;
use super::figures::Figures;
use super::model::{Model, Step};
use super::prebuilt::Prebuilt;
use super::state::State;
use crate::TestSpace;
use crate::random::Random;
use rustix::process::Signal;
use std::collections::HashMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The data that all rounds share.
#[derive(Debug)]
pub struct Workshop {
    prebuilt: Prebuilt,
}

/// How many differences end a round.
const MOST_FAILURES: usize = 5;

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Workshop {
    pub fn new() -> Workshop {
        Workshop { prebuilt: Prebuilt::new() }
    }

    /// Runs the round of a seed. Returns its figures, and the violations, each with the steps
    /// before it.
    pub fn round(&self, seed: u64) -> (Figures, Vec<String>) {
        let mut failures = Vec::new();
        let mut figures = Figures { rounds: 1, ..Figures::default() };
        let result = catch_unwind(AssertUnwindSafe(|| {
            Round::new(self, seed, &mut figures, &mut failures).run();
        }));
        if let Err(why) = result {
            let text = why.downcast_ref::<String>().map(String::as_str);
            let text =
                text.or_else(|| why.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            failures.push(format!("{}{text}", headline(seed, figures.all_steps())));
        }
        (figures, failures)
    }
}

fn headline(seed: u64, step: u32) -> String {
    format!(
        "round of seed {seed}, after step {step}; again: TENDER_EDITS_SEED={seed} TENDER_EDITS_ROUNDS=1\n"
    )
}

/// If set, a round ends with the first difference, and its directories are kept: `edited` and
/// `clean`.
fn keeps() -> bool {
    std::env::var_os("TENDER_TEST_KEEP").is_some()
}

struct Round<'a> {
    space: TestSpace,
    /// The workspace that is edited.
    edited: Disk,
    /// The directory of clean builds.
    clean: Disk,
    model: Model,
    /// Draws numbers of jobs and interruptions, which are not steps.
    random: Random,
    seed: u64,
    known: HashMap<(Profile, [u8; 32]), Outcome>,
    /// The state of the last comparison.
    last: Option<(Profile, [u8; 32])>,
    /// The result of the clean build, in the profile of all steps.
    before: Option<Outcome>,
    figures: &'a mut Figures,
    failures: &'a mut Vec<String>,
}

impl<'a> Round<'a> {
    fn new(
        workshop: &Workshop,
        seed: u64,
        figures: &'a mut Figures,
        failures: &'a mut Vec<String>,
    ) -> Round<'a> {
        let space = TestSpace::new();
        let disk = |name: &str| Disk::new(space.path(name), space.path("staging"));
        let (edited, clean) = (disk("edited"), disk("clean"));
        let model = Model::new(seed, &workshop.prebuilt);
        Round {
            space,
            edited,
            clean,
            model,
            random: Random::new(!seed),
            seed,
            known: HashMap::new(),
            last: None,
            before: None,
            figures,
            failures,
        }
    }

    fn run(mut self) {
        self.edited.become_copy(&self.model.state, None);
        let base = self.model.state.clone();
        self.compare(Profile::Dev, &base, &[]);
        let said = self.before.as_ref().map(|outcome| outcome.messages.concat());
        assert!(
            !self.model.is_broken(),
            "this workspace cannot be built: {}",
            said.unwrap_or_default()
        );
        let most = if keeps() { 1 } else { MOST_FAILURES };
        while (self.model.left() > 0 || self.model.is_broken()) && self.failures.len() < most {
            let base = self.model.state.clone();
            let count = self.random.one_of(&[1, 1, 1, 1, 1, 1, 1, 1, 2, 3]);
            let mut steps = Vec::new();
            for nth in 0..count {
                if nth > 0 {
                    if self.model.left() == 0 {
                        break;
                    }
                    self.count_change();
                    self.between();
                }
                steps.push(self.step());
            }
            if self.random.below(12) == 0 {
                self.between();
            }
            if self.random.below(3) == 0 {
                // Waits until the stamps of files that were just written are old enough to prove
                // something.
                std::thread::sleep(Duration::from_millis(25));
            }
            self.compare(Profile::Dev, &base, &steps);
            if self.random.below(10) == 0 {
                self.compare(Profile::Release, &base, &steps);
            }
        }
        if keeps() && !self.failures.is_empty() {
            self.space.eject();
        }
    }

    fn step(&mut self) -> Step {
        let step = self.model.next_step();
        for edit in &step.edits {
            self.edited.apply(edit, |which| build::outputs(&self.edited, Profile::Dev, which));
        }
        *self.figures.steps.entry(step.kind).or_default() += 1;
        step
    }

    /// A build between two steps that is not compared, and may be interrupted.
    fn between(&mut self) {
        self.last = None;
        self.figures.between += 1;
        let words = self.random.one_of(&[&[][..], &[], &["-p", "core"]]);
        let command =
            build::command(&self.space, &self.edited, &self.model.state, Profile::Dev, words);
        match self.random.below(3) {
            0 => drop(self.space.run(command)),
            way => {
                let signal = if way == 1 { Signal::KILL } else { Signal::INT };
                let after = Duration::from_micros(self.random.below(300_000));
                build::interrupt(&self.space, command, signal, after);
            }
        }
    }

    /// Builds the present state, and compares with a clean build. `base` is the state of the last
    /// comparison, `steps` are the steps since.
    fn compare(&mut self, profile: Profile, base: &State, steps: &[Step]) {
        let state = self.model.state.clone();
        let hash = state.hash(|path| self.edited.seconds_of(path));
        let expect = self.clean(profile, &state, hash);
        if profile == Profile::Dev {
            self.count_change();
            self.model.was_built(expect.code == Some(0));
        }
        let jobs = format!("-j{}", 1 + self.random.below(4));
        let is_same = self.last == Some((profile, hash)) && !steps.iter().any(Step::spoils);
        let is_plain = self.random.below(2) == 0;
        if is_plain && let Err(why) = self.judge_plainly(profile, &state, &expect) {
            self.failures.push(format!("{}{why}", headline(self.seed, self.figures.all_steps())));
        }
        let found = self.judge(profile, &state, &expect, &jobs, is_same && !is_plain);
        self.figures.compared += 1;
        self.figures.failing += u32::from(expect.code != Some(0));
        self.figures.outputs += expect.outputs.len() as u64;
        self.last = Some((profile, hash));
        let Err(why) = found else { return };
        let mut text = headline(self.seed, self.figures.all_steps());
        let _ = writeln!(text, "{profile:?}, {jobs}. Since the last comparison:");
        for step in steps {
            let _ = writeln!(text, "  {step}");
        }
        let _ = writeln!(text, "{why}");
        text += &self.shrink(profile, base, steps);
        self.failures.push(text);
        if keeps() {
            return;
        }
        // Later steps are compared on their own.
        let _ = std::fs::remove_dir_all(self.edited.root.join("target"));
        build::build(&self.space, &self.edited, &state, profile, &[]);
        self.last = None;
    }

    /// Checks whether the last step changes the result.
    fn count_change(&mut self) {
        let state = self.model.state.clone();
        let hash = state.hash(|path| self.edited.seconds_of(path));
        let now = self.clean(Profile::Dev, &state, hash);
        if let Some(before) = self.before.replace(now.clone()) {
            self.figures.changing += u32::from(before != now);
        }
    }

    /// The result of a clean build of the state. The times of files are those of the edited
    /// workspace.
    fn clean(&mut self, profile: Profile, state: &State, hash: [u8; 32]) -> Outcome {
        if let Some(known) = self.known.get(&(profile, hash)) {
            return known.clone();
        }
        self.clean.become_copy(state, Some(&self.edited));
        let jobs = format!("-j{}", 1 + self.random.below(4));
        let made = build::build(&self.space, &self.clean, state, profile, &["--keep-going", &jobs])
            .outcome;
        self.figures.clean += 1;
        self.known.insert((profile, hash), made.clone());
        made
    }

    /// Builds the edited workspace as users do. Where that ends well its outputs are right.
    ///
    /// # Errors
    /// The violation.
    fn judge_plainly(
        &self,
        profile: Profile,
        state: &State,
        expect: &Outcome,
    ) -> Result<(), String> {
        let Build { outcome, run, .. } =
            build::build_plainly(&self.space, &self.edited, state, profile);
        if outcome.code != expect.code {
            return Err(format!("a clean build ends with {:?}, and this one:\n{run}", expect.code));
        }
        let is_wrong = |name: &&String| outcome.outputs.get(*name) != expect.outputs.get(*name);
        let wrong: Vec<&String> = expect.outputs.keys().filter(is_wrong).collect();
        if expect.code == Some(0) && !wrong.is_empty() {
            return Err(format!("these differ from a clean build's: {wrong:?}\n{run}"));
        }
        Ok(())
    }

    /// Builds the edited workspace, and compares what its certificate says with what is done.
    ///
    /// # Errors
    /// The violation.
    fn judge(
        &mut self,
        profile: Profile,
        state: &State,
        expect: &Outcome,
        jobs: &str,
        is_same: bool,
    ) -> Result<(), String> {
        let is_certifying = self.random.below(4) > 0;
        let build = |words: &[&str]| build::build(&self.space, &self.edited, state, profile, words);
        let mut made = build(&[jobs, "-vv"]);
        let is_certified = made.run.stderr.contains("the certificate holds");
        self.figures.certified += u32::from(is_certified);
        self.figures.refuted +=
            u32::from(made.run.stderr.contains("the certificate does not hold"));
        if is_certified && (!made.started.is_empty() || expect.code != Some(0)) {
            return Err(format!(
                "the certificate holds, and yet this was to be done: {:?}\n{}",
                made.started, made.run
            ));
        }
        if expect.code == Some(101) && made.outcome.code == Some(101) {
            // Without it, the outputs of a failing build depend on timing.
            made = build(&[jobs, "--keep-going"]);
        }
        differences(expect, &made)?;
        self.expect_right_leftovers(profile, state, expect, &made)?;
        if is_same && expect.code == Some(0) && !made.started.is_empty() {
            return Err(format!(
                "nothing has changed, and yet this was done: {:?}\n{}",
                made.started, made.run
            ));
        }
        if expect.code != Some(0) {
            return Ok(());
        }
        // Stamps of files that were just written are too young for a certificate.
        std::thread::sleep(Duration::from_millis(25));
        let again = build(&[jobs]);
        self.figures.idle += 1;
        if !again.started.is_empty() {
            return Err(format!(
                "it was built, and yet built once more: {:?}\n{}",
                again.started, again.run
            ));
        }
        if is_certifying {
            // The one before may have written stamps that it has learnt.
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(25));
                build::build_plainly(&self.space, &self.edited, state, profile);
            }
        }
        differences(expect, &again)
    }

    /// An archive that a clean build does not make, because its links use modules, may exist from
    /// an earlier build. Then it must be what would be made now.
    ///
    /// # Errors
    /// An archive is outdated.
    fn expect_right_leftovers(
        &self,
        profile: Profile,
        state: &State,
        expect: &Outcome,
        made: &Build,
    ) -> Result<(), String> {
        if expect.code != Some(0) {
            return Ok(());
        }
        let is_left = |name: &&String| !expect.outputs.contains_key(*name);
        for name in made.outcome.outputs.keys().filter(is_left) {
            let file = name.rsplit('/').next().unwrap_or(name);
            let krate = file.strip_prefix("lib").and_then(|rest| rest.strip_suffix(".a"));
            let Some(krate) = krate.filter(|krate| self.model.manifests.makes_archive(krate))
            else {
                continue;
            };
            self.clean.become_copy(state, Some(&self.edited));
            let asked_for = build::build(&self.space, &self.clean, state, profile, &["-p", krate]);
            if asked_for.outcome.outputs.get(name) != made.outcome.outputs.get(name) {
                return Err(format!("{name} was left by an earlier build, and is out of date"));
            }
        }
        Ok(())
    }

    /// Repeats the last steps alone, on a new workspace, and drops unneeded ones.
    fn shrink(&self, profile: Profile, base: &State, steps: &[Step]) -> String {
        let edits: Vec<&Edit> = steps.iter().flat_map(|step| &step.edits).collect();
        if edits.is_empty() || edits.len() > 12 {
            return String::new();
        }
        let disk = |name: &str| Disk::new(self.space.path(name), self.space.path("staging"));
        let (alone, clean) = (disk("alone"), disk("alone-clean"));
        let differs = |edits: &[&Edit]| {
            let mut state = base.clone();
            alone.become_copy(&state, None);
            let build = |state: &State| {
                build::build(&self.space, &alone, state, profile, &["--keep-going"])
            };
            build(&state);
            std::thread::sleep(Duration::from_millis(30));
            build(&state);
            for edit in edits {
                if state.apply(edit) {
                    alone.apply(edit, |which| build::outputs(&alone, profile, which));
                }
            }
            let made = build(&state);
            clean.become_copy(&state, Some(&alone));
            let expect = build::build(&self.space, &clean, &state, profile, &["--keep-going"]);
            differences(&expect.outcome, &made).is_err()
        };
        if !differs(&edits) {
            return "These steps alone, on a new workspace, cause no difference.".to_owned();
        }
        let mut needed = edits;
        let mut at = 0;
        while at < needed.len() && needed.len() > 1 {
            let mut fewer = needed.clone();
            fewer.remove(at);
            if differs(&fewer) {
                needed = fewer;
            } else {
                at += 1;
            }
        }
        let mut text =
            "These edits alone, on a new workspace, cause the same difference:".to_owned();
        needed.iter().for_each(|edit| text += &format!("\n  {edit}"));
        text
    }
}

/// # Errors
/// The difference.
fn differences(expect: &Outcome, made: &Build) -> Result<(), String> {
    let Build { outcome, started, run } = made;
    let mut text = String::new();
    if expect.code != outcome.code {
        let _ = writeln!(
            text,
            "a clean build ends with {:?}, this one with {:?}",
            expect.code, outcome.code
        );
    }
    for (name, hash) in &expect.outputs {
        match outcome.outputs.get(name) {
            None => drop(writeln!(text, "{name} is missing")),
            Some(other) if other != hash => {
                let _ = writeln!(text, "{name} differs from a clean build's");
            }
            Some(_) => {}
        }
    }
    if expect.messages != outcome.messages {
        let only = |a: &[String], b: &[String]| {
            a.iter().filter(|text| !b.contains(text)).cloned().collect::<String>()
        };
        let _ = writeln!(
            text,
            "other diagnostics; of a clean build alone:\n{}\nof this one alone:\n{}",
            only(&expect.messages, &outcome.messages),
            only(&outcome.messages, &expect.messages)
        );
    }
    if text.is_empty() {
        return Ok(());
    }
    let _ = writeln!(text, "done: {started:?}\n`{}`: {}\n{}", run.command, run.status, run.stderr);
    Err(text)
}

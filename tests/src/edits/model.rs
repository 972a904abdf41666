//! A workspace that changes step by step: its first state and its steps. They are the same for the
//! same seed, as long as the same states can be built. Does no I/O.

use super::edit::{Edit, Writing};
use super::kind::Kind;
use super::manifests::{Command, Crate, Manifests, Profile};
use super::prebuilt::Prebuilt;
use super::sources;
use super::state::State;
use crate::random::Random;
use std::fmt::{self, Display, Formatter};

pub(super) struct Model {
    pub(super) state: State,
    pub(super) manifests: Manifests,
    pub(super) random: Random,
    deck: Vec<Kind>,
    /// The last states whose builds succeeded, the newest last.
    good: Vec<(State, Manifests)>,
    /// The kind of the step after which the build fails.
    broken_by: Option<Kind>,
    last: Kind,
    /// How files are written if the step does not say.
    pub(super) habit: Option<Writing>,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) edits: Vec<Edit>,
}

impl Step {
    /// It changes outputs, so that the next build has something to do although no file has changed.
    pub(super) fn spoils(&self) -> bool {
        self.edits.iter().any(|edit| matches!(edit, Edit::Spoil { .. }))
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:", self.kind)?;
        self.edits.iter().try_for_each(|edit| write!(f, "\n    {edit}"))
    }
}

const MODES: [&str; 4] = ["off", "thin-local", "thin", "fat"];

impl Model {
    /// Successive seeds have different modes of link-time optimisation.
    pub(super) fn new(seed: u64, prebuilt: &Prebuilt) -> Model {
        let mut random = Random::new(seed);
        let mut state = State::default();
        sources::write(&mut state, &mut random, prebuilt);
        let variables = [
            ("PATH", "@ROOT@/tools/first:@ROOT@/tools/second:@PATH@".to_owned()),
            ("LIBRARY_PATH", "env/one:env/two".to_owned()),
            ("PKG_CONFIG_PATH", "@ROOT@/env/earlier-packages:@ROOT@/env/packages".to_owned()),
            ("SOURCE_DATE_EPOCH", format!("{}00000", sources::number(&mut random))),
        ];
        state.environment.extend(variables.map(|(name, value)| (name.to_owned(), value)));
        for (name, value) in [("CPATH", "env/two"), ("CC", "link-tool"), ("CXX", "link-tool")] {
            if random.below(2) == 0 {
                state.environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let manifests = manifests(&mut random, MODES[(seed % 4) as usize]);
        for (path, text) in manifests.texts() {
            state.apply(&Edit::write(&path, text, Writing::Recreated));
        }
        let habit = match random.below(6) {
            0 => Some(Writing::ConstantTime),
            1 => Some(Writing::InPlaceTimeKept),
            _ => None,
        };
        let deck = Kind::shuffled(&mut random);
        let good = vec![(state.clone(), manifests.clone())];
        Model { state, manifests, random, deck, good, broken_by: None, last: Kind::Content, habit }
    }

    /// How many steps the round still has, without those that undo others.
    pub(super) fn left(&self) -> usize {
        self.deck.len()
    }

    pub(super) fn next_step(&mut self) -> Step {
        if let Some(kind) = self.broken_by.take() {
            let (state, manifests) = self.good.last().expect("the first state is good").clone();
            return self.go_to(kind, &state, manifests);
        }
        // A kind without a possible step is tried again later.
        for _ in 0..100 {
            let Some(kind) = self.deck.pop() else { break };
            for _ in 0..20 {
                let (state, manifests) = (self.state.clone(), self.manifests.clone());
                if let Some(edits) = self.draw(kind)
                    && edits.iter().all(|edit| self.state.apply(edit))
                    && !edits.is_empty()
                {
                    self.last = kind;
                    return Step { kind, edits };
                }
                (self.state, self.manifests) = (state, manifests);
            }
            self.deck.insert(0, kind);
        }
        unreachable!("some file can always be edited")
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken_by.is_some()
    }

    /// Records whether the build of this state succeeded. If not, the next step undoes the change.
    pub(super) fn was_built(&mut self, success: bool) {
        if success {
            self.good.push((self.state.clone(), self.manifests.clone()));
            if self.good.len() > 6 {
                self.good.remove(0);
            }
        } else {
            self.broken_by = Some(self.last);
        }
    }

    /// Returns to an earlier state whose build succeeded, as by a checkout.
    pub(super) fn go_back(&mut self) -> Option<Vec<Edit>> {
        let nth = self.random.below(self.good.len() as u64) as usize;
        let (state, manifests) = self.good[nth].clone();
        let edits = self.towards(&state);
        self.manifests = manifests;
        Some(edits)
    }

    fn go_to(&mut self, kind: Kind, state: &State, manifests: Manifests) -> Step {
        let edits = self.towards(state);
        for edit in &edits {
            assert!(self.state.apply(edit), "{edit}");
        }
        self.manifests = manifests;
        self.last = kind;
        Step { kind, edits }
    }

    fn towards(&mut self, state: &State) -> Vec<Edit> {
        let mut ways = Writing::PLAIN.to_vec();
        ways.push(Writing::ConstantTime);
        let (habit, random) = (self.habit, &mut self.random);
        self.state.edits_towards(state, || habit.unwrap_or_else(|| random.one_of(&ways)))
    }

    /// Draws a way to write a file.
    pub(super) fn any_way(&mut self) -> Writing {
        self.habit.unwrap_or_else(|| self.random.one_of(&Writing::PLAIN))
    }

    /// The edits that write changed manifests.
    pub(super) fn manifest_edits(&mut self) -> Vec<Edit> {
        let texts = self.manifests.texts();
        let changed = texts.into_iter().filter(|(path, text)| self.state.text(path) != Some(text));
        let changed: Vec<(String, String)> = changed.collect();
        changed.into_iter().map(|(path, text)| Edit::write(&path, text, self.any_way())).collect()
    }

    /// A path in a crate.
    pub(super) fn at(&self, krate: &str, path: &str) -> String {
        format!("{}/{path}", self.manifests.home(krate))
    }
}

fn manifests(random: &mut Random, lto: &'static str) -> Manifests {
    let mut krate = |name: &'static str| Crate {
        name,
        home: format!("crates/{name}"),
        level: sources::number(random) as u32,
        library: Some(Vec::new()),
        ..Crate::default()
    };
    let words =
        |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let core = Crate {
        includes: vec!["private/first", "private/second", "private/turned"],
        flags: words(&[
            "-include",
            "@HOME@/forced.h",
            "--config=@HOME@/core.cfg",
            "--embed-dir=@HOME@/embed/first",
            "--embed-dir=@HOME@/embed/second",
        ]),
        packages: vec!["edits"],
        public_level: Some(1000),
        ..krate("core")
    };
    let low = Crate { includes: vec!["inc/first", "inc/second"], ..krate("low") };
    let made = Crate {
        commands: vec![
            Command {
                run: words(&["sh", "make.sh", "1000"]),
                inputs: vec!["make.sh", "in/*.txt"],
                outputs: words(&["$OUT_DIR/made.h", "$OUT_DIR/made_list.c"]),
            },
            Command {
                run: words(&["made-tool"]),
                inputs: vec!["tree.txt"],
                outputs: words(&["src/made_tree.c"]),
            },
        ],
        ..krate("made")
    };
    let wrap = Crate {
        library: Some(words(&["crate-type = [\"cdylib\"]", "exports = \"wrap.map\""])),
        dependencies: vec!["core"],
        ..krate("wrap")
    };
    let objects = "sources = [\"src/*.c\", \"objects/one.o\", \"objects/libpre_pair.a\", \"objects/libpre_thin.a\"]";
    let pre = Crate { library: Some(words(&[objects])), ..krate("pre") };
    let app = Crate {
        library: None,
        dependencies: vec!["core", "low", "made", "wrap", "pre"],
        link_args: words(&[
            "-Llibs/first",
            "-Llibs/second",
            "-Llibs/turned",
            "-Llibs/script",
            "-lpick",
            "-lsym",
            "-ldir",
            "-lenv",
            "-lscript",
            "libs/thin/libthin.a",
            "libs/script/extra.ld",
            "-Wl,-T,libs/script/insert.ld",
            "@@HOME@/driver.rsp",
            "-Wl,@@HOME@/lld.rsp",
        ]),
        ..krate("app")
    };
    let debug = random.one_of(&["false", "false", "true", "\"line-tables-only\""]);
    let opt_level = random.one_of(&["0", "1", "2", "\"s\""]);
    let other_lto = random.one_of(&MODES);
    let mut profile = |name, opt_level, debug, lto| Profile {
        name,
        opt_level,
        debug,
        lto,
        codegen_units: random.one_of(&[1, 2, 8]),
        level: sources::number(random) as u32,
    };
    let profiles =
        vec![profile("dev", opt_level, debug, lto), profile("release", "2", "false", other_lto)];
    Manifests { crates: vec![core, low, made, wrap, pre, app], profiles }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// All steps of a round, if `success` returns whether the build after each step succeeds.
    fn steps(seed: u64, success: impl Fn(usize) -> bool) -> Vec<Step> {
        let mut model = Model::new(seed, &Prebuilt::of_numbers_alone());
        let mut steps = Vec::new();
        while model.left() > 0 || model.is_broken() {
            let mut state = model.state.clone();
            let step = model.next_step();
            for edit in &step.edits {
                assert!(state.apply(edit), "seed {seed}: {edit}");
            }
            assert!(state.hash(|_| 0) == model.state.hash(|_| 0), "seed {seed}: {step}");
            for (path, text) in model.manifests.texts() {
                assert_eq!(model.state.text(&path), Some(&*text), "seed {seed}: {step}");
            }
            steps.push(step);
            model.was_built(success(steps.len()));
        }
        steps
    }

    #[test]
    fn seed_gives_the_same_steps() {
        let told =
            |seed| steps(seed, |nth| nth % 7 != 0).iter().map(Step::to_string).collect::<Vec<_>>();
        assert_eq!(told(3), told(3));
        assert_ne!(told(3), told(4));
    }

    #[test]
    fn steps_are_of_every_kind_though_some_are_taken_back() {
        for seed in 0..20 {
            // A fifth of all builds fail.
            let steps = steps(seed, |nth| nth % 5 != 0);
            let mut counts: BTreeMap<Kind, usize> = Kind::all().map(|kind| (kind, 0)).collect();
            steps.iter().for_each(|step| *counts.get_mut(&step.kind).unwrap() += 1);
            assert!(
                counts.values().all(|count| count * 20 >= steps.len()),
                "seed {seed}: {counts:?}"
            );
        }
    }

    #[test]
    fn rounds_have_every_edit_and_every_way_to_write() {
        let (mut ways, mut edits) = (BTreeSet::new(), BTreeSet::new());
        for step in (0..15).flat_map(|seed| steps(seed, |_| true)) {
            for edit in step.edits {
                if let Edit::Write { how, .. } = edit {
                    ways.insert(how);
                }
                let name = format!("{edit:?}");
                edits.insert(name.split([' ', '{']).next().unwrap().to_owned());
            }
        }
        let all = Writing::PLAIN.into_iter().chain(Writing::TIME_KEPT).collect();
        assert_eq!(ways, all);
        let all = [
            "HardLink",
            "Remove",
            "Rename",
            "SetMode",
            "SetTime",
            "SetVariable",
            "Spoil",
            "Swap",
            "Symlink",
            "Write",
        ];
        assert_eq!(edits.iter().map(String::as_str).collect::<Vec<_>>(), all);
    }

    #[test]
    fn steps_that_break_the_build_are_taken_back() {
        let mut model = Model::new(1, &Prebuilt::of_numbers_alone());
        let first = model.state.hash(|_| 0);
        let step = model.next_step();
        model.was_built(false);
        assert_eq!(model.next_step().kind, step.kind);
        assert_eq!(model.state.hash(|_| 0), first);
        assert!(!model.is_broken());
    }
}

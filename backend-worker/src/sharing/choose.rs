//! Which headers are parsed once, and for which units.
//!
//! What units have in common at their begin forms a tree. A group is a node of it: the units below
//! it may share that text. Nodes are chosen by what they save, greedily.

use super::standard::is_standard;
use super::{TokenFile, Tokens};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Headers for several units.
#[derive(Debug, PartialEq)]
pub struct Group {
    /// The directives, one per line.
    pub text: String,
    /// A path in the directory of the text's source, which need not exist.
    pub source: String,
    /// The units, by number.
    pub members: Vec<usize>,
}

/// What a token of the project costs, compared with one of the standard library: its classes make
/// clang instantiate templates. Measured with RocksDB: 0.9 and 6.8 microseconds.
const PROJECT: u64 = 6;

/// What it costs to parse headers and to write them, compared with what a unit saves. Measured with
/// RocksDB: 2.4 and 1.2 seconds.
const COST: f64 = 2.0;

/// The least that a group must save, in tokens of the standard library: about a tenth of a second.
const LEAST: f64 = 100_000.0;

/// Of units with the same project text at their begin, those are candidates that read what so many
/// of them read of the standard library, in percent. Few units with little of it must not keep it
/// from all others.
const SHARES: [usize; 4] = [100, 90, 70, 50];

/// Chooses groups. The order of the units decides between equals.
pub fn choose(units: &[&Tokens]) -> Vec<Group> {
    let mut nodes: HashMap<u64, Vec<(usize, Cut)>> = HashMap::new();
    for (number, unit) in units.iter().enumerate() {
        for (prefix, cut) in cuts(unit) {
            nodes.entry(prefix).or_default().push((number, cut));
        }
    }
    // Of nodes with the same units, the one with most text.
    let mut deepest: BTreeMap<Vec<usize>, Cut> = BTreeMap::new();
    for of in nodes.into_values().filter(|of| of.len() > 1) {
        let cut = of[0].1;
        let best = deepest.entry(of.into_iter().map(|(number, _)| number).collect()).or_insert(cut);
        if cut.runs > best.runs {
            *best = cut;
        }
    }
    let candidates: Vec<Candidate> = deepest
        .into_iter()
        .flat_map(|(members, cut)| {
            let mut ways = SHARES.map(|share| readers(units, &members, share)).to_vec();
            // And those that are left, as the most of them read.
            let mut left = members;
            while left.len() > 1 {
                let most = readers(units, &left, SHARES[SHARES.len() - 1]);
                if most.is_empty() {
                    break;
                }
                left.retain(|unit| !most.contains(unit));
                ways.push(most);
            }
            ways.dedup();
            ways.into_iter()
                .filter(|members| members.len() > 1)
                .map(move |members| Candidate::new(units, members, cut))
        })
        .collect();
    let mut chosen: Vec<usize> = Vec::new();
    let mut of_unit: Vec<Option<usize>> = vec![None; units.len()];
    loop {
        let saved = |unit: usize| saved_by(&candidates, of_unit[unit]);
        let gain = |candidate: &Candidate| {
            let more =
                candidate.members.iter().map(|unit| candidate.cost.saturating_sub(saved(*unit)));
            more.sum::<u64>() as f64 - candidate.cost as f64 * COST
        };
        let best = (0..candidates.len())
            .filter(|at| !chosen.contains(at))
            .map(|at| (at, gain(&candidates[at])))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((best, _)) = best.filter(|(_, gain)| *gain >= LEAST) else { break };
        chosen.push(best);
        for unit in &candidates[best].members {
            if saved_by(&candidates, of_unit[*unit]) < candidates[best].cost {
                of_unit[*unit] = Some(best);
            }
        }
    }
    chosen
        .into_iter()
        .filter_map(|at| {
            let members: Vec<usize> =
                (0..units.len()).filter(|unit| of_unit[*unit] == Some(at)).collect();
            (members.len() > 1).then(|| candidates[at].group(units, members))
        })
        .collect()
}

fn saved_by(candidates: &[Candidate], chosen: Option<usize>) -> u64 {
    chosen.map_or(0, |at| candidates[at].cost)
}

/// A place in a unit's project text after which all files that were begun are complete.
#[derive(Clone, Copy)]
struct Cut {
    /// The number of project runs before it.
    runs: usize,
    /// Their tokens.
    tokens: u64,
}

/// The places at which a unit's text can be cut, each with a hash of the text before it.
fn cuts(unit: &Tokens) -> Vec<(u64, Cut)> {
    let runs: Vec<_> = unit.project_runs().collect();
    let last: HashMap<usize, usize> =
        runs.iter().enumerate().map(|(at, run)| (run.file, at)).collect();
    let mut hasher = DefaultHasher::new();
    let mut cut = Cut { runs: 0, tokens: 0 };
    let mut found = vec![(hasher.finish(), cut)];
    let mut open = HashSet::new();
    let unsettled = unsettled(unit);
    for (at, run) in runs.into_iter().enumerate() {
        let file = &unit.files[run.file];
        if file.includer == run.file
            || file.leaves_state
            || file.entries != 1
            || unsettled.contains(&file.includer)
            || unsettled.contains(&run.file)
        {
            break;
        }
        (&file.name, file.hash, run.offset, run.tokens).hash(&mut hasher);
        cut = Cut { runs: at + 1, tokens: cut.tokens + u64::from(run.tokens) };
        open.insert(run.file);
        if last[&run.file] == at {
            open.remove(&run.file);
        }
        if open.is_empty() {
            found.push((hasher.finish(), cut));
        }
    }
    found
}

/// Files with a directive after which a setting of the compiler is another one: they include a file
/// without tokens that leaves it behind. Where that directive stands is not known.
fn unsettled(unit: &Tokens) -> HashSet<usize> {
    let mut found = HashSet::new();
    // A file comes after the one that includes it.
    for (at, file) in unit.files.iter().enumerate().rev() {
        let leaves = file.leaves_state && !unit.is_standard(at) || found.contains(&at);
        if leaves && file.tokens == 0 && file.includer != at {
            found.insert(file.includer);
        }
    }
    found
}

struct Candidate {
    members: Vec<usize>,
    cut: Cut,
    /// What it would save in each unit, in tokens of the standard library.
    cost: u64,
}

impl Candidate {
    fn new(units: &[&Tokens], members: Vec<usize>, cut: Cut) -> Candidate {
        let standard = common(units, &members, standard_files);
        let model = units[members[0]];
        let of_standard = model.files.iter().filter(|file| standard.contains(&file.name));
        let of_standard = of_standard.map(|file| u64::from(file.tokens)).sum::<u64>();
        let cost = cut.tokens * PROJECT + of_standard;
        Candidate { members, cut, cost }
    }

    fn group(&self, units: &[&Tokens], members: Vec<usize>) -> Group {
        let model = units[members[0]];
        let place = Place::of(model);
        let read = common(units, &members, standard_files);
        let included = common(units, &members, included_standard);
        // Parts of the C library's headers are read for one type alone, and then the rest is not.
        let standard = model.files.iter().filter(|file| {
            included.contains(&file.name)
                || (read.contains(&file.name)
                    && is_standard(&file.spelled)
                    && !file.spelled.contains('.'))
        });
        let mut lines: Vec<String> =
            standard.filter_map(|file| place.directive(&file.name, &file.spelled)).collect();
        // Files in the order in which they are entered: what one includes stays within it, also if it
        // includes that file in turn.
        let files: BTreeSet<usize> =
            model.project_runs().take(self.cut.runs).map(|run| run.file).collect();
        lines.extend(files.into_iter().filter_map(|file| {
            let file = &model.files[file];
            place.directive(&file.name, &file.spelled)
        }));
        let text = lines.iter().map(|line| format!("#include {line}\n")).collect();
        Group { text, source: format!("{}shared-headers", place.directory), members }
    }
}

/// The names that `of` gives for each of the units.
fn common(
    units: &[&Tokens],
    members: &[usize],
    of: fn(&Tokens) -> HashSet<String>,
) -> HashSet<String> {
    let mut sets = members.iter().map(|unit| of(units[*unit]));
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |all, set| all.intersection(&set).cloned().collect())
}

/// Those of the units that read each file of the standard library that so many of them read. Of units
/// for which a file has different texts, those with the text that most have, one file after the other:
/// so there is always one that has all the texts that are left.
fn readers(units: &[&Tokens], members: &[usize], percent: usize) -> Vec<usize> {
    let mut left: Vec<(usize, HashMap<&str, u64>)> =
        members.iter().map(|unit| (*unit, standard_texts(units[*unit]))).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for name in left.iter().flat_map(|(_, texts)| texts.keys()) {
        *count.entry(name).or_default() += 1;
    }
    for (name, _) in count.iter().filter(|(_, readers)| **readers * 100 >= members.len() * percent)
    {
        let mut readers: BTreeMap<u64, usize> = BTreeMap::new();
        for text in left.iter().filter_map(|(_, texts)| texts.get(name)) {
            *readers.entry(*text).or_default() += 1;
        }
        if let Some((most, _)) = readers.into_iter().rev().max_by_key(|(_, readers)| *readers) {
            left.retain(|(_, texts)| texts.get(name) == Some(&most));
        }
    }
    left.into_iter().map(|(unit, _)| unit).collect()
}

/// Those that text of the project includes.
fn included_standard(unit: &Tokens) -> HashSet<String> {
    let files = unit.files.iter().enumerate();
    files
        .filter(|(at, file)| unit.is_standard(*at) && !unit.is_standard(file.includer))
        .map(|(_, file)| file.name.clone())
        .collect()
}

/// The names of all files of standard headers.
fn standard_files(unit: &Tokens) -> HashSet<String> {
    let files = unit.files.iter().enumerate().filter(|(at, _)| unit.is_standard(*at));
    files.map(|(_, file)| file.name.clone()).collect()
}

/// The files of standard headers, and what they yield where that matters: parts of the C library
/// declare a type where it is needed first, and debug information shows where that was.
fn standard_texts(unit: &Tokens) -> HashMap<&str, u64> {
    let files = unit.files.iter().enumerate().filter(|(at, _)| unit.is_standard(*at));
    let text = |file: &TokenFile| if unit.shows_places { file.statements } else { 0 };
    files.map(|(_, file)| (file.name.as_str(), text(file))).collect()
}

/// Where a unit's source lies, and where its headers are looked up.
struct Place<'a> {
    /// With a slash at its end; empty for the current one.
    directory: &'a str,
    searched: &'a [String],
}

impl<'a> Place<'a> {
    fn of(unit: &'a Tokens) -> Place<'a> {
        let main = unit.files.iter().enumerate().find(|(at, file)| file.includer == *at);
        let name = main.map_or("", |(_, file)| &file.name);
        let directory = name.rfind('/').map_or("", |slash| &name[..=slash]);
        Place { directory, searched: &unit.searched }
    }

    /// What after `#include` finds the file under this name. None if nothing does.
    fn directive(&self, name: &str, spelled: &str) -> Option<String> {
        if spelled.starts_with('<') {
            return Some(spelled.to_owned());
        }
        let within = |directory: &String| name.strip_prefix(directory.as_str())?.strip_prefix('/');
        if let Some(rest) = self.searched.iter().find_map(within) {
            return Some(format!("<{rest}>"));
        }
        name.strip_prefix(self.directory).map(|rest| format!("\"{rest}\""))
    }
}

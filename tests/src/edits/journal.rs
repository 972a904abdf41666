//! The finished rounds, one on each line of a file: a run continues where the last one ended.

use super::figures::Figures;
use crate::programs::program;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

/// Rounds with other programs under test do not count.
#[derive(Debug)]
pub struct Journal {
    path: Utf8PathBuf,
    programs: String,
    rounds: BTreeMap<u64, (Figures, Vec<String>)>,
}

impl Journal {
    /// # Panics
    /// The file exists and cannot be read.
    pub fn open(path: &Utf8Path) -> Journal {
        let mut hasher = blake3::Hasher::new();
        for name in ["tender", "tender-worker"] {
            hasher.update(&std::fs::read(program(name)).unwrap());
        }
        let programs = hasher.finalize().to_hex()[..16].to_owned();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => panic!("{path}: {error}"),
        };
        // The last line may be incomplete.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = lines.filter(|line| line["programs"] == *programs);
        let rounds = own.filter_map(|line| {
            let failures = line["failures"].as_array()?.iter().filter_map(|text| text.as_str());
            let failures = failures.map(str::to_owned).collect();
            Some((line["seed"].as_u64()?, (Figures::from_json(&line["figures"]), failures)))
        });
        Journal { path: path.to_owned(), rounds: rounds.collect(), programs }
    }

    pub fn round(&self, seed: u64) -> Option<&(Figures, Vec<String>)> {
        self.rounds.get(&seed)
    }

    /// # Panics
    /// The file cannot be written.
    pub fn add(&mut self, seed: u64, figures: &Figures, failures: &[String]) {
        let line = json!({
            "seed": seed, "programs": self.programs, "figures": figures.to_json(), "failures": failures,
        });
        std::fs::create_dir_all(self.path.parent().expect("it is a file")).unwrap();
        let mut file = File::options().create(true).append(true).open(&self.path).unwrap();
        // With a newline before it, because the line before it may be incomplete.
        file.write_all(format!("\n{line}").as_bytes()).unwrap();
        self.rounds.insert(seed, (figures.clone(), failures.to_vec()));
    }
}

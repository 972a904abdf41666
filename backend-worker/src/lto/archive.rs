//! A static library whose modules are optimised among themselves: `open`, `backend` and `finish`,
//! as for a link.
//!
//! Every member stays what it is without: it defines all that its source does, so that a later link
//! which takes it for one symbol needs no other member that it would not have needed.

use super::inputs::{Inputs, Source};
use super::link::{BackendJob, Linking, run};
use super::resolve::{self, Options, Resolution};
use crate::emit::{self, Archived};
use crate::frontend::{Watch, plain_error};
use crate::llvm::{self, LtoConfig};
use std::collections::HashSet;
use tender_protocol::{Diagnostic, Lto, LtoArchive, Member, OutputFile, PhaseName};

/// An archive whose decisions are made.
pub struct ArchiveJob {
    output: String,
    links: Vec<Linking>,
    jobs: Vec<BackendJob>,
    /// Of each job: the link, and its number there.
    place_of: Vec<(usize, usize)>,
    members: Vec<(Member, From)>,
}

/// Where a member's content comes from.
enum From {
    File,
    /// The object of its modules.
    Merged(String),
    /// The jobs of its modules.
    Jobs(Vec<usize>),
}

impl ArchiveJob {
    /// Reads the members and runs the thin link over those that are bitcode.
    pub fn open(
        krate: &str,
        output: &str,
        members: &[Member],
        lto: &LtoArchive,
        watch: &dyn Watch,
    ) -> Result<ArchiveJob, Vec<Diagnostic>> {
        watch.enter(PhaseName::Thinlink);
        let mut inputs = Inputs::default();
        for (member, entry) in members.iter().enumerate() {
            let source = Source::Member { mark: 0, member };
            inputs
                .member(entry, krate, false, source)
                .map_err(|why| vec![plain_error(None, why.to_string())])?;
        }
        // A library is position independent, and who links it is not known.
        let config =
            LtoConfig { opt_level: lto.opt_level, position_independent: true, keep_copies: true };
        let mut links = Vec::new();
        for (number, resolution) in resolutions(&inputs, lto.mode).into_iter().enumerate() {
            // Names the merged object of a member.
            let name = format!("{krate}.{number}");
            links.push(run(
                &mut inputs,
                &resolution,
                config,
                &lto.work_dir,
                &name,
                lto.mode,
                watch,
            )?);
        }

        let mut jobs = Vec::new();
        let mut place_of = Vec::new();
        let mut list = Vec::with_capacity(members.len());
        for (number, member) in members.iter().enumerate() {
            let is_it = |source: &Source| *source == Source::Member { mark: 0, member: number };
            let input =
                inputs.sources.iter().position(is_it).filter(|at| !inputs.modules[*at].is_empty());
            let from = match input {
                None => From::File,
                Some(input) => {
                    let mut own = Vec::new();
                    let mut merged = None;
                    for (at, link) in links.iter().enumerate() {
                        for job in link.job_of[input].iter() {
                            let Some(job) = *job else {
                                merged = link.merged.clone();
                                continue;
                            };
                            own.push(jobs.len());
                            jobs.push(link.backends.jobs[job].clone());
                            place_of.push((at, job));
                        }
                    }
                    merged.map_or(From::Jobs(own), From::Merged)
                }
            };
            list.push((member.clone(), from));
        }
        Ok(ArchiveJob { output: output.to_owned(), links, jobs, place_of, members: list })
    }

    /// In the order of members.
    pub fn jobs(&self) -> &[BackendJob] {
        &self.jobs
    }

    /// As `LinkJob::backend`.
    pub fn backend(&self, index: usize, watch: &dyn Watch) -> Result<Option<OutputFile>, String> {
        let (link, job) = self.place_of[index];
        self.links[link].backends.run(job, watch)
    }

    /// Writes the archive, after all backends. A unit of several modules is joined into one member
    /// again.
    ///
    /// # Panics
    /// If a backend has not been run.
    pub fn finish(&self) -> Result<Archived, String> {
        let mut members = Vec::with_capacity(self.members.len());
        for (member, from) in &self.members {
            let jobs = match from {
                From::File => {
                    members.push(member.clone());
                    continue;
                }
                From::Merged(path) => {
                    members.push(Member { name: member.name.clone(), path: path.clone() });
                    continue;
                }
                From::Jobs(jobs) => jobs,
            };
            let made = jobs.iter().filter_map(|job| {
                let (link, job) = self.place_of[*job];
                self.links[link].backends.object(job)
            });
            let made: Vec<&str> = made.collect();
            let path = match made[..] {
                [] => continue,
                [one] => one.to_owned(),
                [first, ..] => {
                    let read = |path: &&str| {
                        std::fs::read(path).map_err(|why| format!("cannot read {path}: {why}"))
                    };
                    let objects = made.iter().map(read).collect::<Result<Vec<_>, _>>()?;
                    let slices: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
                    let joined = format!("{}.joined.o", first.trim_end_matches(".0.o"));
                    emit::write(&joined, &emit::join(&slices, None)?)
                        .map_err(|why| why.to_string())?;
                    joined
                }
            };
            members.push(Member { name: member.name.clone(), path });
        }
        emit::archive(&self.output, &members)
    }
}

/// One link of all members. But members may be alternatives that define the same, and no module may
/// take one for the other: then each is optimised on its own. So it is where a link gives one
/// object, because members must stay apart.
fn resolutions(inputs: &Inputs, mode: Lto) -> Vec<Resolution> {
    let triple =
        inputs.modules.iter().flatten().find_map(|module| Some(module.bitcode.as_ref()?.triple()));
    let options = Options {
        everything_visible: true,
        libcalls: triple.map(|triple| llvm::libcalls(&triple)).unwrap_or_default(),
        ..Options::default()
    };
    let whole = resolve::resolve(&inputs.list, &options);
    let rivals: HashSet<usize> = whole
        .duplicates
        .iter()
        .flat_map(|duplicate| [duplicate.first.0, duplicate.second.0])
        .collect();
    if rivals.is_empty() && mode != Lto::Fat {
        return vec![whole];
    }
    (0..inputs.list.len())
        .map(|index| {
            let alone = resolve::resolve(&inputs.list[index..=index], &options);
            let mut flags = vec![Vec::new(); inputs.list.len()];
            flags[index] = alone.flags.into_iter().next().unwrap_or_default();
            Resolution { order: vec![(index, None)], flags, duplicates: Vec::new() }
        })
        .collect()
}

//! A static library whose modules are optimised together: `open`, `backend` and `finish`, as for a
//! link.
//!
//! Every member still defines all symbols of its source. So a later link that takes it for one
//! symbol needs no further member because of this optimisation.

use super::inputs::{LinkInputs, Source};
use super::link::{BackendJob, ThinLinked, run};
use super::resolve::{self, Resolution, ResolveOptions};
use crate::emit::{self, Archived};
use crate::frontend::{Observer, plain_error};
use crate::llvm::{self, LtoConfig};
use std::collections::HashSet;
use tender_protocol::{Diagnostic, Lto, LtoArchive, Member, OutputFile, PhaseName};

/// An archive after its thin link.
pub struct ArchiveJob {
    output: String,
    links: Vec<ThinLinked>,
    jobs: Vec<BackendJob>,
    /// For each job: its link, and its number there.
    job_in_link: Vec<(usize, usize)>,
    members: Vec<(Member, MemberContent)>,
}

/// Where the content of a member comes from.
enum MemberContent {
    File,
    /// The object of its merged modules.
    Merged(String),
    /// The objects of these jobs.
    Jobs(Vec<usize>),
}

impl ArchiveJob {
    /// Reads the members and runs the thin link over the bitcode members.
    ///
    /// # Errors
    /// A member cannot be read, or LLVM reports an error.
    pub fn open(
        krate: &str,
        output: &str,
        members: &[Member],
        lto: &LtoArchive,
        observer: &dyn Observer,
    ) -> Result<ArchiveJob, Vec<Diagnostic>> {
        observer.enter(PhaseName::Thinlink);
        let mut inputs = LinkInputs::default();
        for (member, entry) in members.iter().enumerate() {
            let source = Source::Member { placeholder: 0, member };
            inputs
                .member(entry, krate, false, source)
                .map_err(|why| vec![plain_error(None, why.to_string())])?;
        }
        // The library may be linked into anything, so its code is position independent.
        let config =
            LtoConfig { opt_level: lto.opt_level, position_independent: true, keep_copies: true };
        let mut links = Vec::new();
        for (number, resolution) in resolutions(&inputs, lto.mode).into_iter().enumerate() {
            // The name of the merged object of a member.
            let name = format!("{krate}.{number}");
            links.push(run(
                &mut inputs,
                &resolution,
                config,
                &lto.work_dir,
                &name,
                lto.mode,
                observer,
            )?);
        }

        let mut jobs = Vec::new();
        let mut job_in_link = Vec::new();
        let mut list = Vec::with_capacity(members.len());
        for (number, member) in members.iter().enumerate() {
            let is_it =
                |source: &Source| *source == Source::Member { placeholder: 0, member: number };
            let input =
                inputs.sources.iter().position(is_it).filter(|at| !inputs.modules[*at].is_empty());
            let from = match input {
                None => MemberContent::File,
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
                            job_in_link.push((at, job));
                        }
                    }
                    merged.map_or(MemberContent::Jobs(own), MemberContent::Merged)
                }
            };
            list.push((member.clone(), from));
        }
        Ok(ArchiveJob { output: output.to_owned(), links, jobs, job_in_link, members: list })
    }

    /// The backends, in the order of members.
    pub fn jobs(&self) -> &[BackendJob] {
        &self.jobs
    }

    /// As `LinkJob::backend`.
    ///
    /// # Errors
    /// As `LinkJob::backend`.
    pub fn backend(
        &self,
        index: usize,
        observer: &dyn Observer,
    ) -> Result<Option<OutputFile>, String> {
        let (link, job) = self.job_in_link[index];
        self.links[link].backends.run(job, observer)
    }

    /// Writes the archive, after all backends. The objects of a unit with several modules are
    /// joined into one member.
    ///
    /// # Errors
    /// A file cannot be read or written: a sentence fragment.
    ///
    /// # Panics
    /// If a backend has not run.
    pub fn finish(&self) -> Result<Archived, String> {
        let mut members = Vec::with_capacity(self.members.len());
        let mut all_joined = Vec::new();
        for (member, from) in &self.members {
            let jobs = match from {
                MemberContent::File => {
                    members.push(member.clone());
                    continue;
                }
                MemberContent::Merged(path) => {
                    members.push(Member { name: member.name.clone(), path: path.clone() });
                    continue;
                }
                MemberContent::Jobs(jobs) => jobs,
            };
            let made = jobs.iter().filter_map(|job| {
                let (link, job) = self.job_in_link[*job];
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
                    all_joined.push(joined.clone());
                    joined
                }
            };
            members.push(Member { name: member.name.clone(), path });
        }
        let archived = emit::archive(&self.output, &members)?;
        let links = &self.links;
        let merged = links.iter().filter_map(|link| link.merged.as_deref());
        emit::remove_intermediate(
            (links.iter().flat_map(|link| link.backends.objects()))
                .chain(merged)
                .chain(all_joined.iter().map(String::as_str)),
        );
        Ok(archived)
    }
}

/// Resolves all members in one link. If two members define the same symbol, they are alternatives,
/// and no module may use one for the other: then each member is optimised alone. With fat LTO each
/// is optimised alone too, because members must not be merged.
fn resolutions(inputs: &LinkInputs, mode: Lto) -> Vec<Resolution> {
    let triple =
        inputs.modules.iter().flatten().find_map(|module| Some(module.bitcode.as_ref()?.triple()));
    let options = ResolveOptions {
        everything_visible: true,
        libcalls: triple.map(|triple| llvm::libcalls(&triple)).unwrap_or_default(),
        ..ResolveOptions::default()
    };
    let whole = resolve::resolve(&inputs.list, &options);
    let alternatives: HashSet<usize> = whole
        .duplicates
        .iter()
        .flat_map(|duplicate| [duplicate.first.0, duplicate.second.0])
        .collect();
    if alternatives.is_empty() && mode != Lto::Fat {
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

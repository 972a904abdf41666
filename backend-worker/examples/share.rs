//! A developer's tool: shares headers between units as the worker does, proves that their objects are
//! the same, and prints times.
//!
//!     share SOURCE... -- FLAGS
//!
//! Times are seconds of the thread's processor time: of the scan, of the headers, and of each unit
//! up to its object, alone and with the headers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use std::process::ExitCode;
use tender_protocol::{Diagnostic, Language, Lto, PhaseName};
use tender_worker::frontend::{
    BeginOptions, BegunUnit, Code, HashCache, Observer, Offered, Unit, UnitScan, choose_headers,
};
use tender_worker::llvm::{self, SharedHeaders};

struct Show;

impl Observer for Show {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        eprint!("{}", diagnostic.rendered);
    }
    fn enter(&self, _: PhaseName) {}
    fn live_modules(&self, _: i32) {}
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(split) = words.iter().position(|word| word == "--") else {
        eprintln!("usage: share SOURCE... -- FLAGS");
        return ExitCode::from(2);
    };
    let (sources, args) = (&words[..split], &words[split + 1..]);
    llvm::initialise(|text| eprintln!("LLVM: {text}"));
    if run(sources, args) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(sources: &[String], args: &[String]) -> bool {
    let cache = HashCache::default();
    let (scans, time) = timed(|| {
        let scan = |source: &String| unit(source, args).tokens(&cache, &Show);
        sources.iter().map(scan).collect::<Vec<Option<UnitScan>>>()
    });
    println!("scan of {} units: {time:.2}", sources.len());
    let groups = choose_headers(&scans);
    let mut headers: Vec<SharedHeaders> = Vec::new();
    for group in &groups {
        let model = unit(&sources[group.members[0]], args);
        let (made, time) =
            timed(|| model.share_headers(group, &cache, &Show).result.ok().flatten());
        let Some(made) = made else {
            println!("a group of {} units cannot be shared:\n{}", group.members.len(), group.text);
            continue;
        };
        let (size, tokens) = (made.file().len() >> 20, made.facts.tokens.count());
        println!(
            "headers for {} units: {time:.2}, {tokens} tokens, {size} MiB",
            group.members.len()
        );
        headers.push(made);
    }
    let mut all_same = true;
    for (source, scan) in sources.iter().zip(scans) {
        let compile = |headers: &[SharedHeaders], scan: Option<UnitScan>, verify: bool| {
            timed(|| {
                let plan = BeginOptions { cut: None, translate_only: false, translation: None };
                let offered = Offered { headers, scan, verify };
                let (result, alone) =
                    unit(source, args).begin_in_order(plan, offered, &cache, &Show);
                let code = match result.result {
                    Ok(BegunUnit::Code(Code::Object(emitted))) => Some(emitted.object.to_vec()),
                    _ => None,
                };
                (code, result.dependencies, alone)
            })
        };
        let ((code, dependencies, _), before) = compile(&[], None, false);
        let ((with, dependencies_with, alone), after) = compile(&headers, scan, false);
        let same = code == with && dependencies == dependencies_with;
        all_same &= same;
        if !same {
            // Says where.
            compile(&headers, None, true);
        }
        let verdict = if same { "the same" } else { "DIFFERENT" };
        println!(
            "{source}: {before:.2} {after:.2} {verdict} {}",
            alone.map_or(String::new(), |why| format!("{why:?}"))
        );
    }
    all_same
}

fn unit<'a>(source: &'a str, args: &'a [String]) -> Unit<'a> {
    let (settled, modules) = (&[][..], &[][..]);
    let language = Language::Cxx;
    Unit { source, language, args, object: "unit.o", lto: Lto::Off, settled, modules }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let now = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let before = now();
    let result = work();
    (result, now() - before)
}

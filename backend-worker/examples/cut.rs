//! A developer's tool: cuts one source file as the worker does, and prints times.
//!
//!     cut FILE [-k PIECES] [-t THREADS] [--piece COST] [--copy N] [--table BYTES] [-o OBJECT] -- FLAGS
//!
//! Times are milliseconds of the thread's processor time; `backend`, `join` and `all` are wall
//! times. `-k` forces that number of pieces.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tender_protocol::{Diagnostic, FileStamp, Lto};
use tender_worker::llvm::{self, Clang, ClangRequest, Context, Cutting, Join, Listener};
use tender_worker::partition::{self, Limits};

struct Show;

impl Listener for Show {
    fn diagnostic(&self, diagnostic: Diagnostic) {
        eprint!("{}", diagnostic.rendered);
    }
    fn read(&self, _: &str, _: FileStamp, _: Option<&[u8]>) {}
    fn missing(&self, _: &str) {}
}

struct Options {
    file: String,
    threads: usize,
    limits: Limits,
    output: String,
    flags: Vec<String>,
}

fn options() -> Option<Options> {
    let mut words = std::env::args().skip(1);
    let mut options = Options {
        file: String::new(),
        threads: 2,
        limits: Limits::optimised(16),
        output: "cut.o".to_owned(),
        flags: Vec::new(),
    };
    let number = |words: &mut dyn Iterator<Item = String>| words.next()?.parse::<u64>().ok();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-k" => {
                options.limits.units = number(&mut words)? as u32;
                options.limits.least = options.limits.units;
            }
            "-t" => options.threads = number(&mut words)? as usize,
            "--piece" => options.limits.piece = number(&mut words)?,
            "--copy" => options.limits.copy = number(&mut words)? as u32,
            "--depth" => options.limits.depth = number(&mut words)? as u32,
            "--table" => options.limits.table = number(&mut words)?,
            "-o" => options.output = words.next()?,
            "--" => options.flags.extend(words.by_ref()),
            _ => options.file = word,
        }
    }
    (!options.file.is_empty()).then_some(options)
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!(
            "usage: cut FILE [-k PIECES] [-t THREADS] [--piece COST] [--copy N] [-o OBJECT] -- FLAGS"
        );
        return ExitCode::from(2);
    };
    llvm::initialise(|text| eprintln!("LLVM: {text}"));
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The processor time of this thread so far.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1000.0 + time.tv_nsec as f64 / 1e6
}

fn run(options: &Options) -> Result<(), String> {
    let failed = |_| "failed".to_owned();
    let language = match options.file.rsplit_once('.') {
        Some((_, "c")) => "c",
        Some((_, "ll" | "bc")) => return Err("only C and C++".to_owned()),
        _ => "c++",
    };
    let args: Vec<String> =
        options.flags.iter().cloned().chain(["-c", "-x", language].map(str::to_owned)).collect();
    let request = ClangRequest { args: &args, input: &options.file, output: &options.output };
    let start = Instant::now();
    let context = Context::create();
    let mut clang = Clang::open(request, Lto::Off, &Show).map_err(failed)?;
    let module = clang.translate(&context).map_err(failed)?;
    let translate = cpu_ms();
    let cost = partition::cost(&llvm::graph(&clang, &module)?);
    let graphed = cpu_ms() - translate;
    let cutting = llvm::cut_with(&clang, module, &options.limits, "0123456789abcdef");
    let cut_ms = cpu_ms() - translate - graphed;
    let cut = match cutting {
        Cutting::Cut(cut) => cut,
        Cutting::Whole(module, why) => {
            println!("translate {:.0}, whole: {why}, cost {cost}", translate);
            let at = cpu_ms();
            clang.optimise(&module).map_err(failed)?;
            let optimise = cpu_ms() - at;
            let object = clang.emit(&module).map_err(failed)?.object;
            println!(
                "optimise {optimise:.0}, emit {:.0}, all {:.0}",
                cpu_ms() - at - optimise,
                ms(start)
            );
            return std::fs::write(&options.output, &*object).map_err(|why| why.to_string());
        }
    };
    println!(
        "translate {:.0}, graph {graphed:.0}, graph + cut {cut_ms:.0}, cost {cost}, bitcode {} KiB, promoted {}",
        translate,
        cut.bitcode_len() / 1024,
        cut.promoted()
    );
    drop(clang);

    let costs: Vec<u64> = cut.costs().collect();
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&piece| std::cmp::Reverse(costs[piece]));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let backend = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            let work = || {
                while let Some(&piece) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = compile(request, &cut, piece);
                    if let Ok(mut done) = done.lock() {
                        done.push((piece, result));
                    }
                }
            };
            std::thread::Builder::new()
                .stack_size(8 << 20)
                .spawn_scoped(scope, work)
                .map(drop)
                .unwrap_or_default();
        }
    });
    let backend = ms(backend);

    let mut done = done.into_inner().map_err(|_| "a thread failed".to_owned())?;
    done.sort_by_key(|(piece, _)| *piece);
    let mut objects = Vec::new();
    let mut sum = 0.0;
    let mut most: f64 = 0.0;
    for (piece, result) in done {
        let (object, times) = result?;
        println!(
            "piece {piece:2}: cost {:6}, read {:.0}, optimise {:.0}, emit {:.0}",
            costs[piece], times[0], times[1], times[2]
        );
        sum += times[1] + times[2];
        most = most.max(times[1] + times[2]);
        objects.push(object);
    }
    let pieces: Vec<&[u8]> = objects.iter().map(Vec::as_slice).collect();
    let names = Instant::now();
    let join = Join::of(&cut, &pieces)?;
    let mut names_ms = ms(names);
    let joining = Instant::now();
    let joined = tender_worker::emit::join(&pieces, Some(&join.script()))?;
    let joined_ms = ms(joining);
    let names = Instant::now();
    let object = join.finish(&joined)?;
    names_ms += ms(names);
    std::fs::write(&options.output, &*object).map_err(|why| why.to_string())?;
    println!(
        "backend {backend:.0} (CPU {sum:.0}, largest/mean {:.2}), join {joined_ms:.0}, names {:.0}, all {:.0}",
        most * costs.len() as f64 / sum,
        names_ms,
        ms(start)
    );
    Ok(())
}

fn compile(
    request: ClangRequest<'_>,
    cut: &llvm::CutModule,
    piece: usize,
) -> Result<(Vec<u8>, [f64; 3]), String> {
    let failed = |_| "failed".to_owned();
    let context = Context::create();
    let at = cpu_ms();
    let mut clang = Clang::open(request, Lto::Off, &Show).map_err(failed)?;
    let module = cut.piece(&context, piece)?;
    clang.adopt(&module).map_err(failed)?;
    let read = cpu_ms() - at;
    clang.optimise(&module).map_err(failed)?;
    let optimise = cpu_ms() - at - read;
    clang.prepare_piece(cut, piece, &module);
    let object = clang.emit(&module).map_err(failed)?.object.to_vec();
    Ok((object, [read, optimise, cpu_ms() - at - read - optimise]))
}

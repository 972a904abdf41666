//! `tender-bench`: measures `tender` against ninja with clang, side by side. See CONTRIBUTING.md.
//!
//! `runner` and `experiment` measure; `print` only prints.

mod contest;
mod copy;
mod experiment;
mod gaps;
mod generate;
mod jobserver;
mod machine;
mod makefile;
mod measure;
mod ninja;
mod plot;
mod print;
mod processes;
mod program;
mod progress;
mod runner;
mod statistics;
mod subject;
mod table;
mod trace;

use clap::{Parser, Subcommand, ValueEnum};
use experiment::{Settings, Units, memory};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use subject::Name;

/// Builds the same code with `tender` and with ninja and clang, in turn, and prints the ratios of
/// their times.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// How many times each of the two builds each subject, one after the other
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Measure only this; may be given several times
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Topic>,
    /// Jobs to run at once; several numbers are measured one after the other [default: 2;
    /// memory: 8; tokens: 2,4]
    #[arg(long, short, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Vec<u32>,
    /// cut: these codegen-units instead of all, such as `default,8`
    #[arg(long, value_delimiter = ',')]
    units: Vec<Units>,
    /// lto: these modes instead of thin-local, thin and fat
    #[arg(long, value_enum, value_delimiter = ',')]
    lto: Vec<experiment::lto::Mode>,
    /// cut, lto: how many times each of two programs that were built runs; memory-cost: pairs of
    /// builds
    #[arg(long, default_value_t = experiment::PROGRAM_PAIRS, value_parser = clap::value_parser!(u32).range(1..))]
    program_pairs: u32,
    /// The program to measure
    #[arg(long, default_value = "target/release/tender")]
    tender: PathBuf,
    /// The examples' directory
    #[arg(long, default_value = "workspace-examples")]
    examples: PathBuf,
    #[command(flatten)]
    memory: experiment::memory::MemoryOptions,
}

/// Other roles of this program, for which the benchmark starts itself.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Client(jobserver::client::ClientOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Topic {
    Lua,
    Zstd,
    RealWorld,
    /// 1,000 crates of one small file each
    Many,
    /// Builds of 10,000 files that do nothing; the first ones take minutes
    Files,
    /// From a saved file of Lua to its object and to the program, with `--watch`
    Edit,
    /// sqlite3.c cut into codegen units
    Cut,
    /// Link-time optimisation of real-world
    Lto,
    /// All six that follow
    Memory,
    /// Peak memory and live modules
    MemoryPeaks,
    /// The smallest memory cgroup in which tender, ninja and make complete
    MemoryMin,
    /// Time by the limit of memory, with a plot
    MemoryTime,
    /// The budget on and off, with plenty of memory
    MemoryCost,
    /// Time in half of the memory that a build takes where there is plenty
    MemoryHalf,
    /// How far estimates are from measured peaks
    MemoryEstimates,
    /// How long job tokens are idle, what they cost, and how soon they are back after a process was
    /// killed
    Tokens,
}

impl Topic {
    fn is_memory(self) -> bool {
        use Topic::*;
        matches!(
            self,
            MemoryPeaks | MemoryMin | MemoryTime | MemoryCost | MemoryHalf | MemoryEstimates
        )
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    if let Some(Role::Client(options)) = &options.role {
        return jobserver::client::run(options);
    }
    let mut out = std::io::stdout().lock();
    let tools = contest::Tools::find(&options.tender)?;
    print::machine(&mut out, &machine::Machine::look(&tools))?;
    let settings = Settings {
        pairs: options.pairs,
        jobs: options.jobs.clone(),
        units: options.units.clone(),
        lto: options.lto.clone(),
        program_pairs: options.program_pairs,
        memory: options.memory.clone(),
    };
    let wanted = |topic: &&Topic| {
        let all_of_memory = topic.is_memory() && options.only.contains(&Topic::Memory);
        options.only.is_empty() || options.only.contains(topic) || all_of_memory
    };
    for topic in Topic::value_variants().iter().filter(wanted) {
        run_topic(&mut out, *topic, &tools, &settings, options)?;
    }
    out.flush()?;
    Ok(())
}

fn run_topic(
    out: &mut dyn Write,
    topic: Topic,
    tools: &contest::Tools,
    settings: &Settings,
    options: &Options,
) -> Result<(), Box<dyn Error>> {
    let examples = &options.examples;
    let against_ninja = |out: &mut dyn Write, name: Name| -> Result<(), Box<dyn Error>> {
        for jobs in settings.jobs_or(2) {
            let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
            let subject = subject::Subject::prepare(name, examples, scratch.path())?;
            print::subject(out, &runner::run(tools, &subject, settings.pairs, jobs)?)?;
        }
        Ok(())
    };
    match topic {
        Topic::Lua => against_ninja(out, Name::Lua)?,
        Topic::Zstd => against_ninja(out, Name::Zstd)?,
        Topic::RealWorld => {
            against_ninja(out, Name::RealWorld)?;
            if let Some(times) = runner::cargo_does_nothing()? {
                print::cargo(out, &times)?;
            }
        }
        Topic::Many => against_ninja(out, Name::Many)?,
        Topic::Files => against_ninja(out, Name::Files)?,
        Topic::Edit => print::table(out, &experiment::edit::run(tools, examples, settings)?)?,
        Topic::Cut => {
            for table in experiment::cut::run(tools, examples, settings)? {
                print::table(out, &table)?;
            }
        }
        Topic::Lto => print::table(out, &experiment::lto::run(tools, examples, settings)?)?,
        Topic::Memory => {}
        Topic::MemoryPeaks => print::table(out, &memory::peaks::run(tools, examples, settings)?)?,
        Topic::MemoryMin => print::table(out, &memory::minimum::run(tools, examples, settings)?)?,
        Topic::MemoryTime => print::table(out, &memory::curve::run(tools, examples, settings)?)?,
        Topic::MemoryCost => print::table(out, &memory::cost::run(tools, examples, settings)?)?,
        Topic::MemoryHalf => print::table(out, &memory::cost::half(tools, examples, settings)?)?,
        Topic::MemoryEstimates => {
            print::table(out, &memory::estimates::run(tools, examples, settings)?)?
        }
        Topic::Tokens => {
            for table in experiment::tokens::run(tools, examples, settings)? {
                print::table(out, &table)?;
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // An error is ignored, because the exit code reports the failure too.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

//! `tender-bench`: measures `tender` against ninja with clang, side by side. See CONTRIBUTING.md.
//!
//! `runner` measures and knows no words; `print` shows and measures nothing.

mod contest;
mod copy;
mod machine;
mod measure;
mod ninja;
mod print;
mod runner;
mod statistics;
mod subject;
mod trace;

use clap::Parser;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds the same code with `tender` and with ninja and clang, in turn, and prints the ratios of their times.
#[derive(Parser)]
struct Options {
    /// How many times each of the two builds each subject, one after the other
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Measure only this subject; may be given several times
    #[arg(long, value_enum)]
    only: Vec<subject::Name>,
    /// Jobs to run at once
    #[arg(long, short, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// The program to measure
    #[arg(long, default_value = "target/release/tender")]
    tender: PathBuf,
    /// The examples' directory
    #[arg(long, default_value = "workspace-examples")]
    examples: PathBuf,
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    let tools = contest::Tools::find(&options.tender)?;
    print::machine(&mut out, &machine::Machine::look(&tools), options.jobs)?;
    let wanted = |name: &subject::Name| options.only.is_empty() || options.only.contains(name);
    for name in subject::Name::all().filter(wanted) {
        let scratch = tempfile::Builder::new().prefix("tender-bench-").tempdir()?;
        let subject = subject::Subject::prepare(name, &options.examples, scratch.path())?;
        let result = runner::run(&tools, &subject, options.pairs, options.jobs)?;
        print::subject(&mut out, &result)?;
    }
    if wanted(&subject::Name::RealWorld)
        && let Some(times) = runner::cargo_does_nothing()?
    {
        print::cargo(&mut out, &times)?;
    }
    out.flush()?;
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is gone, the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

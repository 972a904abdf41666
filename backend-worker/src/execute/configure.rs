//! Makes configuration headers.

use super::reporter::Reporter;
use super::{Shared, with_dependencies};
use crate::configure::{self, Configured};
use crate::coordinator::Finished;
use crate::emit;
use crate::frontend::Observer;
use tender_protocol::{ConfigResults, Configure, OutputFile, PhaseName};

/// Runs a `Work::Configure`.
pub(super) fn configure(request: &Configure, shared: &Shared, reporter: &Reporter<'_>) -> Finished {
    reporter.enter(PhaseName::Translate);
    let linking = || reporter.enter(PhaseName::Link);
    let Configured { files, dependencies, inputs, missing, programs } =
        configure::configure(request, &shared.caches, &linking);
    let mut finished = match files {
        Ok((header, results)) => reporter.written(write(request, &header, &results)),
        Err(diagnostic) => {
            reporter.diagnostic(diagnostic);
            Finished::failed()
        }
    };
    finished.inputs = inputs;
    finished.missing = missing;
    finished.programs = programs;
    with_dependencies(finished, dependencies)
}

fn write(
    request: &Configure,
    header: &str,
    results: &ConfigResults,
) -> Result<Vec<OutputFile>, String> {
    let mut json = serde_json::to_vec_pretty(results).expect("results have string keys only");
    json.push(b'\n');
    let write =
        |path: &str, content: &[u8]| emit::write(path, content).map_err(|why| why.to_string());
    Ok(vec![write(&request.header, header.as_bytes())?, write(&request.results, &json)?])
}

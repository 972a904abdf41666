//! Scans units for named modules, and makes module files and precompiled headers.

use super::reporter::Reporter;
use super::{Shared, with_dependencies};
use crate::coordinator::Finished;
use crate::emit;
use crate::frontend::{ModuleFile, Unit, UnitResult};
use crate::llvm::Reported;
use std::ops::Deref;

/// Runs a `Work::Scan`.
pub(super) fn scan(
    unit: &Unit<'_>,
    output: &str,
    shared: &Shared,
    reporter: &Reporter<'_>,
) -> Finished {
    let UnitResult { result, dependencies } = unit.scan(&shared.caches.stamps, reporter);
    let json = result.map(|scan| {
        let mut json = serde_json::to_vec_pretty(&scan).expect("it has string keys only");
        json.push(b'\n');
        json
    });
    with_dependencies(written(json, output, reporter), dependencies)
}

/// Runs a `Work::Interface`.
pub(super) fn interface(
    unit: &Unit<'_>,
    output: &str,
    translation: Option<&str>,
    shared: &Shared,
    reporter: &Reporter<'_>,
) -> Finished {
    let UnitResult { result, dependencies } =
        unit.interface(translation.is_some(), &shared.caches.stamps, reporter);
    let finished = match result {
        Ok(ModuleFile { content, translation: module }) => {
            let module = translation.zip(module.as_ref().map(AsRef::as_ref));
            let files = [Some((output, &*content)), module];
            let files = files.into_iter().flatten().map(|(path, bytes)| emit::write(path, bytes));
            let files: Result<_, _> = files.collect();
            reporter.written(files.map_err(|why| why.to_string()))
        }
        Err(Reported) => Finished::failed(),
    };
    with_dependencies(finished, dependencies)
}

/// Runs a `Work::Precompile`.
pub(super) fn precompile(
    unit: &Unit<'_>,
    headers: &[String],
    output: &str,
    shared: &Shared,
    reporter: &Reporter<'_>,
) -> Finished {
    let UnitResult { result, dependencies } =
        unit.precompile(headers, &shared.caches.stamps, reporter);
    with_dependencies(written(result, output, reporter), dependencies)
}

/// Writes the only output of an item, if it has succeeded.
fn written<E>(
    content: Result<impl Deref<Target = [u8]>, E>,
    output: &str,
    reporter: &Reporter<'_>,
) -> Finished {
    let Ok(content) = content else { return Finished::failed() };
    let file = emit::write(output, &content);
    reporter.written(file.map(|file| vec![file]).map_err(|why| why.to_string()))
}

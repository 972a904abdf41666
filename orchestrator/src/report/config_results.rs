//! What a configuration header tells, as people read it. Knows no format of headers.

use super::words::visible;
use crate::graph::{Graph, Item, Run};
use tender_protocol::{ConfigResults, ConfigValue, Work};

/// A line for each name of a header that was made; None for other items.
pub fn text(graph: &Graph, item: &Item) -> Option<String> {
    let Run::Worker(Work::Configure(request)) = &item.run else { return None };
    let bytes = std::fs::read(graph.root.join(&request.results)).ok()?;
    let results: ConfigResults = serde_json::from_slice(&bytes).ok()?;
    (!results.probes.is_empty() || !results.values.is_empty()).then(|| lines(&results))
}

/// Probes with their answers, then values.
fn lines(results: &ConfigResults) -> String {
    let probes = results.probes.iter().map(|probe| {
        let answer = match (probe.found, probe.value) {
            (true, Some(value)) => value.to_string(),
            (true, None) => "yes".to_owned(),
            (false, _) => "no".to_owned(),
        };
        // The source of `compiles` and `links` is long, and people know it by the name.
        let what = match probe.of.lines().count() > 1 || probe.of.len() > LONGEST {
            true => String::new(),
            false => format!(" `{}`", probe.of),
        };
        format!("  {}: {answer} ({}{what})", probe.name, probe.kind)
    });
    let values = results.values.iter().map(|(name, value)| match value {
        ConfigValue::Switch(true) => format!("  {name}: yes"),
        ConfigValue::Switch(false) => format!("  {name}: no"),
        ConfigValue::Integer(number) => format!("  {name}: {number}"),
        ConfigValue::Text(text) => format!("  {name}: {text}"),
    });
    probes.chain(values).map(|line| format!("{}\n", visible(&line))).collect()
}

/// Characters of what a probe asks for.
const LONGEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use tender_protocol::ProbeResult;

    #[test]
    fn config_results_are_a_line_for_each_name() {
        let probe = |name: &str, kind: &str, of: &str, found, value| ProbeResult {
            name: name.into(),
            kind: kind.into(),
            of: of.into(),
            found,
            value,
            error: None,
        };
        let results = ConfigResults {
            probes: vec![
                probe("HAVE_F", "has-function", "f", true, None),
                probe("HAVE_G", "compiles", "int\nx;", false, None),
                probe("SIZEOF_INT", "sizeof", "int", true, Some(4)),
            ],
            values: vec![("V".into(), ConfigValue::Text("\"1\"".into()))],
        };
        assert_eq!(
            lines(&results),
            "  HAVE_F: yes (has-function `f`)\n  HAVE_G: no (compiles)\n  SIZEOF_INT: 4 (sizeof `int`)\n  V: \"1\"\n"
        );
    }
}

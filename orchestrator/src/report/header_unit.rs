//! Advice if a source imports a header. Knows clang's text for that.

use crate::graph::Item;
use tender_protocol::{Diagnostic, Level};

/// The help for a diagnostic of a unit, if it is about the import of a header.
pub(super) fn help(item: &Item, diagnostic: &Diagnostic) -> Option<String> {
    if !item.kind.is_unit() || diagnostic.level != Level::Error {
        return None;
    }
    let header = imported(&diagnostic.message)?;
    Some(format!("tender does not support header units: write `#include {header}`"))
}

/// The header as the source writes it, in `header file <x> (aka '/usr/include/x') cannot be
/// imported because it is not known to be a header unit`.
fn imported(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("header file ")?;
    let end =
        rest.strip_suffix(" cannot be imported because it is not known to be a header unit")?;
    Some(end.rsplit_once(" (aka ").map_or(end, |(header, _)| header))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_unit_is_read_from_clangs_message() {
        let tail = "cannot be imported because it is not known to be a header unit";
        let check = |start: &str, expect: &str| {
            assert_eq!(imported(&format!("{start} {tail}")), Some(expect));
        };
        check("header file <vector> (aka '/usr/include/c++/12/vector')", "<vector>");
        check("header file \"x.h\" (aka 'src/x.h')", "\"x.h\"");
        assert_eq!(imported("'x.h' file not found"), None);
        assert_eq!(imported("header file <x> is odd"), None);
    }
}

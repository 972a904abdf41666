//! Prints, as a line of JSON, what `tender` reads about the memory of the machine and of the
//! cgroups of this process.

use camino::Utf8Path;
use std::io::Write;
use tender::memory::System;

fn main() {
    let mut system = System::find(Utf8Path::new("/"));
    let sample = system.sample();
    let notes: Vec<String> = system.notes().iter().map(ToString::to_string).collect();
    let json = serde_json::json!({
        "levels": sample.limits.as_ref().map(|limits| limits.levels()),
        "binding": sample.limits.as_ref().map(|limits| limits.binding()),
        "oom_kills": system.oom_kills(),
        "notes": notes,
    });
    writeln!(std::io::stdout(), "{json}").expect("standard output can be written");
}

//! Describes the machine and the versions of the tools.

use crate::contest::Tools;
use std::path::Path;
use std::process::Command;

/// The machine and the tools.
#[derive(Clone, Debug)]
pub struct Machine {
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub system: String,
    /// Load average of the last minute. The figures are doubtful if it is far above 0.
    pub load: f64,
    /// The first line of each tool's version.
    pub versions: Vec<String>,
}

impl Machine {
    /// Reads the description. Unknown values are left empty.
    pub fn look(tools: &Tools) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let first_number =
            |text: &str| text.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        let memory = read("/proc/meminfo");
        let kib = memory.lines().find(|line| line.starts_with("MemTotal")).and_then(first_number);
        Self {
            date: first_line_of(Path::new("date"), &["-u", "+%Y-%m-%d %H:%M UTC"]),
            cpu: value(&read("/proc/cpuinfo"), "model name", ':'),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.unwrap_or(0.0) / 1048576.0,
            system: format!(
                "{}, Linux {}",
                value(&read("/etc/os-release"), "PRETTY_NAME", '=').trim_matches('"'),
                read("/proc/sys/kernel/osrelease").trim()
            ),
            load: first_number(&read("/proc/loadavg")).unwrap_or(0.0),
            versions: vec![
                first_line_of(&tools.tender, &["--version"]),
                format!("ninja {}", first_line_of(&tools.ninja, &["--version"])),
                first_line_of(&tools.llvm_bin.join("clang"), &["--version"]),
            ],
        }
    }
}

/// `key: value` or `key=value` in the first line that begins with `key`.
fn value(text: &str, key: &str, separator: char) -> String {
    let line = text.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_once(separator))
        .map(|(_, value)| value.trim().to_owned())
        .unwrap_or_default()
}

fn first_line_of(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

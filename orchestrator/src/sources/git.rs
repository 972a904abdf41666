//! The program `git`, so that neither its variables nor the user's configuration change what it does:
//! it gets a few variables by name, and reads no configuration but that of the repository.

use super::error::SourceError;
use camino::Utf8Path;
use std::ffi::OsString;
use std::io::{self, Read};
use std::process::{Command, Output, Stdio};

/// Variables that git gets if they are set: where programs and keys are, and how to reach the network.
const VARIABLES: [&str; 21] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "HTTP_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
];

/// Settings that git would have otherwise, and those without which it takes files of the user.
const SETTINGS: [&str; 8] = [
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.hooksPath=/dev/null",
    "core.autocrlf=false",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
];

#[derive(Clone, Debug)]
pub struct GitProgram {
    variables: Vec<(OsString, OsString)>,
    /// Certificates of authorities, if a variable names them: git asks for a setting.
    certificates: Option<String>,
}

impl GitProgram {
    /// `all`: the environment.
    pub fn new(all: impl Iterator<Item = (OsString, OsString)>) -> GitProgram {
        let counts = |name: &OsString| VARIABLES.iter().any(|known| name == known);
        let variables: Vec<_> = all.filter(|(name, _)| counts(name)).collect();
        let certificates = variables.iter().find(|(name, _)| name == "SSL_CERT_FILE");
        let certificates = certificates.and_then(|(_, value)| value.to_str().map(str::to_owned));
        GitProgram { variables, certificates }
    }

    /// `git` in a repository, or in a directory that is none.
    pub(super) fn command(&self, dir: &Utf8Path, protocols: &str) -> Command {
        let mut command = Command::new("git");
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C");
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        if let Some(file) = &self.certificates {
            command.arg("-c").arg(format!("http.sslCAInfo={file}"));
        }
        command.current_dir(dir).stdin(Stdio::null());
        command
    }
}

/// Lines that say nothing of what is wrong: advice, and what follows when ssh has failed, which has said
/// why itself.
const SAYS_NOTHING: [&str; 8] = [
    // What a fetch says of a success.
    "From ",
    "* [new ",
    "+ ",
    "hint:",
    "warning:",
    "fatal: Could not read from remote repository",
    "Please make sure you have the correct access rights",
    "and the repository exists",
];

/// What git says when it fails, and ssh below it, in one line.
pub(super) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let says = |line: &&str| !SAYS_NOTHING.iter().any(|start| line.starts_with(start));
    let wrong: Vec<&str> = lines.clone().filter(says).collect();
    let all: Vec<&str> = if wrong.is_empty() { lines.collect() } else { wrong };
    match all.is_empty() {
        true => format!("it ended with {}", output.status),
        false => all.join("; "),
    }
}

/// Runs it.
///
/// # Errors
/// It cannot be started.
pub(super) fn run(command: &mut Command) -> Result<Output, SourceError> {
    command.output().map_err(SourceError::NoGit)
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GitProgress {
    pub objects: u64,
    pub total: u64,
    /// As git rounds them.
    pub bytes: u64,
}

/// Runs what has the option `--progress`, and reports how far it is. What it says of that is not in the
/// output.
///
/// # Errors
/// It cannot be started.
pub(super) fn run_with_progress(
    command: &mut Command,
    report: &mut dyn FnMut(GitProgress),
) -> Result<Output, SourceError> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(SourceError::NoGit)?;
    let mut stream = child.stderr.take().expect("it is a pipe");
    let mut lines = ProgressLines::default();
    let mut buffer = [0; 1 << 12];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => lines.push(&buffer[..length], report),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let status = child.wait().map_err(SourceError::NoGit)?;
    lines.end(report);
    Ok(Output { status, stdout: Vec::new(), stderr: lines.others })
}

/// Of standard error, bytes. A server may send any number.
const MOST_SAID: usize = 1 << 16;

/// Lines that say how far something is, and replace each other on a terminal (git-fetch(1),
/// `--progress`).
#[derive(Default)]
struct ProgressLines {
    /// The beginning of a line.
    begun: Vec<u8>,
    /// Lines that say something else.
    others: Vec<u8>,
}

impl ProgressLines {
    fn push(&mut self, bytes: &[u8], report: &mut dyn FnMut(GitProgress)) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => self.end(report),
                // The rest of a long line is another one.
                _ => {
                    if self.begun.len() == MOST_SAID {
                        self.end(report);
                    }
                    self.begun.push(*byte);
                }
            }
        }
    }

    /// The line is whole.
    fn end(&mut self, report: &mut dyn FnMut(GitProgress)) {
        let bytes = std::mem::take(&mut self.begun);
        let line = String::from_utf8_lossy(&bytes);
        match said(&line) {
            Said::Progress(progress) => report(progress),
            Said::Nothing => {}
            Said::Other if self.others.len() + bytes.len() <= MOST_SAID => {
                self.others.extend_from_slice(&bytes);
                self.others.push(b'\n');
            }
            Said::Other => {}
        }
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Progress(GitProgress),
    /// How far something is that takes no time, or is done elsewhere.
    Nothing,
    Other,
}

fn said(line: &str) -> Said {
    let line = line.trim();
    let own = line.strip_prefix("remote: ").unwrap_or(line);
    let arriving = ["Receiving objects:", "Unpacking objects:"];
    if let Some(rest) = arriving.iter().find_map(|start| line.strip_prefix(start)) {
        return progress(rest).map_or(Said::Nothing, Said::Progress);
    }
    let steps = ["Enumerating", "Counting", "Compressing"].map(|verb| format!("{verb} objects:"));
    let is_step = steps.iter().any(|start| own.starts_with(start.as_str()));
    match is_step || own.starts_with("Total ") || own.starts_with("Resolving deltas:") {
        true => Said::Nothing,
        false => Said::Other,
    }
}

/// ` 33% (1/3), 1.20 MiB | 2.30 MiB/s`: how fast it is, and how much, come later.
fn progress(text: &str) -> Option<GitProgress> {
    let (counts, rest) = text.split_once('(')?.1.split_once(')')?;
    let (objects, total) = counts.split_once('/')?;
    let size = rest.strip_prefix(", ").and_then(|rest| rest.split(['|', ',']).next());
    let bytes = size.and_then(bytes).unwrap_or(0);
    Some(GitProgress { objects: objects.parse().ok()?, total: total.parse().ok()?, bytes })
}

/// `1.20 MiB`, `7 bytes`.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let units = [("byte", 0), ("bytes", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let (_, shift) = units.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.parse().ok().filter(|number| (0.0..1e12).contains(number))?;
    Some((number * f64::from(1 << *shift)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_git_is_told_from_what_it_says_otherwise() {
        let mut lines = ProgressLines::default();
        let mut seen = Vec::new();
        let text = "remote: Counting objects:  14% (1/7)        \rremote: Total 7 (delta 0), reused 0\n\
                    remote: Repository is asleep.\n\
                    Receiving objects:   0% (1/300)\rReceiving objects:  50% (150/300), 1.25 MiB | 2.30 MiB/s\r\
                    Receiving objects: 100% (300/300), 3.00 KiB | 1 bytes/s, done.\nResolving deltas: 1% (1/9)\r\
                    Unpacking objects: garbage\rfatal: it is \u{ff}";
        // In pieces of any size.
        for piece in text.as_bytes().chunks(7) {
            lines.push(piece, &mut |progress| seen.push(progress));
        }
        lines.end(&mut |progress| seen.push(progress));
        let progress = |objects, bytes| GitProgress { objects, total: 300, bytes };
        assert_eq!(seen, [progress(1, 0), progress(150, 1_310_720), progress(300, 3072)]);
        let others = String::from_utf8_lossy(&lines.others).into_owned();
        assert_eq!(others, "remote: Repository is asleep.\nfatal: it is \u{ff}\n");
    }

    #[test]
    fn fuzz_git_progress() {
        tender_fuzz::check("git_progress", 3_000, |bytes| {
            let mut lines = ProgressLines::default();
            lines.push(bytes, &mut |_| ());
            lines.end(&mut |_| ());
            assert!(lines.others.len() <= bytes.len() + 1);
        });
    }

    #[test]
    fn sizes_of_git_have_units() {
        for (text, expect) in [
            ("7 bytes", Some(7)),
            ("1 byte", Some(1)),
            (" 1.50 KiB ", Some(1536)),
            ("2.00 GiB", Some(2 << 30)),
            ("-1 KiB", None),
            ("NaN KiB", None),
            ("1e300 GiB", None),
            ("KiB", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expect, "{text}");
        }
    }

    #[test]
    fn output_of_git_has_an_end() {
        let mut lines = ProgressLines::default();
        for _ in 0..40 {
            lines.push(&[b'x'; 1 << 12], &mut |_| panic!("it is no progress"));
        }
        lines.end(&mut |_| ());
        assert!((1 << 15..=MOST_SAID + 1).contains(&lines.others.len()), "{}", lines.others.len());
    }

    #[test]
    fn complaint_has_what_ssh_says() {
        use std::os::unix::process::ExitStatusExt;
        let check = |stderr: &str, expect: &str| {
            let status = std::process::ExitStatus::from_raw(128 << 8);
            let output = Output { status, stdout: Vec::new(), stderr: stderr.into() };
            assert_eq!(complaint(&output), expect);
        };
        let tail = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n";
        check(&format!("Host key verification failed.\r\n{tail}"), "Host key verification failed.");
        check(tail, &tail.trim().replace("\n\n", "\n").replace('\n', "; "));
        check("hint: x\nfatal: repository '/x' not found\n", "fatal: repository '/x' not found");
        check("", "it ended with exit status: 128");
    }

    #[test]
    fn git_gets_no_variables_of_its_own() {
        let all =
            [("GIT_DIR", "/x"), ("PATH", "/bin"), ("GIT_SSH_COMMAND", "evil"), ("LANG", "de")];
        let all = all.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let git = GitProgram::new(all.into_iter());
        let command = git.command(Utf8Path::new("/"), "https");
        let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        assert!(names.contains(&"PATH".into()));
        for name in ["GIT_DIR", "GIT_SSH_COMMAND", "LANG"] {
            assert!(!names.contains(&name.into()), "{name}");
        }
    }
}

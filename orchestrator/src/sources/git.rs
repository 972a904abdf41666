//! The program `git`, so that neither its variables nor the user's configuration change what it does:
//! it gets a few variables by name, and reads no configuration but that of the repository.

use super::error::SourceError;
use camino::Utf8Path;
use std::ffi::OsString;
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
const SAYS_NOTHING: [&str; 5] = [
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! Reads the output of a child process up to a limit. Knows no programs.

use std::io::{self, Read};
use std::process::{Child, ExitStatus};

/// How a program ended, and its output.
pub struct ChildOutput {
    pub status: ExitStatus,
    /// Both streams, standard output first. Invalid UTF-8 is replaced.
    pub text: String,
    /// Whether the output was longer than the limit.
    pub cut: bool,
}

/// Waits for the end of a child whose streams are piped. At most `most` bytes of each stream are
/// kept; the rest is read and dropped, so that the child does not block.
///
/// # Errors
/// A stream cannot be read, or waiting for the child fails.
pub fn wait_with_output(mut child: Child, most: usize) -> io::Result<ChildOutput> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both at the same time: a child blocks if one of its pipes is full.
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stderr = scope.spawn(|| keep(stderr, most));
        (keep(stdout, most), stderr.join().expect("reading does not panic"))
    });
    let status = child.wait()?;
    let ((stdout, stdout_cut), (stderr, stderr_cut)) = (stdout?, stderr?);
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    Ok(ChildOutput { status, text, cut: stdout_cut || stderr_cut })
}

fn keep(stream: Option<impl Read>, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else { return Ok((bytes, false)) };
    stream.by_ref().take(most as u64).read_to_end(&mut bytes)?;
    let dropped = io::copy(&mut stream, &mut io::sink())?;
    Ok((bytes, dropped > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn child_output_is_kept_up_to_a_limit() {
        let check = |script: &str, expect: (&str, bool)| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child_output = wait_with_output(command.spawn().unwrap(), 4).unwrap();
            assert_eq!((child_output.text.as_str(), child_output.cut), expect, "{script}");
            assert_eq!(child_output.status.code(), Some(3), "{script}");
        };
        check("exit 3", ("", false));
        check("printf bbbb >&2; printf aaaa; exit 3", ("aaaabbbb", false));
        check("printf abcde; exit 3", ("abcd", true));
        // More than a pipe holds: the program still ends.
        check("head -c 300000 /dev/zero | tr '\\0' x >&2; printf a; exit 3", ("axxxx", true));
    }
}

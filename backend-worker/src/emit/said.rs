//! What a program writes on its two streams, of which so much is kept as is of use. Knows no
//! programs.

use std::io::{self, Read};
use std::process::{Child, ExitStatus};

/// How a program ended, and what it wrote.
pub struct Said {
    pub status: ExitStatus,
    /// Both streams, standard output first. What is not UTF-8 is replaced.
    pub text: String,
    /// It wrote more than is kept.
    pub cut: bool,
}

/// Waits for the end of a child whose streams are piped. Of each at most `most` bytes are kept;
/// what is beyond is read and dropped, so that the child is not held up.
///
/// # Errors
/// A stream cannot be read, or the child not be waited for.
pub fn until_end(mut child: Child, most: usize) -> io::Result<Said> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // At once: who waits for the end of one holds up the writer of the other.
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stderr = scope.spawn(|| keep(stderr, most));
        (keep(stdout, most), stderr.join().expect("reading does not panic"))
    });
    let status = child.wait()?;
    let ((stdout, stdout_cut), (stderr, stderr_cut)) = (stdout?, stderr?);
    let text = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    Ok(Said { status, text, cut: stdout_cut || stderr_cut })
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
    fn what_programs_say_is_kept_up_to_a_limit() {
        let check = |script: &str, expect: (&str, bool)| {
            let mut command = Command::new("sh");
            command.args(["-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let said = until_end(command.spawn().unwrap(), 4).unwrap();
            assert_eq!((said.text.as_str(), said.cut), expect, "{script}");
            assert_eq!(said.status.code(), Some(3), "{script}");
        };
        check("exit 3", ("", false));
        check("printf bbbb >&2; printf aaaa; exit 3", ("aaaabbbb", false));
        check("printf abcde; exit 3", ("abcd", true));
        // More than a pipe holds: the program comes to its end all the same.
        check("head -c 300000 /dev/zero | tr '\\0' x >&2; printf a; exit 3", ("axxxx", true));
    }
}

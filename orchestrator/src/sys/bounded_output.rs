//! Runs programs whose output should be short, such as `pkg-config`. One that writes too much is
//! killed. Does not parse the output.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};

/// As `Command::output`, with at most `most` bytes for each of the two streams.
///
/// # Errors
/// The program cannot be started, or wrote more (`FileTooLarge`).
pub(crate) fn run(command: &mut Command, most: u64) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) =
        (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    // Both are read at the same time: a program blocks when one pipe is full, and would never end
    // the other.
    let (stdout, stderr) = std::thread::scope(|scope| {
        let stderr = scope.spawn(|| read(stderr, most));
        let stdout = read(stdout, most);
        if stdout.is_err() {
            // An error is ignored: the program has ended, or ends because nobody reads its output.
            let _ = child.kill();
        }
        (stdout, stderr.join().expect("reading does not panic"))
    });
    if stderr.is_err() {
        let _ = child.kill();
    }
    let status = child.wait()?;
    Ok(Output { status, stdout: stdout?, stderr: stderr? })
}

fn read(stream: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let why = format!("it wrote more than {} KiB", most >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, most: u64) -> io::Result<Output> {
        run(Command::new("sh").args(["-c", script]), most)
    }

    #[test]
    fn answers_of_a_bounded_size_are_read() {
        let output = shell("printf abc; printf de >&2; exit 3", 3).unwrap();
        assert_eq!((output.stdout, output.stderr), (b"abc".to_vec(), b"de".to_vec()));
        assert_eq!(output.status.code(), Some(3));
        // More than a pipe holds, first on one stream and then on the other.
        let zeros = "head -c 300000 /dev/zero";
        let output = shell(&format!("{zeros}; {zeros} >&2; {zeros}"), 1 << 20).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (600_000, 300_000));
    }

    #[test]
    fn program_that_writes_without_end_is_killed() {
        for script in
            ["yes", "yes >&2", "cat /dev/zero", "trap '' PIPE; while :; do echo; done 2>&1"]
        {
            let error = shell(script, 2 << 10).unwrap_err();
            assert_eq!(error.to_string(), "it wrote more than 2 KiB", "{script}");
        }
        assert_eq!(
            run(&mut Command::new("/no/such/program"), 9).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}

//! A program that behaves badly on demand, for tests: `probe WHAT ARG`, several pairs in a row.
//!
//! | words | does |
//! |---|---|
//! | `sleep MS` | waits, milliseconds |
//! | `fill BYTES` | allocates and touches memory, and keeps it |
//! | `say TEXT`, `complain TEXT` | writes a line to standard output, or error |
//! | `touch FILE` | makes an empty file, so that others can wait for it |
//! | `await FILE` | waits until the file is there |
//! | `signal N` | dies by signal N |
//! | `exit N` | ends with code N |

#![expect(clippy::disallowed_methods, reason = "a probe that ends as it is told")]

use std::io::Write;
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for pair in words.chunks(2) {
        let [what, arg] = pair else { fail(&format!("`{}` needs a word after it", pair[0])) };
        let number =
            || arg.parse::<u64>().unwrap_or_else(|_| fail(&format!("`{arg}` is not a number")));
        match what.as_str() {
            "sleep" => std::thread::sleep(Duration::from_millis(number())),
            "fill" => kept.push(vec![1; number() as usize]),
            "say" => writeln!(std::io::stdout(), "{arg}").expect("standard output can be written"),
            "complain" => {
                writeln!(std::io::stderr(), "{arg}").expect("standard output can be written")
            }
            "touch" => std::fs::write(arg, "").expect("a file can be made"),
            "await" => {
                while !std::path::Path::new(arg).exists() {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            "signal" => die(number() as i32),
            "exit" => std::process::exit(number() as i32),
            _ => fail(&format!("`{what}` is not known")),
        }
    }
    std::hint::black_box(kept);
}

fn die(number: i32) -> ! {
    use rustix::process::{Signal, getpid, kill_process};
    match Signal::from_named_raw(number) {
        Some(signal) => kill_process(getpid(), signal).expect("one may signal oneself"),
        None => fail(&format!("there is no signal {number}")),
    }
    loop {
        std::thread::park();
    }
}

fn fail(text: &str) -> ! {
    writeln!(std::io::stderr(), "probe: {text}").expect("standard output can be written");
    std::process::exit(2)
}

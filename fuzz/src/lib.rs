//! Runs a parser on inputs that nobody wrote. Knows no parser.
//!
//! A target is a test beside its parser, named `fuzz_NAME`, that calls `check`. Its seeds are the
//! files in `corpora/NAME`. Under `cargo test` it runs on each seed, on large inputs, and on what
//! random changes make of the seeds. Built with `--cfg fuzzing` (`tools/fuzz.sh` does it),
//! libFuzzer makes the inputs, guided by coverage.

#[cfg(not(fuzzing))]
mod large;
#[cfg(not(fuzzing))]
mod mutate;
#[cfg(not(fuzzing))]
mod run;

/// Runs `parse` on the inputs of the target `name`. Under `cargo test` `cases` of them are made by
/// mutation; it is a number and no time, so that a test does the same work on every machine.
///
/// # Panics
/// `parse` panics; then the message has the input, made as small as could be.
pub fn check(name: &str, cases: u32, parse: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    #[cfg(not(fuzzing))]
    run::run(name, cases, parse);
    #[cfg(fuzzing)]
    {
        let _ = (name, cases);
        bolero::check!().for_each(|input: &[u8]| parse(input));
    }
}

/// As `check`, for a parser of text. Input that is not UTF-8 is left out.
///
/// # Panics
/// As `check`.
pub fn check_text(name: &str, cases: u32, parse: impl Fn(&str) + std::panic::RefUnwindSafe) {
    check(name, cases, |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            parse(text);
        }
    });
}

//! The linkers that link drivers start, as far as we talk to them: how they are told to use few
//! threads, to list what they read, and to take objects as archives do.

/// The linker that a driver is told to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linker {
    Lld,
    Mold,
    /// That of GNU.
    Bfd,
    /// Another one that was chosen.
    Other,
    /// None was chosen.
    OfDriver,
}

impl Linker {
    /// The last `-fuse-ld` of the driver's first words counts. One without is found by `-B`.
    pub fn of(driver: &[String]) -> Linker {
        let chosen = driver.iter().rev().find_map(|word| word.strip_prefix("-fuse-ld="));
        match chosen {
            Some("lld") => Linker::Lld,
            Some("mold") => Linker::Mold,
            Some("bfd") => Linker::Bfd,
            Some(_) => Linker::Other,
            None if driver.iter().any(|word| word.starts_with("-B")) => Linker::Other,
            None => Linker::OfDriver,
        }
    }

    /// Its words for this many threads, and for colours.
    pub(super) fn words(self, threads: u32) -> Vec<String> {
        let colours = "--color-diagnostics=always".to_owned();
        match self {
            Linker::Lld => vec![format!("--threads={threads}"), colours],
            // It would link in a process of its own, of which neither memory nor time were counted,
            // and that may outlive the link.
            Linker::Mold => {
                vec![format!("--thread-count={threads}"), "--no-fork".to_owned(), colours]
            }
            // One thread, and no colours.
            Linker::Bfd | Linker::Other | Linker::OfDriver => Vec::new(),
        }
    }

    /// Whether it writes a dependency file (GNU's from binutils 2.35 on).
    pub(super) fn reports_inputs(self) -> bool {
        matches!(self, Linker::Lld | Linker::Mold | Linker::Bfd)
    }

    /// Whether it takes objects between `--start-lib` and `--end-lib` as members of an archive.
    pub fn knows_libs(self) -> bool {
        matches!(self, Linker::Lld | Linker::Mold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linker_follows_from_the_words_of_the_driver() {
        let check = |words: &str, expect: Linker| {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            assert_eq!(Linker::of(&words), expect, "{words:?}");
        };
        check("cc", Linker::OfDriver);
        check("cc -B/usr/lib/llvm-22/bin -fuse-ld=lld", Linker::Lld);
        check("cc -fuse-ld=mold", Linker::Mold);
        check("clang -fuse-ld=lld -B/opt/bin -fuse-ld=bfd", Linker::Bfd);
        check("cc -fuse-ld=gold", Linker::Other);
        check("cc -B/opt/wild", Linker::Other);
    }
}

//! A platform that code is compiled for, as its target triple names it. Knows no manifest and no
//! compiler.
//!
//! Names of architectures, systems and environments are rustc's, because manifests compare them in
//! `cfg(...)`: https://doc.rust-lang.org/reference/conditional-compilation.html

use std::collections::BTreeMap;
use target_lexicon::{Architecture, Endianness, Environment, OperatingSystem, Triple};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// As it was written.
    triple: String,
    parsed: Triple,
}

/// A triple that names no platform which code can be built for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    #[error("`{0}` is no target triple")]
    Unknown(String),
    #[error("`{0}` is no platform of Linux")]
    NotLinux(String),
    #[error("there is no code generator for `{0}`")]
    NoBackend(String),
}

impl PlatformError {
    /// What to write instead.
    pub fn help(&self) -> &'static str {
        match self {
            PlatformError::NoBackend(_) => {
                "there are code generators for x86, x86_64, ARM, AArch64 and RISC-V"
            }
            _ => "write a triple such as `aarch64-linux-gnu` or `x86_64-linux-musl`",
        }
    }
}

impl Platform {
    /// The platform that `tender` runs on.
    pub fn host() -> Platform {
        let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        let triple = format!("{}-unknown-linux-{libc}", std::env::consts::ARCH);
        let parsed = triple.parse().expect("the triple of a platform that tender is built for");
        Platform { triple, parsed }
    }

    /// Reads a triple, with a vendor or without.
    ///
    /// # Errors
    /// It is none, or nothing can be built for it.
    pub fn parse(triple: &str) -> Result<Platform, PlatformError> {
        let unknown = || PlatformError::Unknown(triple.to_owned());
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !triple.contains('-') || !triple.chars().all(is_plain) {
            return Err(unknown());
        }
        let parsed: Triple = triple.parse().map_err(|_| unknown())?;
        if parsed.operating_system != OperatingSystem::Linux {
            return Err(PlatformError::NotLinux(triple.to_owned()));
        }
        let platform = Platform { triple: triple.to_owned(), parsed };
        match platform.architecture().as_str() {
            "x86" | "x86_64" | "arm" | "aarch64" | "riscv32" | "riscv64" => Ok(platform),
            _ => Err(PlatformError::NoBackend(triple.to_owned())),
        }
    }

    pub fn triple(&self) -> &str {
        &self.triple
    }

    /// `x86_64`, `aarch64`, ...
    pub fn architecture(&self) -> String {
        match self.parsed.architecture {
            Architecture::X86_32(_) => "x86".to_owned(),
            Architecture::Arm(_) => "arm".to_owned(),
            Architecture::Aarch64(_) => "aarch64".to_owned(),
            Architecture::Riscv32(_) => "riscv32".to_owned(),
            Architecture::Riscv64(_) => "riscv64".to_owned(),
            other => other.into_str().into_owned(),
        }
    }

    /// The C library: `gnu`, `musl`, or nothing.
    fn environment(&self) -> &'static str {
        match self.parsed.environment {
            Environment::Gnu
            | Environment::Gnuabi64
            | Environment::Gnueabi
            | Environment::Gnueabihf
            | Environment::Gnuspe
            | Environment::Gnux32
            | Environment::GnuIlp32 => "gnu",
            Environment::Musl
            | Environment::Musleabi
            | Environment::Musleabihf
            | Environment::Muslabi64 => "musl",
            _ => "",
        }
    }

    pub fn is_musl(&self) -> bool {
        self.environment() == "musl"
    }

    /// The name of its directories below `/usr/include` and `/usr/lib` in Debian:
    /// https://wiki.debian.org/Multiarch/Tuples
    pub fn multiarch(&self) -> String {
        let architecture = match self.architecture().as_str() {
            "x86" => "i386".to_owned(),
            other => other.to_owned(),
        };
        format!("{architecture}-linux-{}", self.parsed.environment)
    }

    /// Whether both have the same processor, system and C library.
    pub fn is_like(&self, other: &Platform) -> bool {
        self.architecture() == other.architecture()
            && self.parsed.environment == other.parsed.environment
    }

    /// What `cfg(...)` compares.
    pub fn facts(&self) -> BTreeMap<&'static str, String> {
        let width = self.parsed.pointer_width().map_or(0, |width| width.bits());
        let endian = match self.parsed.endianness() {
            Ok(Endianness::Big) => "big",
            _ => "little",
        };
        BTreeMap::from([
            ("target_arch", self.architecture()),
            ("target_endian", endian.to_owned()),
            ("target_env", self.environment().to_owned()),
            ("target_family", "unix".to_owned()),
            ("target_os", "linux".to_owned()),
            ("target_pointer_width", width.to_string()),
            ("target_vendor", self.parsed.vendor.to_string()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_is_told_by_its_triple() {
        let check = |triple: &str, expect: &str, multiarch: &str| {
            let platform = Platform::parse(triple).unwrap();
            let facts = platform.facts();
            let found = ["target_arch", "target_env", "target_pointer_width", "target_vendor"]
                .map(|name| facts[name].clone());
            assert_eq!(found.join(" "), expect, "{triple}");
            assert_eq!(platform.multiarch(), multiarch, "{triple}");
        };
        check("x86_64-unknown-linux-gnu", "x86_64 gnu 64 unknown", "x86_64-linux-gnu");
        check("x86_64-linux-musl", "x86_64 musl 64 unknown", "x86_64-linux-musl");
        check("aarch64-linux-gnu", "aarch64 gnu 64 unknown", "aarch64-linux-gnu");
        check("arm-linux-gnueabihf", "arm gnu 32 unknown", "arm-linux-gnueabihf");
        check("i686-pc-linux-gnu", "x86 gnu 32 pc", "i386-linux-gnu");
        check("riscv64-linux-gnu", "riscv64 gnu 64 unknown", "riscv64-linux-gnu");
    }

    #[test]
    fn platform_is_refused_where_nothing_can_be_built() {
        let check = |triple: &str, expect: &str| {
            let error = Platform::parse(triple).unwrap_err().to_string();
            assert!(error.contains(expect), "{triple}: {error}");
        };
        check("arm64", "no target triple");
        check("", "no target triple");
        check("../x-linux-gnu", "no target triple");
        check("aarch64-apple-darwin", "no platform of Linux");
        check("x86_64-pc-windows-msvc", "no platform of Linux");
        check("mips64-linux-gnu", "no code generator");
    }

    #[test]
    fn platform_of_the_host_is_like_itself() {
        let host = Platform::host();
        assert!(host.is_like(&Platform::parse(host.triple()).unwrap()));
        assert!(!host.is_like(&Platform::parse("riscv64-linux-musl").unwrap()));
    }
}

//! clang-format and clang-tidy: what `CLANG_FORMAT` or `CLANG_TIDY` names, else the one of LLVM 22, else
//! the one in `PATH`.

#![expect(clippy::disallowed_methods, reason = "these variables are the business of this file")]

use super::driver::resolve;
use super::llvm_bin;
use camino::Utf8Path;
use tender_protocol::LLVM_MAJOR;

/// A program that reads sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceTool {
    ClangFormat,
    ClangTidy,
}

/// There is no such program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceToolError {
    #[error("`{name}` is neither in {llvm_bin} nor in PATH")]
    Missing { name: &'static str, llvm_bin: String },
    #[error("`{program}`, which {variable} names, is not found")]
    NotThere { program: String, variable: &'static str },
}

impl SourceToolError {
    pub fn help(&self) -> String {
        match self {
            Self::Missing { name, .. } => {
                format!("on Debian and Ubuntu: apt-get install {name}-{LLVM_MAJOR}")
            }
            Self::NotThere { variable, .. } => format!("change {variable}, or unset it"),
        }
    }
}

impl SourceTool {
    pub fn name(self) -> &'static str {
        match self {
            Self::ClangFormat => "clang-format",
            Self::ClangTidy => "clang-tidy",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::ClangFormat => "CLANG_FORMAT",
            Self::ClangTidy => "CLANG_TIDY",
        }
    }

    /// The words that start it, of which the first is a path.
    ///
    /// # Errors
    /// It is not installed.
    pub fn find(self) -> Result<Vec<String>, SourceToolError> {
        let chosen = std::env::var(self.variable()).ok().filter(|text| !text.trim().is_empty());
        self.find_in(&llvm_bin(), chosen.as_deref())
    }

    fn find_in(
        self,
        llvm_bin: &Utf8Path,
        chosen: Option<&str>,
    ) -> Result<Vec<String>, SourceToolError> {
        let here = Utf8Path::new("");
        if let Some(text) = chosen {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            let (program, variable) = (words[0].clone(), self.variable());
            let path = resolve(&program, here);
            words[0] = path.ok_or(SourceToolError::NotThere { program, variable })?.into_string();
            return Ok(words);
        }
        let name = self.name();
        let own = llvm_bin.join(name);
        let versioned = format!("{name}-{LLVM_MAJOR}");
        let places = [own.as_str(), &versioned, name];
        let path = places.into_iter().find_map(|place| resolve(place, here));
        let llvm_bin = llvm_bin.to_string();
        let path = path.ok_or(SourceToolError::Missing { name, llvm_bin })?;
        Ok(vec![path.into_string()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_tool_that_is_missing_names_its_package() {
        let error = SourceToolError::Missing { name: "clang-tidy", llvm_bin: "/l/bin".into() };
        assert_eq!(error.to_string(), "`clang-tidy` is neither in /l/bin nor in PATH");
        assert_eq!(error.help(), "on Debian and Ubuntu: apt-get install clang-tidy-22");
    }

    #[test]
    fn source_tool_is_the_one_that_the_variable_names() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let find = |chosen: &str| SourceTool::ClangFormat.find_in(dir, Some(chosen));
        assert_eq!(find("/bin/true -x").unwrap(), ["/bin/true", "-x"]);
        let error = find("none/such").unwrap_err().to_string();
        assert_eq!(error, "`none/such`, which CLANG_FORMAT names, is not found");
        std::os::unix::fs::symlink("/bin/true", dir.join("clang-format")).unwrap();
        let found = SourceTool::ClangFormat.find_in(dir, None).unwrap();
        assert_eq!(found, [dir.join("clang-format").as_str()]);
    }
}

//! What a user has set for all workspaces, or for some: config files, and `--config`. Knows no
//! places of such files (see `cli::config`) and none of the workspace.

use super::format::{CONFIG, CONFIG_FILE};
use super::job_count::JobCount;
use super::model::MemorySetting;
use super::problem::{ManifestErrors, ManifestText, Problem};
use super::raw::{Config, parse_config};

/// Each is absent where nothing is set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserSettings {
    pub jobs: Option<JobCount>,
    pub memory: Option<MemorySetting>,
    /// As it is written.
    pub target_dir: Option<String>,
    pub profile: Option<String>,
    /// `auto`, `always` or `never`.
    pub color: Option<String>,
    /// Where downloads are kept, as it is written.
    pub cache_dir: Option<String>,
}

impl UserSettings {
    /// What is set here, else what is set in `other`.
    pub fn or(self, other: UserSettings) -> UserSettings {
        UserSettings {
            jobs: self.jobs.or(other.jobs),
            memory: self.memory.or(other.memory),
            target_dir: self.target_dir.or(other.target_dir),
            profile: self.profile.or(other.profile),
            color: self.color.or(other.color),
            cache_dir: self.cache_dir.or(other.cache_dir),
        }
    }
}

/// Reads a config file, or what `--config` says, which may have profiles too.
///
/// # Errors
/// All that is wrong with it.
pub fn user_settings(
    source: &ManifestText,
    is_option: bool,
) -> Result<UserSettings, ManifestErrors> {
    let mut problems = Vec::new();
    let format = if is_option { &CONFIG } else { &CONFIG_FILE };
    let config = parse_config(source, format, &mut problems);
    let Some(config) = config.filter(|_| !problems.iter().any(Problem::is_error)) else {
        return Err(ManifestErrors { problems });
    };
    let Config { limits, target_dir, profile, color, cache_dir, profiles: _ } = config;
    Ok(UserSettings {
        jobs: limits.jobs,
        memory: limits.memory,
        target_dir: target_dir.map(|text| text.value),
        profile,
        color,
        cache_dir: cache_dir.map(|text| text.value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str, is_option: bool) -> String {
        let source = ManifestText::new("/home/me/.config/tender/config.toml".into(), text);
        let errors = user_settings(&source, is_option).unwrap_err();
        let [problem] = &errors.problems[..] else { panic!("{errors}") };
        let at = problem.location.as_ref().unwrap();
        let (line, span) = (at.line(), &at.source.text[at.span.clone()]);
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{line} {span}: {}; {help}", problem.message)
    }

    #[test]
    fn settings_of_a_file_are_read() {
        let text = "[build]\njobs = -1\nmemory = \"8Gi\"\ntarget-dir = \"b\"\nprofile = \"release\"\n\
            [term]\ncolor = \"never\"\n[cache]\ndir = \"/c\"\n";
        let settings = user_settings(&ManifestText::new("/c".into(), text), false).unwrap();
        assert_eq!(settings.jobs, Some(JobCount::AllBut(1)));
        assert_eq!(settings.memory, Some(MemorySetting::Bytes(8 << 30)));
        assert_eq!(settings.target_dir.as_deref(), Some("b"));
        assert_eq!(settings.profile.as_deref(), Some("release"));
        assert_eq!(settings.color.as_deref(), Some("never"));
        assert_eq!(settings.cache_dir.as_deref(), Some("/c"));
        let empty = user_settings(&ManifestText::new("/c".into(), ""), false).unwrap();
        assert_eq!(empty, UserSettings::default());
        assert_eq!(empty.or(settings.clone()), settings);
    }

    #[test]
    fn mistakes_in_a_file_have_a_place_and_a_suggestion() {
        let check = |text: &str, expect: &str| assert_eq!(problem(text, false), expect);
        check(
            "[build]\njbos = 2\n",
            "2 jbos: unknown key `jbos` in `[build]`; did you mean `jobs`?",
        );
        check("[buidl]\n", "1 buidl: unknown key `buidl`; did you mean `build`?");
        check("jobs = 2\n", "1 jobs: unknown key `jobs`; `jobs` belongs to `[build]`");
        check(
            "[term]\ncolor = \"alway\"\n",
            "2 \"alway\": `color` must be one of \"auto\", \"always\", \"never\"; did you mean `always`?",
        );
        check(
            "[build]\njobs = 0\n",
            "2 0: `jobs` must be a number of jobs, not `0`; jobs may not be 0",
        );
        check(
            "[build]\ntarget-dir = \"\"\n",
            "2 \"\": the path is empty; write a path, such as `build`",
        );
        check(
            "[profile.dev]\n",
            "1 profile: unknown key `profile`; `profile` belongs to the root manifest, so that everybody builds the same; for one build, to `--config`",
        );
        assert!(problem("[build\n", false).starts_with("1 "), "syntax");
    }

    #[test]
    fn settings_of_the_option_may_have_profiles() {
        let read = |text: &str| user_settings(&ManifestText::new("/--config".into(), text), true);
        assert_eq!(read("profile.dev.opt-level = 1").unwrap(), UserSettings::default());
        assert_eq!(read("build.profile = \"x\"").unwrap().profile.as_deref(), Some("x"));
        assert!(read("profile.dev.opt-levl = 1").is_err());
    }
}

//! Settings of users, by the real program: which of config files, `--config`, variables and options
//! counts, and what is said of mistakes in files.

use std::process::{Command, Output};

/// Any program will do where none is started.
const WORKER: (&str, &str) = ("TENDER_WORKER", "/bin/true");

/// Directories with a crate `app`, and the home of a user.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        place.write("work/app/Tender.toml", "[package]\nname = \"app\"\n");
        place.write("work/app/src/main.c", "int main(void) { return 0; }\n");
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `tender` in the crate.
    fn tender(&self, args: &[&str], env: &[(&str, &str)]) -> Output {
        self.tender_in("work/app", args, env)
    }

    fn tender_in(&self, dir: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tender"));
        command.current_dir(self.path(dir)).args(args);
        for name in tender::cli::env::ALL.iter().chain(&["MAKEFLAGS", "CARGO_MAKEFLAGS"]) {
            command.env_remove(name);
        }
        command.env("HOME", self.path("home")).envs(env.iter().copied());
        command.output().unwrap()
    }

    /// The number of jobs of `tender exec`.
    fn jobs(&self, args: &[&str], env: &[(&str, &str)]) -> String {
        let words = ["exec", "--", "sh", "-c", "echo $MAKEFLAGS"];
        let output = self.tender(&[args, &words[..]].concat(), env);
        let flags = String::from_utf8(output.stdout).unwrap();
        let jobs = flags.split_whitespace().find_map(|word| word.strip_prefix("-j"));
        jobs.unwrap_or_else(|| panic!("{flags}")).to_owned()
    }

    #[track_caller]
    fn check_error(&self, args: &[&str], expect: &[&str]) {
        let output = self.tender(args, &[WORKER]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        for text in expect {
            assert!(stderr.contains(text), "`{text}` is not in: {stderr}");
        }
    }
}

const OF_USER: &str = "home/.config/tender/config.toml";

#[test]
fn settings_nearest_to_the_command_count() {
    let place = Place::new();
    place.write(OF_USER, "[build]\njobs = 11\n");
    assert_eq!(place.jobs(&[], &[]), "11");
    place.write("xdg/tender/config.toml", "[build]\njobs = 12\n");
    let xdg = place.path("xdg");
    let xdg = ("XDG_CONFIG_HOME", xdg.to_str().unwrap());
    assert_eq!(place.jobs(&[], &[xdg]), "12");
    assert_eq!(place.jobs(&[], &[("XDG_CONFIG_HOME", "xdg")]), "11", "a relative path is ignored");
    place.write("work/.tender/config.toml", "[build]\njobs = 13\n");
    assert_eq!(place.jobs(&[], &[xdg]), "13");
    place.write("work/app/.tender/config.toml", "[build]\njobs = 14\nmemory = \"off\"\n");
    assert_eq!(place.jobs(&[], &[xdg]), "14");
    let variable = ("TENDER_JOBS", "15");
    assert_eq!(place.jobs(&[], &[xdg, variable]), "15");
    let line = ["--config", "build.jobs=1", "--config", "build.jobs=16"];
    assert_eq!(place.jobs(&line, &[xdg, variable]), "16");
    let words = ["exec", "-j17", "--config", "build.jobs=16", "--", "sh", "-c", "echo $MAKEFLAGS"];
    let output = place.tender(&words, &[xdg, variable]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("-j17"));
    // Another directory has other files.
    place.write("elsewhere/file", "");
    let words = ["-C", "../../elsewhere", "exec", "--", "sh", "-c", "echo $MAKEFLAGS"];
    let output = place.tender(&words, &[xdg]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("-j12"));
}

#[test]
fn settings_choose_profile_and_target_directory() {
    let place = Place::new();
    place.write("work/.tender/config.toml", "[build]\ntarget-dir = \"out\"\nprofile = \"fast\"\n");
    place.check_error(&["build"], &["there is no profile `fast`"]);
    place.check_error(&["build", "--config", "build.profile='quick'"], &["no profile `quick`"]);
    place.write("work/.tender/config.toml", "[build]\ntarget-dir = \"out\"\n");
    place.tender(&["build"], &[WORKER]);
    assert!(place.path("work/out/CACHEDIR.TAG").is_file(), "beside the directory of the file");
    place.write("work/.tender/config.toml", "");
    place.write(OF_USER, "[build]\ntarget-dir = \"made\"\n");
    place.tender(&["build"], &[WORKER]);
    assert!(place.path("work/app/made/CACHEDIR.TAG").is_file(), "of each workspace");
    place.tender(&["build", "--config", "build.target-dir='here'"], &[WORKER]);
    assert!(place.path("work/app/here/CACHEDIR.TAG").is_file());
    place.tender(&["build", "--target-dir", "named"], &[WORKER]);
    assert!(place.path("work/app/named/CACHEDIR.TAG").is_file());
}

#[test]
fn settings_choose_colours() {
    let place = Place::new();
    place.write(OF_USER, "[term]\ncolor = \"always\"\n");
    let is_coloured = |args: &[&str], env: &[(&str, &str)]| {
        let output = place.tender(&[args, &["clean", "-p", "none"]].concat(), env);
        assert_eq!(output.status.code(), Some(2));
        output.stderr.contains(&0x1b)
    };
    assert!(is_coloured(&[], &[]));
    assert!(!is_coloured(&[], &[("TENDER_COLOR", "never")]));
    assert!(!is_coloured(&[], &[("NO_COLOR", "1")]));
    assert!(!is_coloured(&["--config", "term.color='never'"], &[]));
    assert!(!is_coloured(&["--color", "never"], &[]));
}

#[test]
fn settings_that_are_wrong_are_shown_in_their_file() {
    let place = Place::new();
    let file = "work/app/.tender/config.toml";
    place.write(file, "[build]\njbos = 3\n");
    let expect = [
        "error: unknown key `jbos` in `[build]`",
        " --> .tender/config.toml:2:1",
        "2 | jbos = 3",
        "  | ^^^^",
        "help: did you mean `jobs`?",
    ];
    place.check_error(&["build"], &expect);
    place.check_error(&["exec", "--", "true"], &expect[..1]);
    place.write(file, "[profile.dev]\nopt-level = 1\n");
    place.check_error(&["build"], &["`profile` belongs to the root manifest"]);
    place.write(file, "jobs = 3\n");
    place.check_error(&["build"], &["`jobs` belongs to `[build]`"]);
    place.write(file, "[build]\njobs = 0\n[term]\ncolor = \"red\"\n");
    place.check_error(&["build"], &["jobs may not be 0", "`color` must be one of"]);
    place.write(file, "[build\n");
    place.check_error(&["build"], &[" --> .tender/config.toml:1:7"]);
    std::fs::write(place.path(file), b"[build]\n# \xff\n").unwrap();
    place.check_error(&["build"], &["not UTF-8", ".tender/config.toml:2:3"]);
    // What does not depend on settings works.
    for args in [&["list"][..], &["schema"], &["--version"]] {
        assert!(place.tender(args, &[]).status.success(), "{args:?}");
    }
    std::fs::remove_file(place.path(file)).unwrap();
    place.check_error(&["build", "--config", "build.jbos=1"], &["--> --config:1:7"]);
    place.check_error(&["build", "--config", "none.toml"], &["does not exist"]);
}

#[test]
fn settings_file_that_is_no_file_is_an_error() {
    let place = Place::new();
    let file = place.path("work/app/.tender/config.toml");
    std::fs::create_dir_all(&file).unwrap();
    place.check_error(&["build"], &["is a directory"]);
    std::fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("nowhere", &file).unwrap();
    place.check_error(&["build"], &["config.toml"]);
}

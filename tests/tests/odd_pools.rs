//! Values of MAKEFLAGS that name no pool, and pools that behave oddly. Expected: one warning, one
//! job, no hang, and no read or write of a file that is not a pool.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use tender_tests::interop::{
    CommandLine, Found, Pool, Probes, Tool, expect_no_warning, expect_one_warning, failing_device,
    find,
};
use tender_tests::{Feature, Run, TestSpace, program, skip};

fn tender() -> Found {
    find(Tool::Tender).expect("it is the program under test")
}

/// A build of three jobs, and a command under `exec`, each with these flags and perhaps a
/// descriptor 7. Expects one job at a time, and one warning with these texts.
#[track_caller]
fn expect_one_job(flags: &str, seven: Option<&OwnedFd>, texts: &[&str]) {
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    let build = tender().tree(&probes, "inner", 3, &[]);
    let run = run_with(&space, build, flags, seven).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
    expect_one_warning(&run, texts);
    let exec = CommandLine::new([program("tender").as_str(), "exec", "--", "sh", "-c", "echo ran"]);
    let run = run_with(&space, exec, flags, seven).expect_ok();
    assert_eq!(run.stdout, "ran\n");
    expect_one_warning(&run, texts);
}

fn run_with(space: &TestSpace, line: CommandLine, flags: &str, seven: Option<&OwnedFd>) -> Run {
    let mut command = line.under(["env", &format!("MAKEFLAGS={flags}")]).command(space);
    if let Some(fd) = seven {
        inherit(&mut command, fd);
    }
    space.run(command)
}

/// The child has a copy of the descriptor with the number 7.
#[expect(unsafe_code, reason = "a descriptor is copied between fork and exec")]
fn inherit(command: &mut Command, fd: &OwnedFd) {
    let from = rustix::io::fcntl_dupfd_cloexec(fd, 10).unwrap();
    // SAFETY: dup2(2) may be called after a fork, and the closure keeps the original open.
    unsafe {
        command.pre_exec(move || match libc::dup2(from.as_raw_fd(), 7) {
            7 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

const SEVEN: &str = " -j4 --jobserver-auth=7,7";
const NO_PIPE: [&str; 3] = [
    "file descriptor 7 is not an end of a pipe",
    "put `+` before the command",
    "one job at a time",
];

#[test]
fn descriptor_of_a_file_or_a_socket_is_not_read() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"++++").unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    // The open file description is shared, and so is its offset.
    expect_one_job(SEVEN, Some(&file.try_clone().unwrap().into()), &NO_PIPE);
    assert_eq!((file.stream_position().unwrap(), file.metadata().unwrap().len()), (1, 4));

    let (socket, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"++++").unwrap();
    expect_one_job(SEVEN, Some(&socket.try_clone().unwrap().into()), &NO_PIPE);
    assert_eq!(rustix::io::ioctl_fionread(&socket).unwrap(), 4);
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0]).is_err(), "nothing was written");
}

/// A pseudo-terminal: the end of the keyboard, the program's end, and its path.
fn terminal() -> (OwnedFd, OwnedFd, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let typist = rustix::pty::openpt(flags).unwrap();
    rustix::pty::grantpt(&typist).unwrap();
    rustix::pty::unlockpt(&typist).unwrap();
    let path = rustix::pty::ptsname(&typist, Vec::new()).unwrap().into_string().unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
    (typist, program, path)
}

#[test]
fn terminal_is_not_read() {
    let (typist, screen, path) = terminal();
    // A read would wait for a key and take it.
    expect_one_job(SEVEN, Some(&screen), &NO_PIPE);
    rustix::io::write(&typist, b"+++\n").unwrap();
    expect_one_job(SEVEN, Some(&screen), &NO_PIPE);
    expect_one_job(SEVEN, Some(&typist), &NO_PIPE);
    expect_one_job(&format!(" -j4 --jobserver-auth=fifo:{path}"), None, &[&path, "is not a FIFO"]);
    let mut line = [0; 8];
    assert_eq!((rustix::io::read(&screen, &mut line).unwrap(), &line[..4]), (4, &b"+++\n"[..]));
    // Every read of it fails now.
    drop(typist);
    expect_one_job(SEVEN, Some(&screen), &NO_PIPE);
}

/// `null` is always at its end; `full` has bytes for each reader and cannot be written.
#[test]
fn devices_such_as_dev_null_are_no_pools() {
    for path in ["/dev/null", "/dev/full", "/dev/zero"] {
        let device = File::options().read(true).write(true).open(path).unwrap();
        expect_one_job(SEVEN, Some(&device.into()), &NO_PIPE);
        expect_one_job(
            &format!(" -j4 --jobserver-auth=fifo:{path}"),
            None,
            &[path, "is not a FIFO"],
        );
    }
}

/// As the device of a daemon may at any time.
#[test]
fn device_that_fails_is_reported_once_and_one_job_runs() {
    let Some(path) = failing_device() else { return };
    let device = File::options().read(true).write(true).open(path).unwrap().into();
    for (flags, seven) in
        [(format!(" -j4 --jobserver-auth=fifo:{path}"), None), (SEVEN.to_owned(), Some(&device))]
    {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 1);
        let build = tender().tree(&probes, "inner", 3, &[]);
        let run = run_with(&space, build, &flags, seven).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
        expect_one_warning(&run, &["the parent's jobserver is gone"]);
    }
}

#[test]
fn standard_streams_are_no_pools() {
    for (number, auth) in [(0, "0,1"), (0, "0,0"), (1, "1,2")] {
        let pool = Pool::pipe(b"AB");
        let space = TestSpace::new();
        let probes = Probes::new(&space, 1);
        let build = tender().tree(&probes, "inner", 3, &[]);
        // Even if they are a pipe.
        let line = build.under(["sh", "-c", "\"$@\" <&3 2>err", "sh"]);
        let flags = format!("MAKEFLAGS= -j4 --jobserver-auth={auth}");
        let run = pool.around(line.under(["env", &flags])).run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
        let said = space.read("err");
        assert_eq!(said.matches("warning:").count(), 1, "{said}");
        assert!(
            said.contains(&format!("file descriptor {number} is not an end of a pipe")),
            "{said}"
        );
        assert_eq!(pool.drain(), b"AB");
    }
}

#[test]
fn pools_that_cannot_be_joined_are_reported_once() {
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    space.write("plain", "++++");
    std::fs::create_dir(space.path("directory")).unwrap();
    let _socket = UnixListener::bind(space.path("socket")).unwrap();
    let check = |auth: &str, texts: &[&str]| {
        let _ = std::fs::remove_file(space.path("probes.log"));
        let child = tender().tree(&probes, "inner", 3, &[]);
        // Removed, so that everything is built again.
        let _ = std::fs::remove_dir_all(space.path("inner/target"));
        let mut command = child.command(&space);
        command.env("MAKEFLAGS", format!(" -j4 --jobserver-auth={auth}"));
        let run = space.run(command).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
        expect_one_warning(&run, &[&["MAKEFLAGS", "one job at a time"], texts].concat());
    };
    let fifo = |name: &str| format!("fifo:{}", space.path(name));
    check("-2,-2", &["put `+` before the command"]);
    check("3,-1", &["put `+` before the command"]);
    check("90,91", &["descriptor 90 is not open", "put `+` before the command"]);
    check("gmake_semaphore_12", &["gmake_semaphore_12", "neither `fifo:PATH` nor `R,W`"]);
    check("fifo:", &["neither `fifo:PATH` nor `R,W`"]);
    check(&fifo("plain"), &["plain is not a FIFO"]);
    check(&fifo("directory"), &["directory is not a FIFO"]);
    check(&fifo("socket"), &["socket is not a FIFO"]);
    check(&fifo("nowhere"), &["nowhere", "is the make that created it still running?"]);
    assert_eq!(space.read("plain"), "++++");
}

#[test]
fn fifo_without_tokens_or_host_does_not_hang() {
    let space = TestSpace::new();
    let probes = Probes::new(&space, 1);
    let path = space.path("fifo");
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        path.as_std_path(),
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let mut command = tender().tree(&probes, "inner", 3, &[]).command(&space);
    command.env("MAKEFLAGS", format!(" -j4 --jobserver-auth=fifo:{path}"));
    let run = space.run(command).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
    expect_no_warning(&run);
}

/// It may not be opened, as if it belonged to another user.
#[test]
fn fifo_that_may_not_be_opened_is_reported() {
    let space = TestSpace::new();
    let pool = Pool::fifo(&space, b"AB");
    std::fs::set_permissions(space.path("pool"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let probes = Probes::new(&space, 1);
    let mut line = tender().tree(&probes, "inner", 3, &[]);
    if File::open(space.path("pool")).is_ok() {
        // Root may open anything, so it drops that capability.
        let without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
        let mut try_it = Command::new(without[0]);
        try_it.args([without[1], "sh", "-c", "! [ -r \"$0\" ]", space.path("pool").as_str()]);
        if !try_it.status().is_ok_and(|status| status.success()) {
            let why = "everything may be read here, and setpriv(1) cannot take that away";
            return skip(Feature::Setpriv, why);
        }
        line = line.under(without);
    }
    let run = pool.around(line).run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (3, 1), "{run}");
    expect_one_warning(&run, &["cannot open", "pool", "Permission denied", "one job at a time"]);
    assert_eq!(pool.drain(), b"AB");
}

#[test]
fn jobs_may_be_a_hundred_thousand() {
    let space = TestSpace::new();
    let probes = Probes::new(&space, 8);
    let run = tender().tree(&probes, "tree", 8, &[]).arg("-j100000").run(&space).expect_ok();
    assert_eq!(probes.log().most_at_once(), 8, "{run}");
    expect_no_warning(&run);
    // A parent that announces that many slots, whatever it has.
    let space = TestSpace::new();
    for pool in [Pool::fifo(&space, b"ABC"), Pool::pipe(b"ABC")] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 4);
        let flags = format!("MAKEFLAGS={}", pool.makeflags().replace("-j4", "-j100000"));
        let line = tender().tree(&probes, "tree", 8, &[]).under(["env", &flags]);
        let run = pool.around(line).run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 4, "{run}");
        expect_no_warning(&run);
        assert_eq!(pool.drain(), b"ABC", "{run}");
    }
}

/// More bytes than announced slots, and none that a host would write: they are tokens like any
/// other.
#[test]
fn pool_of_arbitrary_bytes_keeps_them() {
    let bytes = b"\0\n +ABC\x7f\xff";
    let space = TestSpace::new();
    for pool in [Pool::fifo(&space, bytes), Pool::pipe(bytes)] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let flags = format!("MAKEFLAGS={}", pool.makeflags().replace("-j10", "-j3"));
        let line = tender().tree(&probes, "tree", 12, &[]).under(["env", &flags]);
        let run = pool.around(line).run(&space).expect_ok();
        assert_eq!(probes.log().finished(), 12, "{run}");
        assert!(probes.log().most_at_once() >= 3, "{run}");
        expect_no_warning(&run);
        let mut all = bytes.to_vec();
        all.sort_unstable();
        assert_eq!(pool.drain(), all, "{run}");
    }
}

/// Only that child has the FIFO, so no other child is affected.
#[test]
fn child_that_fills_its_fifo_is_reported_and_the_pool_works() {
    const FILL: &str = "flags=$CARGO_MAKEFLAGS; exec 8<>\"${flags##*fifo:}\"; \
                        dd if=/dev/zero of=/dev/fd/8 oflag=nonblock bs=4096 count=64 status=none 2>/dev/null; true";
    let pools_space = TestSpace::new();
    for pool in [None, Some(Pool::fifo(&pools_space, b"AB")), Some(Pool::pipe(b"AB"))] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let fill = CommandLine::new(["sh", "-c", FILL]);
        let exec = fill.clone().under([program("tender").as_str(), "exec"]);
        let exec = match &pool {
            None => exec,
            Some(pool) => pool.around(exec),
        };
        expect_one_warning(&exec.run(&space).expect_ok(), &["`sh` returned", "more than it took"]);
        let inner = tender().tree(&probes, "inner", 4, &[]);
        let line = tender().tree(&probes, "tree", 4, &[fill, inner]);
        let line = match &pool {
            None => line.arg("-j3"),
            Some(pool) => pool.around(line),
        };
        let run = line.run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (8, 3), "{run}");
        expect_one_warning(&run, &["k0", "more than it took"]);
        if let Some(pool) = pool {
            assert_eq!(pool.drain(), b"AB", "{run}");
        }
    }
}

//! Repositories by ssh: the user's keys and known hosts count, and a host that is not known is an error.
//!
//! ssh finds them by the entry of the user in /etc/passwd and not by HOME. So client and server each run in
//! a mount namespace with a file of their own there.

use crate::repositories::repository;
use crate::space::{app, command, run};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use tender_tests::{Feature, Run, TestSpace, skip};

/// Runs its arguments where /etc/passwd is the file that the first argument names.
const AS_USER: &str = "mount --bind \"$1\" /etc/passwd; shift; exec \"$@\"";

/// A server on loopback that has the files of a space, and a user who may log in.
struct SshServer {
    port: u16,
}

impl SshServer {
    /// None if this machine cannot have one; then a skip is reported.
    fn start(space: &TestSpace) -> Option<SshServer> {
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap());
        let places = path.split(':').map(|dir| format!("{dir}/sshd"));
        let Some(sshd) = places.into_iter().find(|path| std::fs::metadata(path).is_ok()) else {
            skip(Feature::Sshd, "there is no sshd");
            return None;
        };
        space.write("nobody", "");
        let mut probe = Command::new("unshare");
        probe.args(["--mount", "sh", "-ec", AS_USER, "sh"]).arg(space.path("nobody")).arg("true");
        if !space.run(probe).status.success() {
            skip(Feature::Root, "mounting a file on /etc/passwd needs root");
            return None;
        }
        let home = space.path("home");
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        let users = format!("me:*:0:0::{home}:/bin/sh\nsshd:*:100:65534::/:/bin/false\n");
        space.write("passwd", users);
        for key in ["host", "home/.ssh/id_ed25519"] {
            let words = ["-q", "-t", "ed25519", "-N", "", "-f", key];
            run(space, "ssh-keygen", &words).expect_ok();
        }
        space.write("home/.ssh/authorized_keys", space.read("home/.ssh/id_ed25519.pub"));
        let keys = home.join(".ssh/authorized_keys");
        space.write(
            "sshd_config",
            format!(
                "HostKey {}\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSetEnv PATH={path}\n",
                space.path("host")
            ),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (passwd, config) = (space.path("passwd"), space.path("sshd_config"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stream = OwnedFd::from(stream);
                let mut server = Command::new("unshare");
                // The directory that sshd needs; nobody else sees it.
                let script = "mount -t tmpfs none /run; mkdir /run/sshd; mount --bind \"$1\" /etc/passwd; shift; exec \"$@\"";
                server.args(["--mount", "sh", "-ec", script, "sh"]).arg(&passwd);
                server.args([&sshd, "-i", "-e", "-f"]).arg(&config);
                server.stdin(stream.try_clone().unwrap()).stdout(stream).stderr(Stdio::null());
                let _ = server.status();
            }
        });
        Some(SshServer { port })
    }

    fn url(&self, space: &TestSpace, dir: &str) -> String {
        format!("ssh://me@127.0.0.1:{}{}", self.port, space.path(dir))
    }

    /// The line of `known_hosts` for this server.
    fn known_host(&self, space: &TestSpace) -> String {
        format!("[127.0.0.1]:{} {}", self.port, space.read("host.pub"))
    }
}

/// `tender` of the user.
fn tender(space: &TestSpace, args: &[&str]) -> Run {
    let own = command(space, args);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", AS_USER, "sh"]).arg(space.path("passwd"));
    command.arg(own.get_program()).args(own.get_args());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env_remove("SSH_AUTH_SOCK").env("HOME", space.path("home"));
    command.current_dir(own.get_current_dir().unwrap());
    space.run(command)
}

#[test]
fn repository_by_ssh_needs_a_key_and_a_known_host() {
    let (space, first) = repository();
    let Some(server) = SshServer::start(&space) else { return };
    app(&space, "ws", &format!("git = \"{}\"", server.url(&space, "repo")));
    let build = tender(&space, &["-C", "ws", "build"]).expect_code(101);
    build.expect_stderr(&["error: git cannot fetch ssh://", "Host key verification failed"]);
    space.write("home/.ssh/known_hosts", server.known_host(&space));
    let build = tender(&space, &["-C", "ws", "build"]).expect_ok();
    let build = build.expect_stderr(&["Updating git repository ssh://", "Unpacking `greet`"]);
    assert!(space.read("ws/Tender.lock").contains(&format!("commit = \"{first}\"")), "{build}");
    space.write("home/.ssh/authorized_keys", "");
    tender(&space, &["-C", "ws", "build", "--frozen"]).expect_ok().expect_nothing_done();
    space.remove("cache");
    let fetch = tender(&space, &["-C", "ws", "update"]).expect_code(101);
    fetch.expect_stderr(&["error: git cannot fetch ssh://", "Permission denied (publickey"]);
}

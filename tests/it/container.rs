//! The static binary as the image runs it: in an empty root, as a user who is not root, told by the environment what to do.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::server::free_port;
use crate::support::{Client, Value, is_root, signal, wait_for};

/// The image's user.
const USER: u32 = 65532;

/// A command inside `root`, and as the image's user where we may choose one.
fn inside(root: &Path, port: u16, arguments: &[&str]) -> Command {
    let mut command = if is_root() {
        let mut chroot = Command::new("chroot");
        chroot.arg(format!("--userspec={USER}:{USER}"));
        chroot
    } else {
        // Without privileges a new user namespace allows the change of root. Outside of it we are still ourselves.
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "chroot"]);
        unshare
    };
    command.arg(root).arg("/minium").args(arguments).env_clear();
    command.envs([
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("MINIUM_PROTECTED_MODE", "no"),
        ("MINIUM_DIR", "/data"),
    ]);
    command.env("MINIUM_PORT", port.to_string());
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; both calls then fail without harm.
        let _: std::io::Result<()> = self.0.kill();
        let _: std::io::Result<std::process::ExitStatus> = self.0.wait();
    }
}

#[test]
fn the_static_binary_runs_alone_in_an_empty_root() {
    let built = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/static-binary"))
        .arg("dev")
        .output()
        .expect("a shell");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let binary = String::from_utf8(built.stdout).expect("a path");

    let root = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).expect("its owner may");
    std::fs::copy(binary.trim(), root.path().join("minium")).expect("the binary");
    let data = root.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    if is_root() {
        chown(&data, Some(USER), Some(USER)).expect("root may");
    }

    let port = free_port();
    let healthy = || {
        inside(root.path(), port, &["--healthcheck"])
            .output()
            .expect("it can be started")
            .status
            .success()
    };
    assert!(!healthy(), "there is no server yet");
    let mut server = Running(
        inside(
            root.path(),
            port,
            &["--bind", "127.0.0.1", "--maxmemory", "64mb"],
        )
        .stdout(Stdio::null())
        .spawn()
        .expect("it can be started"),
    );
    let mut client = None;
    wait_for("the server listens", || {
        assert_eq!(
            server.0.try_wait().expect("its state"),
            None,
            "the server has ended"
        );
        client = Client::connect(([127, 0, 0, 1], port).into()).ok();
        client.is_some()
    });
    let mut client = client.expect("connected");
    assert_eq!(client.line("PING"), Value::Simple(b"PONG".to_vec()));
    assert!(client.line("SET a 1 EX 100").is_ok());
    assert_eq!(
        client.line("CONFIG GET maxmemory").elements()[1].text(),
        "67108864"
    );
    assert_eq!(client.line("CONFIG GET dir").elements()[1].text(), "/data");
    assert!(healthy(), "a server that answers is healthy");
    if is_root() {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.0.id())).expect("it runs");
        assert!(
            status.contains(&format!("Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n")),
            "{status}"
        );
    }

    signal(server.0.id(), "TERM");
    let mut end = None;
    wait_for("the server ends", || {
        end = server.0.try_wait().expect("its state");
        end.is_some()
    });
    assert_eq!(end.and_then(|status| status.code()), Some(0));
    assert!(!healthy(), "the server is gone");
}

//! Starts Minium or a real redis-server on a free loopback port in a folder of its own, and ends it by process id.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::client::Client;
use super::{PATIENCE, holds_within};

/// What a server prints when it listens. A connection would tell less: another program might be behind the port.
const READY: &str = "Ready to accept connections";

/// What it prints when clients can connect, though they may have to wait for data that are loaded.
const LISTENING: &str = "Server initialized";

/// Which program a [`Setup`] starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Minium,
    Redis,
}

impl Program {
    fn path(self) -> PathBuf {
        match self {
            Self::Minium => match std::env::var_os("MINIUM_TEST_SERVER") {
                Some(other) => other.into(),
                None => env!("CARGO_BIN_EXE_minium").into(),
            },
            Self::Redis => "redis-server".into(),
        }
    }
}

/// How a server is to be started. Whatever a test does not say is as the program's own default, except that it
/// listens on loopback only and writes no snapshot.
#[derive(Clone, Debug)]
pub struct Setup {
    program: Program,
    arguments: Vec<String>,
    config: Option<(String, String)>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
    password: Option<String>,
    unix: bool,
    port: Option<u16>,
}

impl Setup {
    /// The server under test. `MINIUM_TEST_SERVER` may name another program to try the tests themselves on.
    pub fn minium() -> Self {
        Self::new(Program::Minium)
    }

    /// The reference.
    pub fn redis() -> Self {
        Self::new(Program::Redis)
    }

    fn new(program: Program) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            config: None,
            environment: Vec::new(),
            wrapper: Vec::new(),
            files: Vec::new(),
            password: None,
            unix: false,
            port: None,
        }
    }

    /// Adds a directive as an argument: `("maxclients", "10")` becomes `--maxclients 10`.
    pub fn with(mut self, directive: &str, value: &str) -> Self {
        self.arguments
            .extend([format!("--{directive}"), value.to_owned()]);
        self
    }

    /// Starts from a config file of this name and text; arguments come after it, as on a command line.
    pub fn config(mut self, name: &str, text: &str) -> Self {
        self.config = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Sets a variable of the server's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has another program start the server, which is to become it: it is given the server's command line behind these
    /// arguments.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Puts a file into the folder that the server runs in, or one below it.
    pub fn file(mut self, name: &str, content: &[u8]) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Asks clients for this password; [`Server::connect`] gives it.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.with("requirepass", password)
    }

    /// Listens on a unix socket as well, see [`Server::unix_socket`].
    pub fn unix(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// When the program is missing, ends, or is not ready in time; its log is in the message.
    #[track_caller]
    pub fn start(self) -> Server {
        self.start_until(READY)
    }

    /// As [`Setup::start`], but does not wait for data that are loaded.
    #[track_caller]
    pub fn start_loading(self) -> Server {
        self.start_until(LISTENING)
    }

    #[track_caller]
    fn start_until(self, ready: &str) -> Server {
        // A port found free may be taken by another program before the server binds it: then the next one is tried.
        for _ in 0..5 {
            match self.try_start_until(ready) {
                Ok(server) => return server,
                Err(log) if self.port.is_none() && log.contains("ddress already in use") => {}
                Err(log) => panic!("{:?} did not start:\n{log}", self.program),
            }
        }
        panic!("no free port found for {:?}", self.program)
    }

    /// Starts the server and waits until it listens; when it ends before that, what it printed.
    #[track_caller]
    pub fn try_start(&self) -> Result<Server, String> {
        self.try_start_until(READY)
    }

    #[track_caller]
    fn try_start_until(&self, ready: &str) -> Result<Server, String> {
        let dir = tempfile::tempdir().expect("a folder for the server");
        self.try_start_in(Arc::new(dir), ready)
    }

    #[track_caller]
    fn try_start_in(&self, dir: Arc<tempfile::TempDir>, ready: &str) -> Result<Server, String> {
        let port = self.port.unwrap_or_else(free_port);
        let log = dir.path().join("log");
        let output = File::create(&log).expect("a log file");
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(self.program.path());
                command
            }
            None => Command::new(self.program.path()),
        };
        for (name, content) in &self.files {
            let path = dir.path().join(name);
            let folder = path.parent().expect("the server's folder at least");
            fs::create_dir_all(folder).expect("a folder for the file");
            fs::write(path, content).expect("a file for the server");
        }
        command.current_dir(dir.path()).stdin(Stdio::null());
        command
            .stderr(output.try_clone().expect("a second handle"))
            .stdout(output);
        if let Some((name, text)) = &self.config {
            fs::write(dir.path().join(name), text).expect("a config file");
            command.arg(name);
        }
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]);
        if self.unix {
            command.args(["--unixsocket", "socket"]);
        }
        command.args(&self.arguments);
        // What the person who runs the tests has set is no part of them.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MINIUM_"))
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "cannot start {}: {error}; tests/run installs what the tests need",
                self.program.path().display()
            )
        });
        let mut server = Server {
            child,
            port,
            dir,
            log,
            setup: self.clone(),
        };
        let mut ended = false;
        let is_ready = holds_within(PATIENCE, || {
            ended = server
                .child
                .try_wait()
                .expect("the state of a child")
                .is_some();
            ended || server.log().contains(ready)
        });
        if ended || !is_ready {
            Err(server.log())
        } else {
            Ok(server)
        }
    }
}

/// A running server; it ends when this is dropped.
pub struct Server {
    child: Child,
    port: u16,
    dir: Arc<tempfile::TempDir>,
    log: PathBuf,
    setup: Setup,
}

impl Server {
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder that the server runs in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the server listens when [`Setup::unix`] was asked for.
    pub fn unix_socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string())
    }

    /// A new connection, authenticated when the server asks for that.
    #[track_caller]
    pub fn connect(&self) -> Client {
        let mut client = self.connect_raw();
        if let Some(password) = &self.setup.password {
            assert!(
                client.call(&["AUTH", password]).is_ok(),
                "the password must be right"
            );
        }
        client
    }

    /// A new connection on which nothing was said yet.
    #[track_caller]
    pub fn connect_raw(&self) -> Client {
        Client::connect(self.address()).unwrap_or_else(|error| {
            panic!(
                "cannot connect to port {}: {error}\n{}",
                self.port,
                self.log()
            )
        })
    }

    /// The server's resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let resident = self.status("VmRSS");
        let number = resident.trim_end_matches("kB").trim().parse::<u64>();
        1024 * number.expect("a number of kB")
    }

    /// What the system tells of the process under a name.
    pub fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the status of a running process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {status}"))
            .trim()
            .to_owned()
    }

    /// Sends a signal by its name, as `kill` takes it.
    pub fn signal(&self, name: &str) {
        super::signal(self.pid(), name);
    }

    /// Waits until the server has ended by itself or after a signal.
    ///
    /// # Panics
    /// When it still runs after [`PATIENCE`].
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut status = None;
        let ended = holds_within(PATIENCE, || {
            status = self.child.try_wait().expect("the state of a child");
            status.is_some()
        });
        assert!(ended, "the server still runs; its log:\n{}", self.log());
        status.expect("it ended")
    }

    /// Kills the server at once, as a crash would, and starts it again on the same port in a new folder.
    pub fn restart(&mut self) {
        self.kill();
        let port = self.port;
        *self = self.setup.clone().port(port).start();
    }

    /// Starts the server again on the same port and in the same folder, over what it left there.
    ///
    /// # Panics
    /// When it does not get ready; its log is in the message.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.kill();
        let setup = self.setup.clone().port(self.port);
        match setup.try_start_in(Arc::clone(&self.dir), READY) {
            Ok(server) => *self = server,
            Err(log) => panic!("the server did not start again:\n{log}"),
        }
    }

    /// Kills the server at once, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended already; both calls then fail without harm.
        let _: io::Result<()> = self.child.kill();
        let _: io::Result<ExitStatus> = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            eprintln!(
                "--- the last lines of the log of {:?} (process {}):",
                self.setup.program,
                self.pid()
            );
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// A port on loopback that nobody listens on. They are handed out from below the range that the kernel picks outgoing
/// ports from, each only once in this process, and different test processes begin at different places.
pub fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (start.wrapping_mul(7) % COUNT + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback")
}

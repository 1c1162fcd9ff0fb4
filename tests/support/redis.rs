//! A private redis-server for one test: on a Unix socket and a loopback port, in a directory of its
//! own, as durable as the product needs it.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use redis::{Client, Connection, Value};

/// How long Redis may take to load its data, or to answer a command.
const PATIENCE: Duration = Duration::from_secs(20);
/// A port that was free a moment ago may be taken by another test; another one will do.
const PORTS_TRIED: usize = 5;
const SOCKET: &str = "r.sock";
/// A file system in memory. What is written there outlives a killed server as it does on a disk.
const TMPFS: &str = "/dev/shm";

/// How a [`TestRedis`] is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    arguments: Vec<String>,
    is_on_tmpfs: bool,
}

impl Options {
    /// Adds a setting, such as `("appendfsync", "no")`. It wins over the usual one.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([format!("--{name}"), value.to_owned()]);
        self
    }

    /// Keeps its files in memory where the machine can, for a test with little data. A disk that is
    /// busy for seconds, as with a build beside the test, is then no fault that nobody armed.
    pub(crate) fn on_tmpfs(mut self) -> Self {
        self.is_on_tmpfs = Path::new(TMPFS).is_dir();
        self
    }

    /// Makes it a replica of `primary`.
    pub(crate) fn replica_of(mut self, primary: &TestRedis) -> Self {
        let port = primary.port().to_string();
        self.arguments.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), port]);
        self
    }
}

/// A running redis-server. It is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct TestRedis {
    directory: PathBuf,
    port: u16,
    options: Options,
    /// `None` between a kill and a restart.
    child: Option<Child>,
}

impl TestRedis {
    /// Starts a Redis with the settings that the product asks for, with its files in memory; returns once
    /// it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default().on_tmpfs())
    }

    /// Starts a Redis with further settings; returns once it answers.
    pub(crate) fn start_with(options: Options) -> Self {
        let directory = fresh_directory(&options);
        let mut log = String::new();
        for _ in 0..PORTS_TRIED {
            let port = free_port();
            match spawn(&directory, port, &options) {
                Ok(child) => return Self { directory, port, options, child: Some(child) },
                Err(problem) => log = problem,
            }
        }
        _ = fs::remove_dir_all(&directory);
        panic!("redis-server did not come up; its log ends with:\n{log}");
    }

    /// Where it listens, as a URL for its Unix socket.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.directory.join(SOCKET).display())
    }

    /// Where it listens, as a URL for its TCP port.
    pub(crate) fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its TCP port, the same over all restarts.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Ends it as a power cut would (SIGKILL); returns once it is gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be waited for");
    }

    /// Starts it again after [`TestRedis::kill`], on the same directory, socket and port.
    pub(crate) fn restart(&mut self) {
        assert!(self.child.is_none(), "kill it first");
        let child = spawn(&self.directory, self.port, &self.options);
        self.child = Some(child.unwrap_or_else(|log| panic!("Redis did not come back:\n{log}")));
    }

    /// Freezes it (SIGSTOP): it keeps its sockets and answers nothing.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`TestRedis::stop`].
    pub(crate) fn cont(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill can be run").success(), "kill {signal} failed");
    }

    /// Asks it something; an answer of several parts has one line for each. Panics on an error.
    pub(crate) fn command(&self, words: &[&str]) -> String {
        self.try_command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Like [`TestRedis::command`], but an error of Redis or of the connection is returned.
    pub(crate) fn try_command(&self, words: &[&str]) -> Result<String, String> {
        let (name, arguments) = words.split_first().expect("a command has a name");
        let mut command = redis::cmd(name);
        arguments.iter().for_each(|argument| _ = command.arg(*argument));
        let answer = self.connect().and_then(|mut connection| command.query(&mut connection));
        answer.map(|answer| text(&answer)).map_err(|error| error.to_string())
    }

    /// One line of `INFO`, such as `info("master_link_status")`.
    pub(crate) fn info(&self, name: &str) -> Option<String> {
        let info = self.command(&["INFO", "everything"]);
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    }

    /// Whether it is a replica that has caught up with its primary and follows it.
    pub(crate) fn is_following(&self) -> bool {
        self.info("master_link_status").as_deref() == Some("up")
    }

    /// Whether a replica follows it that acknowledges what it gets. A replica believes itself up for
    /// up to a second before that.
    pub(crate) fn has_replica(&self) -> bool {
        self.info("slave0").is_some_and(|replica| replica.contains("state=online"))
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let connection = Client::open(self.url())?.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        Ok(connection)
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; SIGKILL also ends a stopped one.
            _ = child.kill();
            _ = child.wait();
        }
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// A short path: a Unix socket's must not be longer than 107 bytes.
fn fresh_directory(options: &Options) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let parent = if options.is_on_tmpfs { TMPFS.into() } else { std::env::temp_dir() };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("urg-{}-{count}", std::process::id());
        let directory = parent.join(name);
        match fs::create_dir(&directory) {
            Ok(()) => return directory,
            // Left behind by a run that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("create {}: {error}", directory.display()),
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// Starts redis-server and waits until it says that it is ready; otherwise what it logged.
fn spawn(directory: &Path, port: u16, options: &Options) -> Result<Child, String> {
    let port = port.to_string();
    let spawned = Command::new("redis-server")
        .args(["--port", &port, "--bind", "127.0.0.1", "--unixsocket", SOCKET, "--dir", "."])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .args(["--maxmemory-policy", "noeviction", "--daemonize", "no"])
        // A replica need not wait five seconds for others that might come.
        .args(["--repl-diskless-sync-delay", "0"])
        .args(&options.arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("redis-server is not installed; run make test, which installs it")
        }
        Err(error) => panic!("redis-server cannot be started: {error}"),
    };
    let output = child.stdout.take().expect("its output is piped");
    let (ready, log) = follow(output);
    if ready.recv_timeout(PATIENCE).is_ok() {
        return Ok(child);
    }
    _ = child.kill();
    _ = child.wait();
    Err(log.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Reads what the server says, and tells once that it is ready. Its own words are waited for, since
/// nobody else knows when it has loaded its data.
fn follow(output: impl Read + Send + 'static) -> (Receiver<()>, Arc<Mutex<String>>) {
    let (ready, is_ready) = channel();
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
            if line.contains("eady to accept connections") {
                // Nobody waits any more when it says so for its second socket.
                _ = ready.send(());
            }
        }
    });
    (is_ready, log)
}

fn text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        Value::Okay => "OK".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => format!("{other:?}"),
    }
}

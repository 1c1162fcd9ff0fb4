//! The managed Redis: a private `redis-server` (or `valkey-server`) in the data directory, started,
//! watched, restarted and stopped by this process, and adopted from an earlier one that was killed.

mod process;

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use process::Server;

const SOCKET: &str = "redis.sock";
const LOG: &str = "redis.log";
const LOCK: &str = "urgence.lock";
/// The longest path a Unix socket may have on Linux.
const SOCKET_PATH_MAX: usize = 107;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the start waits for Redis to answer before it goes on without.
const START_TIMEOUT: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Restarts that fail are repeated, ever more slowly, up to this.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long Redis may take to stop. With every write on disk, nothing is lost if it does not.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A private Redis that is up.
#[derive(Debug)]
pub struct ManagedRedis {
    directory: PathBuf,
    server: Server,
    /// Held for as long as this process answers for the directory.
    _lock: File,
}

/// The managed Redis could not be started or kept.
#[derive(Debug, thiserror::Error)]
pub enum RedisServerError {
    /// Neither program is installed.
    #[error(
        "neither redis-server nor valkey-server is installed; install one (Debian: apt-get install \
         redis-server), or name a running one with --redis-url"
    )]
    NotInstalled,
    /// Another process answers for the data directory.
    #[error(
        "another urgence uses the data directory {0}; to run a second one on the same Redis, give \
         it --redis-url unix://{0}/redis.sock"
    )]
    InUse(String),
    /// The data directory's path is too long for a socket.
    #[error("the data directory's path {0} is too long for a Unix socket; choose a shorter one")]
    PathTooLong(String),
    /// The server ended before it answered.
    #[error("redis-server ended before it answered; its log ends with:\n{0}")]
    Ended(String),
    /// The operating system refused.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

impl ManagedRedis {
    /// Makes sure that exactly one Redis serves `directory`, and waits a while until it answers.
    ///
    /// # Errors
    /// There is no Redis to start, it does not come up, or another process has the directory.
    pub async fn start(directory: &Path) -> Result<Self, RedisServerError> {
        let failed = |operation| {
            move |source| {
                let path = directory.display().to_string();
                RedisServerError::Io { operation, path, source }
            }
        };
        fs::create_dir_all(directory).map_err(failed("create"))?;
        // What was said in cases lies in here; Redis's own files follow a umask that others chose.
        let only_ours = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory, only_ours).map_err(failed("close to others"))?;
        let directory = &directory.canonicalize().map_err(failed("find"))?;
        let shown = directory.display().to_string();
        if directory.join(SOCKET).as_os_str().len() > SOCKET_PATH_MAX {
            return Err(RedisServerError::PathTooLong(shown));
        }
        let lock = File::create(directory.join(LOCK)).map_err(failed("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(RedisServerError::InUse(shown)),
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        let server = match process::find(directory) {
            Some(server) => {
                tracing::info!(redis.pid = server.pid(), "adopted the Redis of an earlier run");
                server
            }
            None => spawn(directory)?,
        };
        let mut managed = Self { directory: directory.clone(), server, _lock: lock };
        if let Ok(up) = timeout(START_TIMEOUT, managed.wait_until_up()).await {
            up?;
        } else {
            // A long log takes long to load. Meanwhile the service is up, and says that it is not
            // ready.
            tracing::warn!("Redis is still loading its data");
        }
        Ok(managed)
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("unix://{}", self.directory.join(SOCKET).display())
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Restarts Redis whenever it ends, until `stop`; then stops it.
    pub async fn supervise(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.stop().await,
                () = self.server.ended() => {}
            }
            tracing::error!(redis.pid = self.server.pid(), "Redis has ended; starting it again");
            if !self.restart(&stop).await {
                return;
            }
        }
    }

    /// Whether it is up again; not if `stop` came first.
    async fn restart(&mut self, stop: &CancellationToken) -> bool {
        let mut pause = LOOK_EVERY;
        loop {
            let restarted = match spawn(&self.directory) {
                Ok(server) => {
                    self.server = server;
                    tokio::select! {
                        up = self.wait_until_up() => up,
                        () = stop.cancelled() => {
                            self.stop().await;
                            return false;
                        }
                    }
                }
                Err(error) => Err(error),
            };
            match restarted {
                Ok(()) => {
                    tracing::info!(redis.pid = self.server.pid(), "Redis is up again");
                    return true;
                }
                Err(error) => tracing::error!(%error, "Redis could not be started; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep(pause) => pause = (pause * 2).min(RESTART_PAUSE_MAX),
            }
        }
    }

    async fn wait_until_up(&mut self) -> Result<(), RedisServerError> {
        loop {
            // A Redis that still loads its data answers LOADING; it may take as long as it needs.
            if self.ask("PING").await.is_some_and(|answer| answer.starts_with("+PONG")) {
                return Ok(());
            }
            tokio::select! {
                () = self.server.ended() => return Err(RedisServerError::Ended(self.log_tail())),
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn stop(&mut self) {
        // SHUTDOWN is answered only when it is refused.
        _ = self.ask("SHUTDOWN").await;
        if timeout(STOP_TIMEOUT, self.server.ended()).await.is_err() {
            let pid = self.server.pid();
            tracing::warn!(
                redis.pid = pid,
                "Redis does not stop; it is left running, to be adopted"
            );
        }
    }

    /// One inline command, and what is answered to it.
    async fn ask(&self, command: &str) -> Option<String> {
        let exchange = async {
            let mut socket = UnixStream::connect(self.directory.join(SOCKET)).await.ok()?;
            socket.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
            let mut answer = [0; 64];
            let length = socket.read(&mut answer).await.ok()?;
            Some(String::from_utf8_lossy(&answer[..length]).into_owned())
        };
        timeout(ANSWER_TIMEOUT, exchange).await.ok().flatten()
    }

    fn log_tail(&self) -> String {
        const LINES: usize = 5;
        let log = fs::read_to_string(self.directory.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

fn spawn(directory: &Path) -> Result<Server, RedisServerError> {
    for program in ["redis-server", "valkey-server"] {
        match process::spawn(program, directory, &arguments()) {
            Ok(server) => {
                tracing::info!(redis.pid = server.pid(), program, "started a private Redis");
                return Ok(server);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let path = program.to_owned();
                return Err(RedisServerError::Io { operation: "start", path, source });
            }
        }
    }
    Err(RedisServerError::NotInstalled)
}

/// Every setting that the promise rests on, said here and not left to a file or a default.
fn arguments() -> [&'static str; 26] {
    [
        "--port",
        "0",
        "--unixsocket",
        SOCKET,
        "--unixsocketperm",
        "700",
        "--dir",
        ".",
        "--logfile",
        LOG,
        "--daemonize",
        "no",
        // Every write is on disk before it is answered.
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--no-appendfsync-on-rewrite",
        "no",
        "--save",
        "",
        // Nothing accepted is ever thrown away to make room.
        "--maxmemory-policy",
        "noeviction",
        // A case is three or four fields of up to some kilobytes: kept together they cost a third
        // less than as a hash table.
        "--hash-max-listpack-value",
        "8192",
        "--tcp-keepalive",
        "60",
    ]
}

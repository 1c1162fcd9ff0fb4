//! Prometheus and Alertmanager as the system installs them, each for one test: on a loopback port, in
//! a directory of its own.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::wait::eventually;

/// How long one may take to serve; each reads its files and opens a database first.
const PATIENCE: Duration = Duration::from_secs(20);
/// A port that was free a moment ago may be taken by another test; another one will do.
const PORTS_TRIED: usize = 5;
const CONFIG: &str = "config.yml";
const LOG: &str = "log";

/// A running Prometheus. It is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus(Server);

impl Prometheus {
    /// Starts one with this configuration and these further files, which it may name; returns once
    /// it is ready.
    pub(crate) async fn start(config: &str, files: &[(&str, &str)]) -> Self {
        let arguments = |address: SocketAddr| {
            vec![
                format!("--config.file={CONFIG}"),
                format!("--web.listen-address={address}"),
                "--storage.tsdb.path=data".to_owned(),
                // An alert that was sent before Alertmanager was ready is soon sent again.
                "--rules.alert.resend-delay=1s".to_owned(),
            ]
        };
        Self(Server::start(&["prometheus"], config, files, arguments).await)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The `data` of what its API says under `path`; panics, with what it said, on an error.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let (status, body) = self.0.get(&format!("/api/v1/{path}")).await;
        let mut said: Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!(status, 200, "{path}: {body}");
        said["data"].take()
    }

    /// The result of an instant query: a list of series.
    pub(crate) async fn query(&self, expression: &str) -> Vec<Value> {
        let path = format!("query?query={}", percent_encoded(expression));
        let data = self.api(&path).await;
        data["result"].as_array().cloned().unwrap_or_default()
    }
}

/// A running Alertmanager. It is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Alertmanager(Server);

impl Alertmanager {
    /// Starts one with this configuration, without a cluster; returns once it is ready.
    pub(crate) async fn start(config: &str) -> Self {
        let arguments = |address: SocketAddr| {
            vec![
                format!("--config.file={CONFIG}"),
                format!("--web.listen-address={address}"),
                "--storage.path=data".to_owned(),
                "--cluster.listen-address=".to_owned(),
            ]
        };
        let programs = ["prometheus-alertmanager", "alertmanager"];
        Self(Server::start(&programs, config, &[], arguments).await)
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// What its API, version 2, says under `path`, such as `alerts`.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let (status, body) = self.0.get(&format!("/api/v2/{path}")).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("its API speaks JSON")
    }
}

#[derive(Debug)]
struct Server {
    directory: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Server {
    async fn start(
        programs: &[&str],
        config: &str,
        files: &[(&str, &str)],
        arguments: impl Fn(SocketAddr) -> Vec<String>,
    ) -> Self {
        let directory = fresh_directory();
        for (name, text) in files.iter().chain(&[(CONFIG, config)]) {
            fs::write(directory.join(name), text).expect("our own directory can be written");
        }
        for _ in 0..PORTS_TRIED {
            let address = free_address();
            let child = spawn(programs, &arguments(address), &directory);
            let mut server = Self { directory: directory.clone(), address, child };
            if server.is_ready_at_last().await {
                return server;
            }
            // Dropping it would remove the directory that the next one needs.
            let (_, log) = (server.child.wait(), server.log());
            assert!(log.contains("address already in use"), "{} ended:\n{log}", programs[0]);
            std::mem::forget(server);
        }
        panic!("{} found no free port", programs[0]);
    }

    /// Whether it is ready at last; otherwise it has ended.
    async fn is_ready_at_last(&mut self) -> bool {
        let mut has_ended = false;
        let (address, child) = (self.address, &mut self.child);
        eventually("the server is ready", PATIENCE, async || {
            has_ended = child.try_wait().expect("our own child can be looked at").is_some();
            has_ended || try_get(address, "/-/ready").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
        !has_ended
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join(LOG)).unwrap_or_default()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = try_get(self.address, path).await;
        answer.unwrap_or_else(|| panic!("no answer to {path}; its log:\n{}", self.log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
        _ = fs::remove_dir_all(&self.directory);
    }
}

/// Status and body; nothing if nobody answers. HTTP/1.0 spares us chunks.
async fn try_get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Starts the first of these programs that is installed. That none is, is a failure, never a pass.
fn spawn(programs: &[&str], arguments: &[String], directory: &PathBuf) -> Child {
    for program in programs {
        let log = File::create(directory.join(LOG)).expect("our own directory can be written");
        let spawned = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        match spawned {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{program} cannot be started: {error}"),
        }
    }
    panic!("{} is not installed; run make test, which installs it", programs[0])
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address")
}

fn fresh_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("urgp-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        match fs::create_dir(&directory) {
            Ok(()) => return directory,
            // Left behind by a run that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("create {}: {error}", directory.display()),
        }
    }
}

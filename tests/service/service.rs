//! The program as a process of its own, and clients of it.

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Channel;
use urgence::grpc::wire;
use urgence::grpc::wire::desk_service_client::DeskServiceClient;
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;

use crate::support::redis::TestRedis;

/// How long the program may take to start; a debug build on a busy machine is slow.
const START_PATIENCE: Duration = Duration::from_secs(30);

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_urgence");

/// A running `urgence serve`.
pub struct Service {
    child: Child,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    /// Where its audit log lies, unless the test has named a place.
    _audit: Directory,
}

impl Service {
    /// Serves on the given Redis.
    pub fn on(redis: &TestRedis, arguments: &[&str]) -> Self {
        Self::start(&[&["--redis-url", &redis.url()], arguments].concat())
    }

    /// Serves with these arguments, on free ports; returns once it does.
    pub fn start(arguments: &[&str]) -> Self {
        Self::started_by(Command::new(PROGRAM), arguments)
    }

    /// Serves as `start` does, by a command that ends with the program.
    pub fn started_by(program: Command, arguments: &[&str]) -> Self {
        let audit = Directory::new();
        let own = without("--audit-dir", audit.path(), arguments);
        let (child, log, ready) = spawn(program, &[arguments, &own].concat());
        let Ok(line) = ready.recv_timeout(START_PATIENCE) else {
            panic!("the service did not start:\n{}", log.lock().unwrap().join("\n"));
        };
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = |name: &str| said[name].as_str().unwrap().parse().unwrap();
        Self { child, grpc: address("grpc"), http: address("http"), log, _audit: audit }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Every line logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// How it ended.
    pub async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }

    pub async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.grpc)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub async fn portal(&self) -> IntakeServiceClient<Channel> {
        IntakeServiceClient::new(self.channel().await)
    }

    pub async fn desk(&self) -> DeskServiceClient<Channel> {
        DeskServiceClient::new(self.channel().await)
    }

    /// The status and body of an HTTP page.
    pub async fn http(&self, path: &str) -> (u16, String) {
        let mut socket = tokio::net::TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub async fn is_ready(&self) -> bool {
        self.http("/ready").await.0 == 200
    }

    /// The value of a metric, such as `urgence_claims_total` or `name{label="value"}`.
    pub async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.http("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

type Log = Arc<Mutex<Vec<String>>>;

/// The setting, unless the arguments have one.
fn without<'s>(setting: &'s str, value: &'s str, arguments: &[&str]) -> Vec<&'s str> {
    if arguments.contains(&setting) { Vec::new() } else { vec![setting, value] }
}

fn spawn(
    mut program: Command,
    arguments: &[&str],
) -> (Child, Log, std::sync::mpsc::Receiver<String>) {
    let mut child = program
        .args(["serve", "--log-format", "json"])
        .args(without("--grpc-listen", "127.0.0.1:0", arguments))
        .args(without("--http-listen", "127.0.0.1:0", arguments))
        // A test is one caller in a hurry; `admission.rs` has bounds.
        .env("URGENCE_CALLS_PER_SECOND_MAX", "0")
        // What Redis holds is then what the test has asked for; `watching.rs` has synthetic cases.
        .args(without("--synthetic-every", "0s", arguments))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stderr.take().unwrap();
    let log = Log::default();
    let (serving, ready) = channel();
    let lines = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains("\"message\":\"serving\"") {
                _ = serving.send(line.clone());
            }
            lines.lock().unwrap().push(line);
        }
    });
    (child, log, ready)
}

/// Runs the program to its end: how it ended and what it said.
pub fn run(arguments: &[&str]) -> (ExitStatus, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_urgence"))
        .args(["serve", "--log-format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    (ended.status, String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// A directory of its own for a test, removed at the end.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("urgs-{}-{count}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Self(path),
                // An earlier process of the same number was killed before it could remove it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Puts a file into it, whole for whoever reads it meanwhile; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let (path, new) = (self.0.join(name), self.0.join(format!("{name}.new")));
        fs::write(&new, text).unwrap();
        fs::rename(new, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A private Redis that a failed test has left behind must not outlive it.
        let inside = |pid: &u32| {
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|path| path.starts_with(&self.0))
        };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        for pid in pids.filter(inside) {
            _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        _ = fs::remove_dir_all(&self.0);
    }
}

/// A ladder of a few seconds: rungs at 0, 1 and 2 (target) and 4 (limit), then every second.
pub fn fast_policy(directory: &Directory, lease: &str) -> String {
    let demo = include_str!("../../deploy/policy/demo.toml");
    let start = demo.find("[promises.emergency]").unwrap();
    let end = demo.find("[promises.routine]").unwrap();
    let emergency = r#"[promises.emergency]
target = "2s"
limit = "4s"
ladder = [
    { at = "0s", pages = ["desk"], quieted_by_claim = true },
    { at = "1s", pages = ["shift-lead"], quieted_by_claim = true },
    { at = "2s", pages = ["head-of-desk"] },
    { at = "4s", pages = ["all"] },
]
repeat_every = "1s"
repeat_pages = ["all"]

"#;
    let text = [&demo[..start], emergency, &demo[end..]].concat();
    let lease = format!("lease = \"{lease}\"");
    directory.file("policy.toml", &text.replace("lease = \"5s\"", &lease))
}

/// A request that is valid.
pub fn request(request_id: &str, nature: wire::Nature) -> wire::SubmitRequest {
    wire::SubmitRequest {
        request_id: request_id.to_owned(),
        request: Some(wire::EmergencyRequest {
            requester: Some(wire::Requester {
                authority: "fr-pnij".to_owned(),
                country: "FR".to_owned(),
                officer_name: "Duty officer".to_owned(),
                official_email: "duty@police.example".to_owned(),
                desk_phone: "+33199000001".to_owned(),
                case_number: "2026/1".to_owned(),
                ..wire::Requester::default()
            }),
            emergency: Some(wire::Emergency {
                nature: nature.into(),
                description: "What has happened.".to_owned(),
                why_data_prevents_harm: "It tells where they are.".to_owned(),
                ..wire::Emergency::default()
            }),
            targets: vec![wire::Target {
                r#type: wire::TargetType::AccountId.into(),
                value: "1029384756".to_owned(),
                ..wire::Target::default()
            }],
            data: Some(wire::DataScope {
                categories: vec![wire::DataCategory::Subscriber.into()],
                ..wire::DataScope::default()
            }),
            legal_basis: "Code".to_owned(),
            ..wire::EmergencyRequest::default()
        }),
        ..wire::SubmitRequest::default()
    }
}

/// A request that is valid, and nothing more to say.
pub fn urgent(request_id: &str) -> wire::SubmitRequest {
    request(request_id, wire::Nature::MissingChild)
}

pub fn claim_next(request_id: &str, wait_seconds: i64) -> wire::ClaimNextRequest {
    let wait = Some(prost_types::Duration { seconds: wait_seconds, nanos: 0 });
    wire::ClaimNextRequest { request_id: request_id.to_owned(), wait, ..Default::default() }
}

/// A first response that stops the clock and leaves the case open.
pub fn in_progress(request_id: &str, name: &str, epoch: u64) -> wire::RespondRequest {
    wire::RespondRequest {
        request_id: request_id.to_owned(),
        name: name.to_owned(),
        epoch,
        message: "We are collecting the data.".to_owned(),
        answer: Some(wire::respond_request::Answer::InProgress(wire::InProgressAnswer {
            expected_within: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
            contact: Some(wire::Contact {
                name: "Desk".to_owned(),
                phone: "+33199000009".to_owned(),
                ..wire::Contact::default()
            }),
        })),
    }
}

/// A call in the name of `caller`.
pub fn by<T>(caller: &str, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("urgence-caller", caller.parse().unwrap());
    request
}

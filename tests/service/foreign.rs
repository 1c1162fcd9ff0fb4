//! Clients that are not ours: grpcurl with the README's own lines, buf, promtool.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncBufReadExt as _;
use tonic_reflection::pb::v1alpha::ServerReflectionRequest;
use tonic_reflection::pb::v1alpha::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1alpha::server_reflection_request::MessageRequest;

use crate::service::{Directory, Service};
use crate::support::redis::TestRedis;
use crate::support::wait::eventually;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A tool that `make tools` has installed. That it is missing is a failure, never a pass.
pub fn tool(name: &str) -> PathBuf {
    let ours = root().join(".tools/bin").join(name);
    let node = root().join(".tools/node_modules/.bin").join(name);
    for path in [ours, node, Path::new("/usr/bin").join(name)] {
        if path.exists() {
            return path;
        }
    }
    panic!("{name} is not installed; run make test, which installs it")
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The README's lines that begin with `grpcurl`, in order, continuation lines joined.
fn readme_lines() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let joined = readme.replace("\\\n", " ");
    joined
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("grpcurl "))
        .map(str::to_owned)
        .collect()
}

/// Runs a line of the README in a shell, against `service` instead of the default port.
fn shell(service: &Service, line: &str) -> String {
    let line = line.replacen("grpcurl", tool("grpcurl").to_str().unwrap(), 1);
    let line = line.replace("localhost:50051", &service.grpc.to_string());
    let output = run(Command::new("bash").args(["-euo", "pipefail", "-c", &line]), "");
    assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_is_true_line_by_line() {
    let redis = TestRedis::start();
    // Whoever reads has longer between two lines than a shell may take on a busy machine.
    let demo = std::fs::read_to_string(root().join("deploy/policy/demo.toml")).unwrap();
    let patient = demo.replace("lease = \"5s\"", "lease = \"5m\"");
    assert_ne!(patient, demo);
    let directory = Directory::new();
    let policy = directory.file("demo.toml", &patient);
    let registry = root().join("deploy/authorities.toml");
    let files = ["--policy", &policy, "--authorities", registry.to_str().unwrap()];
    let service = Service::on(&redis, &files);
    let lines = readme_lines();
    let line = |word: &str| {
        let mut found = lines.iter().filter(|line| line.contains(word));
        let line = found.next().unwrap_or_else(|| panic!("the README has no line with {word}"));
        line.clone()
    };

    // The watch runs while the others do; it ends when we stop it.
    let watch = line("DeskService/Watch")
        .replacen("grpcurl", tool("grpcurl").to_str().unwrap(), 1)
        .replace("localhost:50051", &service.grpc.to_string());
    let mut watching = tokio::process::Command::new("bash")
        .args(["-c", &format!("exec {watch}")])
        .current_dir(root())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut told = tokio::io::BufReader::new(watching.stdout.take().unwrap()).lines();

    for submit in lines.iter().filter(|line| line.contains("IntakeService/Submit")) {
        let said = shell(&service, submit);
        assert!(said.contains("desks/main/cases/"), "{said}");
    }
    let queue = shell(&service, &line("DeskService/List"));
    let first = queue.find("NATURE_TERRORISM_IN_PROGRESS").expect("the attack is in the queue");
    assert!(queue.find("\"nature\"").unwrap() + 12 >= first - 1, "and at its head:\n{queue}");

    // Whoever sees a page says so, by the key that the case shows.
    let seen: serde_json::Value = serde_json::from_str(&queue).unwrap();
    let case = &seen["cases"][0];
    let (name, key) = (&case["name"], &case["pages"][0]["page"]["key"]);
    let acknowledge = line("AcknowledgePage")
        .replace("CASE", name.as_str().unwrap())
        .replace("KEY", key.as_str().unwrap());
    let said: serde_json::Value = serde_json::from_str(&shell(&service, &acknowledge)).unwrap();
    assert_eq!(&said["case"]["acknowledgement"]["key"], key);
    assert!(said["case"]["pages"][0]["acknowledgedAt"].is_string());

    // Nobody answers: the ladder pages.
    let paged = async {
        while let Some(line) = told.next_line().await.unwrap() {
            if line.contains("/first-response/0/3000") {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(Duration::from_secs(20), paged).await.expect("the rung at 3 s pages");

    // The rest of the tour, in its order: one case, from the claim to its end.
    let begun = lines.iter().position(|line| line.contains("DeskService/ClaimNext")).unwrap();
    let worked = lines[begun..].iter().filter(|line| line.contains("\"requestId\""));
    let (mut name, mut epoch) = (String::new(), 1);
    let mut states = Vec::new();
    for line in worked {
        let line = line.replace("CASE", &name).replace("EPOCH", &epoch.to_string());
        let said: serde_json::Value = serde_json::from_str(&shell(&service, &line)).unwrap();
        let case = &said["case"];
        name = case["name"].as_str().unwrap().to_owned();
        if let Some(held) = case["claim"]["epoch"].as_str() {
            epoch = held.parse().unwrap();
        }
        states.push(case["state"].as_str().unwrap().trim_start_matches("CASE_STATE_").to_owned());
    }
    assert_eq!(
        states,
        [
            "RECEIVED",
            "COLLECTING",
            "COLLECTING",
            "COLLECTING",
            "RELEASE_PENDING",
            "DELIVERED",
            "CLOSED"
        ]
    );
    let get = line("IntakeService/Get").replace("CASE", &name);
    let got: serde_json::Value = serde_json::from_str(&shell(&service, &get)).unwrap();
    assert_eq!(got["case"]["nature"], "NATURE_TERRORISM_IN_PROGRESS");
    assert_eq!(got["case"]["firstResponse"]["kind"], "FIRST_RESPONSE_KIND_IN_PROGRESS");
    assert_eq!(got["case"]["ended"]["outcome"], "OUTCOME_DISCLOSED_PARTIAL");
    let seen = service.metric("urgence_first_response_seconds_count{band=\"0\"}").await;
    assert_eq!(seen, 1.0, "the first response is on /metrics");
    assert_eq!(service.metric("urgence_disclosures_total").await, 1.0);

    // Every other line of the README works too.
    let done = ["Submit", "DeskService/", "IntakeService/Get", "\"requestId\""];
    for line in lines.iter().filter(|line| !done.iter().any(|word| line.contains(word))) {
        assert!(!shell(&service, line).is_empty(), "{line}");
    }
    watching.kill().await.unwrap();
}

/// The lines for a shell in the README's section of this title.
fn section_lines(title: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split(&format!("\n## {title}\n")).nth(1).expect("it has the section");
    let blocks = section.split("\n## ").next().unwrap().split("```sh\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    lines.map(str::to_owned).collect()
}

/// The repository as its reader has it, with room for what the lines of the README make.
fn checkout() -> Directory {
    let directory = Directory::new();
    let at = |name: &str| Path::new(directory.path()).join(name);
    for (link, to) in [
        ("deploy", root().join("deploy")),
        (".tools/bin/grpcurl", tool("grpcurl")),
        ("target/release/urgence", PathBuf::from(env!("CARGO_BIN_EXE_urgence"))),
    ] {
        std::fs::create_dir_all(at(link).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(to, at(link)).unwrap();
    }
    directory
}

/// Runs a script in a checkout; what it printed, or what it said when it failed.
fn script(checkout: &Directory, text: &str) -> Result<String, String> {
    let mut shell = Command::new("bash");
    let output = shell.args(["-euo", "pipefail", "-c", text]).current_dir(checkout.path()).output();
    let output = output.unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(said(output.stdout)) } else { Err(said(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_with_certificates_is_true_line_by_line() {
    let (redis, checkout) = (TestRedis::start(), checkout());
    let lines = section_lines("With certificates");
    let line = |word: &str| lines.iter().find(|line| line.contains(word)).expect("it has the line");
    script(&checkout, line("dev-certs")).unwrap();
    let path = |name: &str| format!("{}/{name}", checkout.path());
    let words = line(" serve ").split(' ').skip(2);
    let mut settings: Vec<String> = words
        .map(|word| if word.starts_with("--") { word.to_owned() } else { path(word) })
        .collect();
    settings.extend(["--audit-dir".to_owned(), path("trial/audit")]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let service = Service::on(&redis, &settings);
    let (word, address) = (line("as() {"), format!("localhost:{}", service.grpc.port()));
    let (mut name, mut epoch) = (String::new(), 0);
    let run = |line: &str, name: &str, epoch: u64| {
        let line = line.replace("localhost:50051", &address).replace("CASE", name);
        script(&checkout, &format!("{word}\n{}", line.replace("EPOCH", &epoch.to_string())))
    };

    let mut states = Vec::new();
    let begins = |line: &&String| line.starts_with("as ") || line.starts_with("target/release/");
    let worked = lines
        .iter()
        .filter(begins)
        .filter(|line| !line.contains("dev-certs") && !line.contains(" serve "));
    for line in worked {
        if line.contains("as portal") && line.contains("DeskService/") {
            assert!(run(line, &name, epoch).unwrap_err().contains("ROLE_MISSING"), "{line}");
            continue;
        }
        if line.contains("GetReceiptProof") {
            // Instead of a minute in which nothing happens: so much that the log is signed.
            let look = lines.iter().find(|line| line.contains("ListDisclosures")).unwrap();
            run(&format!("for i in {{1..64}}; do {look} > /dev/null; done"), "", 0).unwrap();
            let signed = async || {
                service.metric("urgence_audit_log_signed_entries{desk=\"main\"}").await >= 64.0
            };
            eventually("the log is signed", Duration::from_secs(60), signed).await;
        }
        let said = run(line, &name, epoch).unwrap_or_else(|error| panic!("{line}\n{error}"));
        if line.contains("GetReceiptProof") {
            // What jq does for the reader.
            let proved = std::fs::read_to_string(path("trial/proved.json")).unwrap();
            let proved: serde_json::Value = serde_json::from_str(&proved).unwrap();
            for part in ["receipt", "firstResponseRecord", "entry", "proof"] {
                checkout.file(&format!("trial/{part}"), proved[part].as_str().unwrap());
            }
            continue;
        }
        assert!(!said.is_empty(), "{line}");
        let told: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        if let Some(found) = told["case"]["name"].as_str() {
            name = found.to_owned();
            states.push(told["case"]["state"].as_str().unwrap().to_owned());
        }
        if let Some(held) = told["case"]["claim"]["epoch"].as_str() {
            epoch = held.parse().unwrap();
        }
        if line.contains("SuspendAuthority") {
            assert_eq!(told["standing"]["isSuspended"], true);
            assert_eq!(told["disclosures"][0]["disclosure"]["approvedBy"], "bo");
        }
        if line.contains("receipt verify") {
            assert!(said.contains("was accepted as the receipt of"), "{said}");
            assert!(said.contains("first answered after"), "{said}");
        }
        if line.contains("audit verify") {
            assert!(said.contains("are as they were signed"), "{said}");
        }
    }
    let states: Vec<&str> = states.iter().map(|state| &state["CASE_STATE_".len()..]).collect();
    let wanted =
        "RECEIVED RECEIVED COLLECTING COLLECTING COLLECTING RELEASE_PENDING DELIVERED CLOSED";
    assert_eq!(states.join(" "), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_sees_the_manual_and_decoded_errors() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let address = service.grpc.to_string();
    let grpcurl = |arguments: &[&str]| {
        run(Command::new(tool("grpcurl")).arg("-plaintext").args(arguments), "{}")
    };
    let listed = grpcurl(&[&address, "list"]);
    let services = String::from_utf8(listed.stdout).unwrap();
    for service in [
        "urgence.v1.IntakeService",
        "urgence.v1.DeskService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ] {
        assert!(services.contains(service), "{services}");
    }
    let mut older = ServerReflectionClient::new(service.channel().await);
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = older.server_reflection_info(tokio_stream::iter([ask])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap();
    assert!(format!("{answer:?}").contains("urgence.v1.DeskService"), "v1alpha answers too");
    let described = grpcurl(&[&address, "describe", "urgence.v1.SubmitRequest"]);
    assert!(String::from_utf8(described.stdout).unwrap().contains("128 visible ASCII characters"));
    let refused = grpcurl(&["-d", "@", &address, "urgence.v1.IntakeService/Submit"]);
    assert_eq!(refused.status.code(), Some(64 + 3), "64 and the code INVALID_ARGUMENT");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("\"reason\": \"INVALID_FIELDS\""), "{said}");
    assert!(said.contains("request.requester.authority"), "{said}");
    let health = grpcurl(&[&address, "grpc.health.v1.Health/Check"]);
    assert!(String::from_utf8(health.stdout).unwrap().contains("SERVING"));
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let (_, metrics) = service.http("/metrics").await;
    let checked = run(Command::new(tool("promtool")).args(["check", "metrics"]), &metrics);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && said.is_empty(), "{said}");
}

#[test]
fn buf_finds_nothing_to_lint() {
    let directory = Directory::new();
    let mut buf = Command::new(tool("buf"));
    let linted = run(buf.arg("lint").env("HOME", directory.path()), "");
    assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stdout));
}

#[tokio::test]
async fn every_example_is_a_whole_submit_message() {
    let redis = TestRedis::start();
    let service = Service::on(&redis, &[]);
    let examples = root().join("deploy/examples");
    let mut count = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let text = std::fs::read_to_string(example.unwrap().path()).unwrap();
        let address = service.grpc.to_string();
        let arguments = ["-plaintext", "-d", "@", &address, "urgence.v1.IntakeService/Submit"];
        let output = run(Command::new(tool("grpcurl")).args(arguments), &text);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Unicode comes back as it was sent.
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let name = said["case"]["name"].as_str().unwrap();
        let get = format!("{{\"name\": \"{name}\"}}");
        let arguments = ["-plaintext", "-d", "@", &address, "urgence.v1.DeskService/Get"];
        let output = run(Command::new(tool("grpcurl")).args(arguments), &get);
        let got: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let sent: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(got["request"], sent["request"], "{name}");
        count += 1;
    }
    assert_eq!(count, 6);
}

//! `urgence dev-certs`, as one who tries things uses it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::authority::Held;
use crate::client::Client;
use crate::service::{Directory, Service};
use crate::stage::is_answered;
use crate::support::redis::TestRedis;

const NAMES: [&str; 8] = ["ca", "server", "portal", "ana", "bo", "lea", "sam", "uma"];

fn dev_certs(path: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_urgence")).args(["dev-certs", path]).output().unwrap()
}

#[tokio::test]
async fn what_it_makes_serves_and_is_let_in() {
    let (redis, directory) = (TestRedis::start(), Directory::new());
    let path = |name: &str| format!("{}/certs/{name}", directory.path());
    let made = dev_certs(&path(""));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let told = String::from_utf8(made.stdout).unwrap();
    assert!(told.contains("NEVER for production"), "{told}");
    for name in NAMES {
        assert!(told.contains(&format!("{name}.pem, {name}.key")), "{name}");
        let key = std::fs::metadata(path(&format!("{name}.key"))).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::read_dir(path("")).unwrap().count(), NAMES.len() * 2);

    let (certificate, key, authority) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key, "--tls-client-ca", &authority];
    let service = Service::on(&redis, &tls);
    let read = |name: String| std::fs::read_to_string(path(&name)).unwrap();
    let authority = read("ca.pem".to_owned());
    for name in &NAMES[2..] {
        let held =
            Held { certificate: read(format!("{name}.pem")), key: read(format!("{name}.key")) };
        let client = Client::new(&authority, Some(&held), "h2");
        assert!(is_answered(&client, service.grpc).await, "{name}");
    }
    // The server's own is nobody's identity.
    let held = Held { certificate: read("server.pem".to_owned()), key: read("server.key".into()) };
    assert!(!is_answered(&Client::new(&authority, Some(&held), "h2"), service.grpc).await);
}

#[test]
fn it_overwrites_nothing() {
    let directory = Directory::new();
    directory.file("bo.key", "mine");
    let refused = dev_certs(directory.path());
    assert_eq!(refused.status.code(), Some(64));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("bo.key") && said.contains("overwritten"), "{said}");
    assert_eq!(std::fs::read_to_string(directory.0.join("bo.key")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 1, "nothing else was made");
}

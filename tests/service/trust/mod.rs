//! The real program behind mutual TLS: who may do what, to whose cases, and for how long.

mod listed;
mod matrix;
mod moved;
mod suspended;
mod watched;

use std::process::Command;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use urgence::grpc::wire::desk_service_client::DeskServiceClient;
use urgence::grpc::wire::intake_service_client::IntakeServiceClient;
use urgence::grpc::wire::oversight_service_client::OversightServiceClient;

use crate::authority::{ANA, Authority, BO, Held, Wish};
use crate::calls::policy;
use crate::service::{Directory, Service};
use crate::support::redis::{Options, TestRedis};

const PORTAL_FR: &str = "spiffe://urgence.test/portal/fr-pnij";
const PORTAL_DE: &str = "spiffe://urgence.test/portal/de-bka";
const LEA: &str = "spiffe://urgence.test/people/lea";
const SAM: &str = "spiffe://urgence.test/people/sam";
const UMA: &str = "spiffe://urgence.test/people/uma";
/// Certified, and in no registry.
const STRANGER: &str = "spiffe://urgence.test/people/nobody";

/// A service with certificates, on a Redis of its own.
struct Trusted {
    authority: Authority,
    redis: TestRedis,
    directory: Directory,
    service: Service,
}

impl Trusted {
    fn open() -> Self {
        Self::with_registry(include_str!("../../../deploy/authorities.toml"))
    }

    fn with_registry(registry: &str) -> Self {
        Self::with_files(&[("authorities.toml", registry), ("policy.toml", &policy(""))])
    }

    /// With these files; one of several desks goes before those of one.
    fn with_files(files: &[(&str, &str)]) -> Self {
        let authority = Authority::new("the authority");
        let directory = Directory::new();
        let server = authority.certify(&Wish::server());
        directory.file("server.pem", &server.certificate);
        directory.file("server.key", &server.key);
        directory.file("ca.pem", &authority.certificate());
        directory.file("revoked.pem", &authority.revokes(&[], 3_600));
        files.iter().for_each(|(name, text)| _ = directory.file(name, text));
        directory.file("kek.hex", &"5a".repeat(32));
        directory.file("fingerprint.key", &"f".repeat(32));
        let keys = ["data-keys.json", "kek.hex"].map(|name| format!("{}/{name}", directory.path()));
        let made = Command::new(env!("CARGO_BIN_EXE_urgence"))
            .args(["keys", "rotate", "--data-keys", &keys[0], "--key-encryption-key", &keys[1]])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let redis = TestRedis::start_with(Options::default().on_tmpfs());
        let service = serve(&redis, &directory, "one");
        Self { authority, redis, directory, service }
    }

    /// Another replica, with the same files but a directory of its own.
    fn replica(&self) -> Service {
        serve(&self.redis, &self.directory, "two")
    }

    fn certify(&self, identity: &'static str) -> Held {
        self.authority.certify(&Wish::client(identity))
    }

    /// A connection of the holder of a new certificate with this identity.
    async fn caller(&self, identity: &'static str) -> Channel {
        self.connect(&self.service, &self.certify(identity)).await.unwrap()
    }

    async fn connect(&self, to: &Service, held: &Held) -> Result<Channel, tonic::transport::Error> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.authority.certificate()))
            .identity(Identity::from_pem(&held.certificate, &held.key))
            .domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://{}", to.grpc)).unwrap();
        endpoint.tls_config(tls).unwrap().connect().await
    }

    async fn portal(&self, identity: &'static str) -> IntakeServiceClient<Channel> {
        IntakeServiceClient::new(self.caller(identity).await)
    }

    async fn desk(&self, identity: &'static str) -> DeskServiceClient<Channel> {
        DeskServiceClient::new(self.caller(identity).await)
    }

    async fn oversight(&self, identity: &'static str) -> OversightServiceClient<Channel> {
        OversightServiceClient::new(self.caller(identity).await)
    }

    /// Puts another registry in force.
    fn registry(&self, text: &str) {
        self.directory.file("authorities.toml", text);
        hang_up(&self.service);
    }

    /// Revokes the certificates with these serial numbers.
    fn revoke(&self, serials: &[u64]) {
        self.directory.file("revoked.pem", &self.authority.revokes(serials, 3_600));
        hang_up(&self.service);
    }
}

fn hang_up(service: &Service) {
    let status = Command::new("kill").args(["-HUP", &service.pid().to_string()]).status();
    assert!(status.unwrap().success());
}

fn serve(redis: &TestRedis, directory: &Directory, own: &str) -> Service {
    let file = |name: &str| format!("{}/{name}", directory.path());
    // Replicas share the keys that content is sealed with, and that fingerprints are made with.
    let arguments = vec![
        ("--tls-certificate", file("server.pem")),
        ("--tls-key", file("server.key")),
        ("--tls-client-ca", file("ca.pem")),
        ("--tls-crl", file("revoked.pem")),
        ("--data-dir", file(own)),
        ("--fingerprint-key", file("fingerprint.key")),
        ("--data-keys", file("data-keys.json")),
        ("--key-encryption-key", file("kek.hex")),
    ];
    let of_desks = if directory.0.join("desks.toml").exists() {
        vec![("--desks", file("desks.toml"))]
    } else {
        vec![("--authorities", file("authorities.toml")), ("--policy", file("policy.toml"))]
    };
    let arguments = [arguments, of_desks].concat();
    let arguments: Vec<&str> =
        arguments.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
    Service::on(redis, &arguments)
}

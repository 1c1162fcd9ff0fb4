//! A port with its doorkeeper and a small gRPC server behind it, in this process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use urgence::telemetry::metrics::Port;
use urgence::transport::{Connection, Door, Limits, Peer, Tls, TlsFiles};

use crate::authority::{ANA, Authority, Held, Wish};
use crate::client::Client;
use crate::service::Directory;

/// Above anything that a busy machine delays.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stage {
    pub directory: Directory,
    pub authority: Authority,
    pub files: TlsFiles,
    pub tls: Arc<Tls>,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<Result<(), tonic::transport::Error>>,
    /// Everybody who was let in.
    pub peers: Arc<Mutex<Vec<Arc<Peer>>>>,
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(Limits::default(), false).await
    }

    /// With a revocation list, which revokes nobody yet, if so wished.
    pub async fn with(limits: Limits, has_list: bool) -> Self {
        let directory = Directory::new();
        let authority = Authority::new("root");
        let server = authority.certify(&Wish::server());
        directory.file("server.pem", &server.certificate);
        directory.file("server.key", &server.key);
        directory.file("ca.pem", &authority.certificate());
        let mut crls = Vec::new();
        if has_list {
            crls.push(directory.file("crl.pem", &authority.revokes(&[], 3_600)).into());
        }
        let path = |name: &str| directory.0.join(name);
        let files = TlsFiles {
            certificate: path("server.pem"),
            key: path("server.key"),
            client_ca: path("ca.pem"),
            crls,
        };
        let tls = Tls::load(files.clone()).unwrap();
        let (address, stop) = (listen().await, CancellationToken::new());
        let (listener, address) = address;
        let peers = Arc::new(Mutex::new(Vec::new()));
        let served = serve(listener, Some(Arc::clone(&tls)), limits, &stop, &peers);
        Self { directory, authority, files, tls, address, stop, served, peers }
    }

    /// One who holds a certificate of the authority.
    pub fn client(&self, wish: &Wish) -> Client {
        self.holder(&self.authority.certify(wish))
    }

    pub fn holder(&self, held: &Held) -> Client {
        Client::new(&self.authority.certificate(), Some(held), "h2")
    }

    pub fn ana(&self) -> Client {
        self.client(&Wish::client(ANA))
    }

    /// Stops; panics where that takes longer than `within`.
    pub async fn stops_within(self, within: Duration) {
        self.stop.cancel();
        let served = tokio::time::timeout(within, self.served).await;
        served.expect("the stop ends in its time").unwrap().unwrap();
    }
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    stop: &CancellationToken,
    peers: &Arc<Mutex<Vec<Arc<Peer>>>>,
) -> JoinHandle<Result<(), tonic::transport::Error>> {
    use tokio_stream::StreamExt as _;
    let incoming = Door { port: Port::Grpc, tls, limits }.open(listener, stop.clone());
    let seen = Arc::clone(peers);
    let incoming = incoming.map(move |connection: std::io::Result<Connection>| {
        connection.inspect(|it| seen.lock().unwrap().extend(it.peer()))
    });
    let (_, health) = tonic_health::server::health_reporter();
    let mut routes = Routes::builder();
    routes.add_service(health);
    let server = Server::builder().add_routes(routes.routes());
    let stop = stop.clone().cancelled_owned();
    tokio::spawn(server.serve_with_incoming_shutdown(incoming, stop))
}

/// Whether one call is answered.
pub async fn is_answered(client: &Client, to: SocketAddr) -> bool {
    let mut health = HealthClient::new(client.channel(to).await);
    health.check(HealthCheckRequest::default()).await.is_ok()
}

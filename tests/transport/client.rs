//! Clients: of TLS alone, where the handshake is what matters, and a bridge by which clients that speak
//! plain HTTP/2 reach a server of TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;

use crate::authority::Held;

/// What a client of HTTP/2 says first: the preface and empty settings.
pub const FIRST_WORDS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// One who trusts `authority` and shows `held`.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    pub tickets: Arc<Tickets>,
    /// From which address of this machine it comes.
    from: IpAddr,
}

/// Whether a ticket was ever sent.
#[derive(Debug, Default)]
pub struct Tickets(AtomicBool);

impl Tickets {
    pub fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

impl Client {
    /// `protocol` is what it speaks over TLS: `h2` or `http/1.1`.
    pub fn new(authority: &str, held: Option<&Held>, protocol: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let building = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match held {
            None => building.with_no_client_auth(),
            Some(held) => {
                let chain = CertificateDer::pem_slice_iter(held.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(held.key.as_bytes()).unwrap();
                building.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
            }
        };
        let tickets = Arc::new(Tickets::default());
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config.resumption = Resumption::store(Arc::clone(&tickets) as _);
        Self { config: Arc::new(config), tickets, from: Ipv4Addr::LOCALHOST.into() }
    }

    pub fn from(mut self, address: [u8; 4]) -> Self {
        self.from = address.into();
        self
    }

    async fn socket(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.from, 0).into())?;
        socket.connect(to).await
    }

    /// Shakes hands; by TLS 1.3 that ends before the server has looked at the certificate.
    pub async fn connect(&self, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let socket = self.socket(to).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }

    /// A connection that the server has answered on, or why it did not.
    pub async fn greeted(&self, to: SocketAddr) -> Result<TlsStream<TcpStream>, String> {
        let mut stream = self.connect(to).await.map_err(|error| error.to_string())?;
        let mut answer = [0; 9];
        // The server may have closed already; what it said stands in what can be read.
        _ = stream.write_all(FIRST_WORDS).await;
        stream.read_exact(&mut answer).await.map_err(|error| error.to_string())?;
        assert_eq!(answer[3], 4, "it begins with its settings");
        let mut settings = vec![0; usize::from(answer[2])];
        stream.read_exact(&mut settings).await.map_err(|error| error.to_string())?;
        Ok(stream)
    }

    /// A channel to a server of TLS.
    pub async fn channel(&self, to: SocketAddr) -> Channel {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let client = self.clone();
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let client = client.clone();
                tokio::spawn(async move {
                    // Where TLS fails, the plain connection ends too, and the caller sees it.
                    if let Ok(mut stream) = client.connect(to).await {
                        _ = copy_bidirectional(&mut plain, &mut stream).await;
                    }
                });
            }
        });
        Channel::from_shared(format!("http://{at}")).unwrap().connect_lazy()
    }
}

/// Whether a peer's connection has ended: it reads until then.
pub async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
}

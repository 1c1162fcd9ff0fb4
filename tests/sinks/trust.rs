//! Whom the sinks are reached through: TLS, by the authorities that the system trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

use super::{CONTACTS, DEMO, Folder};

/// A receiver that speaks TLS as `localhost`, by an authority of its own: its port, and the certificate
/// of that authority.
async fn receiver(folder: &Folder) -> (u16, PathBuf) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 16_384];
            _ = stream.read(&mut request).await;
            _ = stream.write_all(b"HTTP/1.1 202 Said\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    (port, folder.file("authority.pem", &authority.pem()))
}

#[tokio::test]
async fn a_sink_is_believed_by_the_authorities_that_the_system_trusts() {
    let folder = Folder::with_secrets();
    let (port, authority) = receiver(&folder).await;
    let contacts = CONTACTS.replace("SINKS", "[\"alerts\"]");
    let sink =
        format!("[sinks.alerts]\nkind = \"alertmanager\"\nurl = \"https://localhost:{port}\"\n");
    let policy = folder.file("policy.toml", &[DEMO, &contacts, &sink].concat());
    // Another authority, which has signed nothing.
    let other = Folder::with_secrets();
    let (_, stranger) = receiver(&other).await;
    let nobody = folder.path().join("gone.pem");
    for (trusted, code, said) in [
        (authority, 0, "taken"),
        (stranger, 1, "invalid peer certificate"),
        (nobody, 64, "certificates of authorities"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_urgence"))
            .args(["page", "test", "desk", "--policy"])
            .arg(&policy)
            .env("SSL_CERT_FILE", trusted)
            .env_remove("SSL_CERT_DIR")
            .output()
            .await
            .unwrap();
        let text = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

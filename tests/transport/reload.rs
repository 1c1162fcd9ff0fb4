//! Certificates are replaced while it runs, never by bad ones, and those who are connected are looked at
//! again.

use std::time::Duration;

use tokio::time::timeout;

use crate::authority::{ANA, Authority, BO, Wish};
use crate::client::{Client, until_closed};
use crate::stage::{PATIENCE, Stage};
use crate::support::wait::eventually;
use urgence::transport::{Limits, Tls};

#[tokio::test]
async fn a_new_server_certificate_is_shown_without_a_restart() {
    let stage = Stage::new().await;
    let ana = stage.ana();
    let shown = async || {
        let stream = ana.greeted(stage.address).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let before = shown().await;
    assert!(!stage.tls.is_changed());
    let server = stage.authority.certify(&Wish::server());
    stage.directory.file("server.pem", &server.certificate);
    assert!(stage.tls.is_changed());
    // The key is still the old one: somebody is in the middle of replacing both.
    let error = stage.tls.reload().unwrap_err().to_string();
    assert!(error.contains("server.key"), "{error}");
    assert!(!stage.tls.is_changed(), "what is wrong is told once");
    assert_eq!(shown().await, before);
    stage.directory.file("server.key", &server.key);
    assert!(stage.tls.is_changed());
    stage.tls.reload().unwrap();
    assert_ne!(shown().await, before);
}

#[tokio::test]
async fn a_bad_file_never_replaces_a_good_one() {
    const DAY_S: i64 = 86_400;
    let stage = Stage::with(Limits::default(), true).await;
    let authority = &stage.authority;
    let server = |valid_s| authority.certify(&Wish { valid_s, ..Wish::server() }).certificate;
    let leaf = authority.certify(&Wish::client(ANA)).certificate;
    let other = Authority::new("other");
    let good = authority.certificate();
    let damaged = good.replacen("MII", "M!I", 1);
    let cut = good.replace("-----END CERTIFICATE-----", "");
    let forged = Authority::new("root").revokes(&[7], 3_600);
    for (file, text, problem) in [
        ("server.pem", String::new(), "holds no certificate"),
        ("server.pem", "nonsense".to_owned(), "holds no certificate"),
        ("server.pem", server((-DAY_S, -60)), "has expired"),
        ("server.pem", server((60, DAY_S)), "is not valid yet"),
        ("server.key", String::new(), "holds no private key"),
        ("ca.pem", String::new(), "holds no certificate"),
        ("ca.pem", format!("{good}{damaged}"), "holds damaged PEM"),
        ("ca.pem", format!("{good}{cut}"), "holds damaged PEM"),
        ("ca.pem", format!("{good}{leaf}"), "not that of an authority"),
        ("ca.pem", format!("{good}{}", other.certificate()), "revocation list was not given"),
        ("crl.pem", String::new(), "holds no certificate revocation list"),
        ("crl.pem", "nonsense".to_owned(), "holds no certificate revocation list"),
        ("crl.pem", forged, "has not signed"),
        ("crl.pem", other.revokes(&[7], 3_600), "revocation list was not given"),
    ] {
        let path = stage.directory.0.join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text).unwrap();
        let error = stage.tls.reload().unwrap_err().to_string();
        assert!(error.contains(problem), "{file}: {error}");
        assert!(Tls::load(stage.files.clone()).is_err(), "no start with it either");
        stage.ana().greeted(stage.address).await.unwrap();
        std::fs::write(&path, before).unwrap();
    }
    std::fs::remove_file(stage.directory.0.join("ca.pem")).unwrap();
    assert!(stage.tls.is_changed());
    assert!(stage.tls.reload().is_err());
    stage.ana().greeted(stage.address).await.unwrap();
}

#[tokio::test]
async fn who_is_revoked_while_connected_is_told_and_cut_and_nobody_else_is() {
    let stage = Stage::with(Limits::default(), true).await;
    let mut ana = stage.ana().greeted(stage.address).await.unwrap();
    let bo = stage.client(&Wish { serial: 8, ..Wish::client(BO) });
    let mut bo = bo.greeted(stage.address).await.unwrap();
    stage.tls.reload().unwrap();
    let peers = stage.peers.lock().unwrap().clone();
    assert!(peers.iter().all(|peer| !peer.revoked.is_cancelled()));

    stage.directory.file("crl.pem", &stage.authority.revokes(&[8], 3_600));
    stage.tls.reload().unwrap();
    for peer in &peers {
        assert_eq!(peer.revoked.is_cancelled(), peer.identity.uri.as_str() == BO);
    }
    // There is time to say why, and no more.
    let closed = timeout(Duration::from_millis(500), until_closed(&mut bo)).await;
    assert!(closed.is_err(), "watches have a moment to end with a word");
    timeout(PATIENCE, until_closed(&mut bo)).await.expect("it is cut");
    assert!(timeout(Duration::from_millis(500), until_closed(&mut ana)).await.is_err());
}

#[tokio::test]
async fn whose_authority_is_gone_is_cut() {
    let limits = Limits { revoked_grace: Duration::ZERO, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let next = Authority::new("next");
    let heir = stage.holder(&next.certify(&Wish::client(BO)));
    assert!(heir.greeted(stage.address).await.is_err());
    // Both, while certificates are being exchanged.
    let both = format!("{}{}", stage.authority.certificate(), next.certificate());
    stage.directory.file("ca.pem", &both);
    stage.tls.reload().unwrap();
    let mut ana = stage.ana().greeted(stage.address).await.unwrap();
    let mut bo = heir.greeted(stage.address).await.unwrap();
    stage.directory.file("ca.pem", &next.certificate());
    stage.tls.reload().unwrap();
    timeout(PATIENCE, until_closed(&mut ana)).await.expect("it is cut");
    assert!(stage.ana().greeted(stage.address).await.is_err());
    assert!(timeout(Duration::from_millis(300), until_closed(&mut bo)).await.is_err());
}

#[tokio::test]
async fn no_connection_outlives_its_certificate_or_its_authority() {
    let limits = Limits { revoked_grace: Duration::ZERO, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let brief = Authority::valid("brief", (-60, 3));
    let bundle = format!("{}{}", stage.authority.certificate(), brief.certificate());
    stage.directory.file("ca.pem", &bundle);
    stage.tls.reload().unwrap();
    let mut leaving = Vec::new();
    let ends_soon = Wish { valid_s: (-60, 3), ..Wish::client(ANA) };
    leaving.push(stage.client(&ends_soon).greeted(stage.address).await.unwrap());
    let of_brief = stage.holder(&brief.certify(&Wish::client(BO)));
    leaving.push(of_brief.greeted(stage.address).await.unwrap());
    for stream in &mut leaving {
        timeout(PATIENCE, until_closed(stream)).await.expect("it ends with its certificate");
    }
    // An authority that has ended vouches for nobody, though it stands in the bundle.
    eventually("its last second is over", PATIENCE, async || {
        of_brief.greeted(stage.address).await.is_err()
    })
    .await;
    stage.ana().greeted(stage.address).await.unwrap();
    // Nor does one whose end has come keep the file from being read again.
    stage.tls.reload().unwrap();
    let alone = Client::new(&stage.authority.certificate(), None, "h2");
    assert!(alone.greeted(stage.address).await.is_err());
}

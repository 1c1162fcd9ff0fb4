//! Certificates are replaced while it runs, never by bad ones, and those who are connected are looked at
//! again.

use std::time::Duration;

use tokio::time::timeout;

use crate::authority::{ANA, Authority, BO, Held, Wish};
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
    assert!(stage.tls.refresh().is_none());
    let server = stage.authority.certify(&Wish::server());
    stage.directory.file("server.pem", &server.certificate);
    // The key is still the old one: somebody is in the middle of replacing both.
    let error = stage.tls.refresh().unwrap().unwrap_err().to_string();
    assert!(error.contains("server.key"), "{error}");
    assert!(stage.tls.refresh().is_none(), "what is wrong is told once");
    assert_eq!(shown().await, before);
    stage.directory.file("server.key", &server.key);
    stage.tls.refresh().unwrap().unwrap();
    assert_ne!(shown().await, before);
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_taken_once_it_is() {
    let stage = Stage::new().await;
    let server = stage.authority.certify(&Wish { valid_s: (3, 86_400), ..Wish::server() });
    stage.directory.file("server.key", &server.key);
    stage.directory.file("server.pem", &server.certificate);
    let error = stage.tls.refresh().unwrap().unwrap_err().to_string();
    assert!(error.contains("is not valid yet"), "{error}");
    assert!(stage.tls.refresh().is_none(), "what is wrong is told once");
    let is_taken = async || stage.tls.refresh().is_some_and(|taken| taken.is_ok());
    eventually("nobody has to touch the files again", PATIENCE, is_taken).await;
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
    let revokes = |serials: &[u64]| authority.revokes(serials, 3_600);
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
        ("crl.pem", format!("{}{}", revokes(&[]), revokes(&[7])), "a second list of one authority"),
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
    assert!(stage.tls.refresh().unwrap().is_err());
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
    let brief = Authority::valid("brief", (-60, 10));
    let bundle = format!("{}{}", stage.authority.certificate(), brief.certificate());
    stage.directory.file("ca.pem", &bundle);
    stage.tls.reload().unwrap();
    let mut leaving = Vec::new();
    let ends_soon = Wish { valid_s: (-60, 10), ..Wish::client(ANA) };
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

/// An authority below that of the stage, and one who holds a certificate of it.
fn below(stage: &Stage, valid_s: (i64, i64)) -> (Authority, Client) {
    let below = Authority::below(&stage.authority, "below", INTERMEDIATE, valid_s);
    let held = below.certify(&Wish { serial: 8, ..Wish::client(BO) });
    let chain = format!("{}{}", held.certificate, below.certificate());
    let client = stage.holder(&Held { certificate: chain, ..held });
    (below, client)
}

/// The serial number of the authority below.
const INTERMEDIATE: u64 = 77;
const LONG: (i64, i64) = (-86_400, 86_400);

#[tokio::test]
async fn lists_that_lack_somebody_who_is_connected_are_not_taken() {
    let stage = Stage::with(Limits::default(), true).await;
    let (below, bo) = below(&stage, LONG);
    let of_root = stage.authority.revokes(&[], 3_600);
    let lists = |below: &Authority, revoked: &[u64]| {
        stage.directory.file("crl.pem", &format!("{of_root}{}", below.revokes(revoked, 3_600)));
        stage.tls.reload()
    };
    lists(&below, &[]).unwrap();
    bo.greeted(stage.address).await.unwrap();
    let mut connected = bo.greeted(stage.address).await.unwrap();
    let forged = Authority::below(&stage.authority, "below", INTERMEDIATE, LONG);
    let error = lists(&forged, &[]).unwrap_err().to_string();
    assert!(error.contains("crl.pem: lacks the list"), "{error}");
    stage.directory.file("crl.pem", &of_root);
    let error = stage.tls.reload().unwrap_err().to_string();
    assert!(error.contains("crl.pem: lacks the list"), "{error}");
    let revoked = || stage.peers.lock().unwrap().iter().any(|peer| peer.revoked.is_cancelled());
    assert!(!revoked(), "what lacks a list cuts nobody");
    bo.greeted(stage.address).await.unwrap();
    lists(&below, &[8]).unwrap();
    timeout(PATIENCE, until_closed(&mut connected)).await.expect("who is revoked is cut");
    assert!(bo.greeted(stage.address).await.is_err());
}

#[tokio::test]
async fn an_authority_that_is_revoked_vouches_for_nobody_though_it_is_in_the_bundle() {
    let stage = Stage::with(Limits::default(), true).await;
    let (below, bo) = below(&stage, LONG);
    let bundle = format!("{}{}", stage.authority.certificate(), below.certificate());
    stage.directory.file("ca.pem", &bundle);
    let lists = |revoked: &[u64]| {
        let of_root = stage.authority.revokes(revoked, 3_600);
        stage.directory.file("crl.pem", &format!("{of_root}{}", below.revokes(&[], 3_600)));
        stage.tls.reload().unwrap();
    };
    lists(&[]);
    let mut connected = bo.greeted(stage.address).await.unwrap();
    lists(&[INTERMEDIATE]);
    timeout(PATIENCE, until_closed(&mut connected)).await.expect("it is cut");
    // Whoever forges with its key sends whichever chain they like.
    let leaf_alone = stage.holder(&below.certify(&Wish::client(ANA)));
    assert!(leaf_alone.greeted(stage.address).await.is_err());
    assert!(bo.greeted(stage.address).await.is_err());
    stage.ana().greeted(stage.address).await.unwrap();
}

#[tokio::test]
async fn who_is_connected_by_an_authority_that_has_ended_is_cut() {
    let limits = Limits { revoked_grace: Duration::ZERO, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let (_, bo) = below(&stage, (-60, 10));
    let mut connected = bo.greeted(stage.address).await.unwrap();
    eventually("it is noticed that it has ended", PATIENCE, async || {
        stage.tls.verify_connected();
        stage.peers.lock().unwrap().iter().any(|peer| peer.revoked.is_cancelled())
    })
    .await;
    timeout(PATIENCE, until_closed(&mut connected)).await.expect("it is cut");
}

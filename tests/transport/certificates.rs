//! Which certificates are let in.

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};

use crate::authority::{ANA, Authority, BO, Wish};
use crate::client::Client;
use crate::stage::{Stage, is_answered};

#[tokio::test]
async fn a_good_certificate_is_served_and_known_by_its_one_uri() {
    let stage = Stage::new().await;
    assert!(is_answered(&stage.ana(), stage.address).await);
    let peers = stage.peers.lock().unwrap();
    assert_eq!(peers[0].identity.uri.as_str(), ANA);
    assert!(!peers[0].revoked.is_cancelled());
    assert_eq!(peers[0].identity.certificate.to_string().len(), 64);
}

#[tokio::test]
async fn other_names_beside_the_one_uri_do_no_harm() {
    let stage = Stage::new().await;
    let wish = Wish { names: vec!["desk.example"], ..Wish::client(ANA) };
    stage.client(&wish).greeted(stage.address).await.unwrap();
}

#[tokio::test]
async fn each_bad_certificate_is_refused_in_the_handshake() {
    const DAY_S: i64 = 86_400;
    let stage = Stage::new().await;
    let good = || Wish::client(ANA);
    let no_purpose = Wish { purposes: Vec::new(), ..good() };
    let any = vec![ExtendedKeyUsagePurpose::Any];
    for (what, wish, alert) in [
        ("expired", Wish { valid_s: (-DAY_S, -60), ..good() }, "CertificateExpired"),
        ("not yet valid", Wish { valid_s: (60, DAY_S), ..good() }, "CertificateExpired"),
        ("two URIs", Wish { uris: vec![ANA, BO], ..good() }, "CertificateUnknown"),
        ("the same URI twice", Wish { uris: vec![ANA, ANA], ..good() }, "CertificateUnknown"),
        ("no names at all", Wish { uris: vec![], ..good() }, "CertificateUnknown"),
        (
            "a common name only",
            Wish { uris: vec![], common_name: ANA, ..good() },
            "CertificateUnknown",
        ),
        (
            "a DNS name only",
            Wish { uris: vec![], names: vec!["ana.urgence.test"], ..good() },
            "CertificateUnknown",
        ),
        (
            "another kind of URI",
            Wish { uris: vec!["https://urgence.test/people/ana"], ..good() },
            "CertificateUnknown",
        ),
        ("a trust domain alone", Wish { uris: vec!["spiffe://a"], ..good() }, "CertificateUnknown"),
        ("an authority", Wish { is_authority: true, ..good() }, "CertificateUnknown"),
        (
            "one that may sign others",
            Wish { key_usages: vec![KeyUsagePurpose::KeyCertSign], ..good() },
            "CertificateUnknown",
        ),
        ("no purpose", no_purpose, "CertificateUnknown"),
        ("any purpose", Wish { purposes: any, ..good() }, "UnsupportedCertificate"),
        (
            "a server's",
            Wish { purposes: vec![ExtendedKeyUsagePurpose::ServerAuth], ..good() },
            "UnsupportedCertificate",
        ),
    ] {
        let error = stage.client(&wish).greeted(stage.address).await.map(drop).unwrap_err();
        assert!(error.contains(alert), "{what}: {error}");
    }
    // Nobody but a good one was ever let in.
    assert!(stage.peers.lock().unwrap().is_empty());
    stage.ana().greeted(stage.address).await.unwrap();
}

#[tokio::test]
async fn nobody_vouched_for_is_nobody() {
    let stage = Stage::new().await;
    // Even one of the same name.
    let other = Authority::new("root");
    let stranger = stage.holder(&other.certify(&Wish::client(ANA)));
    let error = stranger.greeted(stage.address).await.map(drop).unwrap_err();
    assert!(error.contains("UnknownCA") || error.contains("DecryptError"), "{error}");
    let nobody = Client::new(&stage.authority.certificate(), None, "h2");
    let error = nobody.greeted(stage.address).await.map(drop).unwrap_err();
    assert!(error.contains("CertificateRequired"), "{error}");
}

#[tokio::test]
async fn who_is_revoked_is_refused_by_an_overdue_list_too_and_others_are_not() {
    for due_s in [3_600, -60] {
        let stage = Stage::with(Default::default(), true).await;
        stage.directory.file("crl.pem", &stage.authority.revokes(&[8], due_s));
        stage.tls.reload().unwrap();
        let revoked = stage.client(&Wish { serial: 8, ..Wish::client(BO) });
        let error = revoked.greeted(stage.address).await.map(drop).unwrap_err();
        assert!(error.contains("CertificateRevoked"), "{error}");
        stage.ana().greeted(stage.address).await.unwrap();
    }
}

#[tokio::test]
async fn no_session_ticket_is_ever_sent() {
    let stage = Stage::new().await;
    let client = stage.ana();
    assert!(is_answered(&client, stage.address).await);
    let stream = client.greeted(stage.address).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind();
    assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert!(!client.tickets.any(), "a ticket would carry a certificate on unseen");
}

#[tokio::test]
async fn another_protocol_is_not_spoken() {
    let stage = Stage::new().await;
    let held = stage.authority.certify(&Wish::client(ANA));
    let old = Client::new(&stage.authority.certificate(), Some(&held), "http/1.1");
    let error = old.connect(stage.address).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

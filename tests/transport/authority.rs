//! An authority that certifies whatever a test wishes, also what no authority should.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};

pub const ANA: &str = "spiffe://urgence.test/people/ana";
pub const BO: &str = "spiffe://urgence.test/people/bo";

const DAY_S: i64 = 86_400;

/// So many seconds from now. The type of the result has no name here.
macro_rules! at {
    ($seconds:expr) => {{
        let seconds: i64 = $seconds;
        let now = Duration::from_millis(urgence::clock::wall_now().as_millis());
        date_time_ymd(1970, 1, 1) + now + Duration::from_secs(seconds.max(0).unsigned_abs())
            - Duration::from_secs(seconds.min(0).unsigned_abs())
    }};
}

/// What a certificate is to say. Times are seconds from now.
#[derive(Clone, Debug)]
pub struct Wish {
    pub uris: Vec<&'static str>,
    pub names: Vec<&'static str>,
    pub common_name: &'static str,
    pub is_authority: bool,
    pub key_usages: Vec<KeyUsagePurpose>,
    pub purposes: Vec<ExtendedKeyUsagePurpose>,
    pub valid_s: (i64, i64),
    pub serial: u64,
}

impl Wish {
    /// A good client.
    pub fn client(uri: &'static str) -> Self {
        Self {
            uris: vec![uri],
            names: Vec::new(),
            common_name: "somebody",
            is_authority: false,
            key_usages: vec![KeyUsagePurpose::DigitalSignature],
            purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
            valid_s: (-DAY_S, DAY_S),
            serial: 7,
        }
    }

    /// A good server.
    pub fn server() -> Self {
        Self {
            uris: Vec::new(),
            names: vec!["localhost", "127.0.0.1"],
            purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
            ..Self::client(ANA)
        }
    }

    fn params(&self) -> CertificateParams {
        let names: Vec<String> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let uris = self.uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        params.extended_key_usages = self.purposes.clone();
        params.key_usages = self.key_usages.clone();
        params.not_before = at!(self.valid_s.0);
        params.not_after = at!(self.valid_s.1);
        params.serial_number = Some(SerialNumber::from(self.serial));
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Held {
    pub certificate: String,
    pub key: String,
}

/// Whoever signs.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        Self::valid(name, (-DAY_S, DAY_S))
    }

    pub fn valid(name: &str, valid_s: (i64, i64)) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(Self::params(name, valid_s), key).unwrap() }
    }

    /// One that another vouches for.
    pub fn below(above: &Self, name: &str, serial: u64, valid_s: (i64, i64)) -> Self {
        let mut params = Self::params(name, valid_s);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::signed_by(params, key, &above.issuer).unwrap() }
    }

    fn params(name: &str, valid_s: (i64, i64)) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = at!(valid_s.0);
        params.not_after = at!(valid_s.1);
        params
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    pub fn certify(&self, wish: &Wish) -> Held {
        let key = KeyPair::generate().unwrap();
        let certificate = wish.params().signed_by(&key, &self.issuer).unwrap();
        Held { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Its list of revoked certificates, in PEM; the next one is due in `due_s` seconds.
    pub fn revokes(&self, serials: &[u64], due_s: i64) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: at!(-60),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: at!(-DAY_S),
            next_update: at!(due_s),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

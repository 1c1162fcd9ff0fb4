//! `urgence dev-certs`: certificates for trying things, of an authority whose key lies beside them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use super::EXIT_USAGE;
use crate::clock;

/// Whom the certificates name, and as what.
const CLIENTS: [(&str, &str, &str); 6] = [
    ("portal", "portal/fr-pnij", "a portal of the authority fr-pnij"),
    ("ana", "people/ana", "a responder"),
    ("bo", "people/bo", "a second responder, as a disclosure takes two"),
    ("lea", "people/lea", "a legal reviewer"),
    ("sam", "people/sam", "a supervisor"),
    ("uma", "people/uma", "an auditor"),
];
const TRUST_DOMAIN: &str = "urgence.test";
const SERVER_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
const VALID_FOR: Duration = Duration::from_hours(30 * 24);
/// Other machines' clocks may be behind.
const BEGINS_BEFORE: Duration = Duration::from_mins(5);

/// Where to put them.
#[derive(Args)]
pub(super) struct DevCertsArguments {
    /// The directory, made if missing. Nothing in it is ever overwritten.
    directory: PathBuf,
}

pub(super) fn run(arguments: &DevCertsArguments) -> ExitCode {
    match make(&arguments.directory) {
        Ok(told) => {
            // A reader that has gone away, such as `head`, is no failure of ours.
            _ = io::stdout().write_all(told.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// They could not be made.
#[derive(Debug, thiserror::Error)]
enum DevCertsError {
    #[error("{path}: {source}; nothing is ever overwritten, so choose another directory")]
    Exists { path: String, source: io::Error },
    #[error("write {path}: {source}")]
    Write { path: String, source: io::Error },
    #[error("make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// A file that is to be written.
struct Made {
    name: String,
    text: String,
    mode: u32,
}

fn make(directory: &Path) -> Result<String, DevCertsError> {
    let mut made = Vec::new();
    let mut authority = params()?;
    authority.distinguished_name.push(DnType::CommonName, "urgence trial CA, never trust it");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    keep(&mut made, "ca", authority.pem(), authority.key());

    let mut server = CertificateParams::new(SERVER_NAMES.map(str::to_owned))?;
    dated(&mut server);
    server.distinguished_name.push(DnType::CommonName, "urgence trial server");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(&mut made, "server", server, &authority)?;
    for (name, path, _) in CLIENTS {
        let mut client = params()?;
        client.distinguished_name.push(DnType::CommonName, name);
        let uri = format!("spiffe://{TRUST_DOMAIN}/{path}");
        client.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(&mut made, name, client, &authority)?;
    }
    write(directory, &made)?;
    Ok(told(directory))
}

fn params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    dated(&mut params);
    Ok(params)
}

fn dated(params: &mut CertificateParams) {
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(clock::wall_now().as_millis());
    params.not_before = now - BEGINS_BEFORE;
    params.not_after = now + VALID_FOR;
    params.distinguished_name = rcgen::DistinguishedName::new();
}

fn issue(
    made: &mut Vec<Made>,
    name: &str,
    mut params: CertificateParams,
    authority: &CertifiedIssuer<'_, KeyPair>,
) -> Result<(), rcgen::Error> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    keep(made, name, certificate.pem(), &key);
    Ok(())
}

fn keep(made: &mut Vec<Made>, name: &str, certificate: String, key: &KeyPair) {
    made.push(Made { name: format!("{name}.pem"), text: certificate, mode: 0o644 });
    made.push(Made { name: format!("{name}.key"), text: key.serialize_pem(), mode: 0o600 });
}

/// Writes all, or nothing where one of them is there already.
fn write(directory: &Path, made: &[Made]) -> Result<(), DevCertsError> {
    let shown = |path: &Path| path.display().to_string();
    fs::create_dir_all(directory)
        .map_err(|source| DevCertsError::Write { path: shown(directory), source })?;
    for Made { name, .. } in made {
        let path = directory.join(name);
        if path.symlink_metadata().is_ok() {
            let source = io::ErrorKind::AlreadyExists.into();
            return Err(DevCertsError::Exists { path: shown(&path), source });
        }
    }
    for Made { name, text, mode } in made {
        let path = directory.join(name);
        let write = || {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().map_err(|source| DevCertsError::Write { path: shown(&path), source })?;
    }
    Ok(())
}

fn told(directory: &Path) -> String {
    let shown = directory.display();
    let mut text = format!(
        "Made in {shown}, valid for 30 days. For trying things, NEVER for production: the key of their\n\
         authority lies beside them, and whoever reads it is whoever they like.\n\n"
    );
    let mut line = |name: &str, what: &str| {
        let files = format!("{name}.pem, {name}.key");
        text.extend([format!("  {files:<24} {what}\n")]);
    };
    line("ca", "the authority of all the others");
    line("server", "the server, as localhost, 127.0.0.1 or [::1]");
    for (name, path, what) in CLIENTS {
        line(name, &format!("{what}: spiffe://{TRUST_DOMAIN}/{path}"));
    }
    let lines = format!(
        "\nWhat each may do stands in the registry, not in the certificate. Serve with\n\n  \
         urgence serve --tls-certificate {shown}/server.pem --tls-key {shown}/server.key \\\n    \
         --tls-client-ca {shown}/ca.pem \\\n    \
         --authorities deploy/authorities.toml\n\nand call as one of them with\n\n  \
         grpcurl -cacert {shown}/ca.pem -cert {shown}/ana.pem -key {shown}/ana.key \\\n    \
         localhost:50051 list\n"
    );
    text + &lines
}

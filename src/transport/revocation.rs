//! Revocation lists, checked before they are put in force: one that is damaged, or signed by somebody
//! else, would have every certificate refused, and of two lists of one authority only one would count.
//!
//! With lists given, every certificate of a chain must be covered by one, that of an intermediate
//! authority above all: it is the worst to lose. So each authority in the bundle must have its list, which
//! is checked at load. An authority outside the bundle is known only by those who come with it: lists that
//! say nothing of somebody who is connected do not replace lists that did. A list that is overdue still revokes what it
//! names, and refuses nobody else: that a list was not published in time must not silence every portal.
//! It shows in a metric and in the log instead.

use std::collections::HashSet;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{Oid, asn1_rs::oid};
use x509_parser::parse_x509_crl;
use x509_parser::revocation_list::CertificateRevocationList;

use super::verifier::seconds;

/// What tells parts of an authority's lists apart (RFC 5280, section 5.2.5).
const ISSUING_DISTRIBUTION_POINT: Oid<'static> = oid!(2.5.29.28);

/// The lists of one file, in PEM or one in DER.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(
    content: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, &'static str> {
    const NONE: &str = "holds no certificate revocation list, in PEM or DER";
    let lists: Vec<CertificateRevocationListDer<'static>> =
        if content.trim_ascii_start().starts_with(b"-----BEGIN") {
            let found = CertificateRevocationListDer::pem_slice_iter(content);
            found.collect::<Result<_, _>>().map_err(|_| "holds a damaged PEM section")?
        } else {
            vec![CertificateRevocationListDer::from(content.to_vec())]
        };
    let is_list = |list: &CertificateRevocationListDer<'_>| {
        parse_x509_crl(list).is_ok_and(|(rest, _)| rest.is_empty())
    };
    if lists.is_empty() || !lists.iter().all(is_list) {
        return Err(NONE);
    }
    Ok(lists)
}

/// Checks that no authority has two lists of the same certificates: one alone would be looked at.
///
/// # Errors
/// One has.
pub(super) fn check_single(lists: &[CertificateRevocationListDer<'_>]) -> Result<(), &'static str> {
    let mut seen = HashSet::new();
    for list in lists {
        let Ok((_, list)) = parse_x509_crl(list) else { continue };
        let part = list.extensions().iter().find(|one| one.oid == ISSUING_DISTRIBUTION_POINT);
        if !seen.insert((list.issuer().as_raw().to_vec(), part.map(|part| part.value.to_vec()))) {
            return Err("holds a second list of one authority; give the newer one alone");
        }
    }
    Ok(())
}

/// Whether its issuer's list names `authority`. As an anchor it would be trusted without a look at any list.
pub(super) fn is_revoked(
    authority: &X509Certificate<'_>,
    lists: &[CertificateRevocationListDer<'_>],
) -> bool {
    lists.iter().filter_map(|list| parse_x509_crl(list).ok()).any(|(_, list)| {
        list.issuer().as_raw() == authority.issuer().as_raw()
            && list.iter_revoked_certificates().any(|one| one.serial() == &authority.serial)
    })
}

/// Whether somebody was refused for what the lists lack, rather than for who they are.
pub(super) fn is_of_the_lists(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertRevocationList(_)
            | Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)
    )
}

/// Whether one of `lists` is that of `authority`.
///
/// # Errors
/// A list bears its name and not its signature.
pub(super) fn is_covered(
    authority: &X509Certificate<'_>,
    lists: &[CertificateRevocationListDer<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<bool, &'static str> {
    let mut is_covered = false;
    for list in lists {
        let Ok((_, list)) = parse_x509_crl(list) else { continue };
        if list.issuer().as_raw() != authority.subject().as_raw() {
            continue;
        }
        if !is_signed(authority, &list, algorithms) {
            return Err("holds a list that its authority has not signed");
        }
        is_covered = true;
    }
    Ok(is_covered)
}

fn is_signed(
    authority: &X509Certificate<'_>,
    list: &CertificateRevocationList<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let key = &authority.public_key().subject_public_key.data;
    let (message, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
    algorithms
        .all
        .iter()
        .any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

/// When the first of them is due to be replaced, in seconds since the epoch.
pub(super) fn due_s(lists: &[CertificateRevocationListDer<'_>]) -> Option<u64> {
    let due = |list| Some(seconds(parse_x509_crl(list).ok()?.1.next_update()?));
    lists.iter().filter_map(|list| due(list)).min()
}

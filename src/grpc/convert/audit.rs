//! An entry of the audit log, with what is stored in it in words that a person reads.

use super::words::state;
use super::{Reader, change, name, timestamp};
use crate::audit::ShownEntry;
use crate::core::{Actor, DeskName, Notice, Told, What};
use crate::grpc::wire;
use wire::audit_entry::Told as Wire;

/// The entry, read as far as this version can.
pub(in crate::grpc) fn audit_entry(desk: &DeskName, shown: ShownEntry) -> wire::AuditEntry {
    let told = shown.told();
    let bare = wire::AuditEntry {
        index: shown.entry.index,
        entry: shown.json,
        stored: shown.stored,
        ..wire::AuditEntry::default()
    };
    match told {
        None => bare,
        Some(Told::Change(told)) => wire::AuditEntry {
            actor: told.actor.as_ref().map(actor),
            from: told.from.map(|from| state::write(from).into()).unwrap_or_default(),
            to: told.to.map(|to| state::write(to).into()).unwrap_or_default(),
            told: change(desk, &told, Reader::Desk).map(Wire::Change),
            ..bare
        },
        Some(Told::Notice(told)) => wire::AuditEntry {
            actor: told.by.as_ref().map(actor),
            told: Some(Wire::Notice(notice(desk, &told))),
            ..bare
        },
    }
}

fn actor(actor: &Actor) -> wire::AuditActor {
    let identity = actor.identity.as_ref();
    wire::AuditActor {
        subject: actor.subject.to_string(),
        identity: identity.map(|found| found.uri.to_string()).unwrap_or_default(),
        certificate_sha256: identity.map(|found| found.certificate.to_string()).unwrap_or_default(),
    }
}

fn notice(desk: &DeskName, notice: &Notice) -> wire::AuditNotice {
    let bare = wire::AuditNotice {
        what: notice.what.word().to_owned(),
        at: Some(timestamp(notice.at)),
        ..wire::AuditNotice::default()
    };
    match &notice.what {
        What::Read { case, authority, shown_to } => wire::AuditNotice {
            case: name(desk, *case),
            authority: authority.to_string(),
            detail: shown_to.word().to_owned(),
            ..bare
        },
        What::Refused { method, reason, count } => wire::AuditNotice {
            detail: method.clone(),
            reason: reason.clone(),
            number: *count,
            ..bare
        },
        What::AuthoritySuspended { authority, version, reason } => wire::AuditNotice {
            authority: authority.to_string(),
            reason: reason.word().to_owned(),
            number: *version,
            ..bare
        },
        What::AuthorityReinstated { authority, version } => {
            wire::AuditNotice { authority: authority.to_string(), number: *version, ..bare }
        }
        What::IncidentOpened { incident }
        | What::IncidentTold { incident }
        | What::IncidentClosed { incident } => {
            wire::AuditNotice { subject: incident.to_string(), ..bare }
        }
        What::PolicyReplaced { policy } => {
            wire::AuditNotice { subject: policy.to_string(), ..bare }
        }
        What::RegistryReplaced { registry } => {
            wire::AuditNotice { subject: registry.map(hex).unwrap_or_default(), ..bare }
        }
        What::DisclosuresListed { authority } => wire::AuditNotice {
            authority: authority.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..bare
        },
        What::TransparencyExported => bare,
        What::KeyDestroyed { label } => wire::AuditNotice { subject: label.clone(), ..bare },
    }
}

fn hex(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What is said in a case, as it is kept and as it is shown: to the desk all of it, to the authority
//! what is meant for it.

use prost::Message as _;
use tonic::Status;

use super::convert::{self, Reader};
use super::wire::case_entry::Said as Kind;
use super::{status, wire};
use crate::core::{Act, CaseId};
use crate::desk::{Content, Contents, Desk, Said, Store};

/// What `act` says, ready to be kept.
pub(super) fn entry<S: Store>(desk: &Desk<S>, act: &Act, said: Kind) -> Said {
    let entry = wire::CaseEntry {
        version: 0,
        at: desk.now_estimate().map(convert::timestamp),
        by: act.by.to_string(),
        said: Some(said),
    };
    Said::Message(entry.encode_to_vec().into())
}

/// What was said in a case.
pub(super) struct Opened {
    pub(super) request: Option<wire::EmergencyRequest>,
    pub(super) response: Option<wire::ResponseContent>,
    /// The oldest first.
    pub(super) entries: Vec<wire::CaseEntry>,
}

/// What was said, as the messages that it was said in, as far as `reader` may see it.
pub(super) fn open(id: CaseId, contents: &Contents, reader: Reader) -> Result<Opened, Status> {
    fn read<M: prost::Message + Default>(bytes: Option<&Content>) -> Result<Option<M>, ()> {
        let read = bytes.map(|bytes| M::decode(&**bytes)).transpose();
        read.map_err(|_| ())
    }
    let opened = || {
        let mut entries = Vec::with_capacity(contents.messages.len());
        for (version, bytes) in &contents.messages {
            let entry: Option<wire::CaseEntry> = read(Some(bytes))?;
            let shown = entry.map(|entry| wire::CaseEntry { version: *version, ..entry });
            entries.extend(shown.and_then(|entry| show(entry, reader)));
        }
        let request = read(contents.request.as_ref())?;
        Ok(Opened { request, response: read(contents.response.as_ref())?, entries })
    };
    opened().map_err(|()| status::unreadable_content(id))
}

/// The entry as `reader` may see it.
fn show(entry: wire::CaseEntry, reader: Reader) -> Option<wire::CaseEntry> {
    if reader == Reader::Desk {
        return Some(entry);
    }
    let nobody = wire::CaseEntry { version: 0, by: String::new(), ..entry.clone() };
    match entry.said.as_ref()? {
        Kind::Update(_) | Kind::Questions(_) | Kind::Outcome(_) => Some(nobody),
        Kind::Information(_) | Kind::Withdrawal(_) | Kind::Preservation(_) | Kind::Delivery(_) => {
            Some(wire::CaseEntry { version: 0, ..entry })
        }
        Kind::HandOver(_)
        | Kind::Reclassification(_)
        | Kind::Verification(_)
        | Kind::Conflict(_)
        | Kind::Link(_)
        | Kind::Proposal(_)
        | Kind::Clock(_)
        | Kind::LegalHold(_) => None,
    }
}

/// The proposal that waits: the latest one.
pub(super) fn latest_proposal(entries: &[wire::CaseEntry]) -> Option<&wire::ProposalEntry> {
    entries.iter().rev().find_map(|entry| match &entry.said {
        Some(Kind::Proposal(proposal)) => Some(proposal),
        _ => None,
    })
}

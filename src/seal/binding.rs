//! What a ciphertext is bound to, so that it opens nowhere but where it was put.

use super::{KeyId, Label};
use crate::core::{CaseId, DeskName, IncidentName};

/// The version of the layout that content has; a ciphertext of one does not open as another.
const SCHEMA: &[u8] = b"urgence content 1";

/// Whose content it is.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// What was said in a case.
    Case(CaseId),
    /// What was told of an incident.
    Incident(&'a IncidentName),
}

/// The one place where a ciphertext may stand.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// At which desk.
    pub desk: &'a DeskName,
    /// In which case or incident.
    pub owner: Owner<'a>,
    /// In which field of it.
    pub field: &'a str,
}

impl Binding<'_> {
    /// The associated data: every part with its length in front, so that no two places have the same.
    pub(super) fn associated_data(&self, key: KeyId, label: &Label) -> Vec<u8> {
        let (kind, name) = match self.owner {
            Owner::Case(id) => ("case", id.compact().to_owned()),
            Owner::Incident(name) => ("incident", name.to_string()),
        };
        let label = label.to_string();
        let parts: [&[u8]; 7] = [
            SCHEMA,
            &key.0,
            label.as_bytes(),
            self.desk.as_str().as_bytes(),
            kind.as_bytes(),
            name.as_bytes(),
            self.field.as_bytes(),
        ];
        join(&parts)
    }
}

/// The parts, each with its length in front.
pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

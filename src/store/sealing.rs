//! What is said is sealed before it is written and opened after it was read; Redis sees neither.

use std::sync::Arc;

use super::codec::{self, Kept};
use super::script::Field;
use super::{Commit, Content, IncidentCommit, Said, StoreError, Unreadable};
use crate::core::{Case, DeskName, Timestamp};
use crate::seal::{Binding, KeyRing, Label, Owner, Salt, SealError};
use crate::telemetry::metrics::{self, SealFailure};

/// The field of an incident that holds what was told of it.
pub(super) const FACTS: &str = "facts";
const REQUEST: &str = "request";
const RESPONSE: &str = "response";
const MESSAGE: &str = "said:";

/// Where in a case something that was said is kept.
pub(super) enum SaidIn {
    Request,
    Response,
    /// By the version of the case that it made.
    Message(u64),
}

impl SaidIn {
    /// What the field of this name holds; `None` when it is nothing that was said.
    pub(super) fn field(name: &str) -> Option<Self> {
        match name {
            REQUEST => Some(Self::Request),
            RESPONSE => Some(Self::Response),
            _ => name.strip_prefix(MESSAGE)?.parse().ok().map(Self::Message),
        }
    }
}

/// Seals and opens for one desk.
#[derive(Clone)]
pub(super) struct Sealer {
    pub(super) ring: Arc<KeyRing>,
    pub(super) desk: DeskName,
}

impl Sealer {
    pub(super) fn new(ring: Arc<KeyRing>, desk: DeskName) -> Self {
        Self { ring, desk }
    }

    /// Takes what the transition says out of it, sealed.
    pub(super) async fn seal_said(&self, commit: &mut Commit) -> Result<Option<Field>, StoreError> {
        let said = std::mem::take(&mut commit.said);
        let case = &commit.next.case;
        match seal_with(&self.ring, &self.desk, case, &said) {
            Err(SealError::NoKey(label)) => self.make_key(label, commit.observed_at).await?,
            sealed => return told("commit", sealed),
        }
        told("commit", seal_with(&self.ring, &self.desk, case, &said))
    }

    /// Takes the facts told of an incident out of what is to be written, sealed.
    pub(super) async fn seal_facts(
        &self,
        commit: &mut IncidentCommit,
    ) -> Result<Option<Field>, StoreError> {
        let Some(facts) = commit.facts.take() else { return Ok(None) };
        let owner = Owner::Incident(&commit.incident.name);
        let label = Label::of_incident(&self.desk, &commit.incident);
        self.seal(&label, owner, FACTS, &facts.0, commit.observed_at).await.map(Some)
    }

    /// Seals for one field, with a key made for it if there is none.
    pub(super) async fn seal(
        &self,
        label: &Label,
        owner: Owner<'_>,
        field: &str,
        content: &Content,
        now: Timestamp,
    ) -> Result<Field, StoreError> {
        let seal = || seal(&self.ring, &self.desk, label, owner, field, content);
        match seal() {
            Err(SealError::NoKey(label)) => self.make_key(label, now).await?,
            sealed => return told("commit", sealed),
        }
        told("commit", seal())
    }

    /// The first of a month and class makes the key, or finds the one of another replica.
    async fn make_key(&self, label: Label, now: Timestamp) -> Result<(), StoreError> {
        let wanted = label.to_string();
        self.in_file("commit", move |ring| ring.ensure(&label, now)).await.inspect_err(|error| {
            metrics::seal_failed(SealFailure::Seal);
            tracing::error!(label = wanted, %error, "what was said cannot be sealed");
        })
    }

    /// Does what may have to wait for the file of the keys. What fails is for the caller to count.
    pub(super) async fn in_file<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&KeyRing) -> Result<T, SealError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ring = Arc::clone(&self.ring);
        let done = tokio::task::spawn_blocking(move || work(&ring)).await;
        let stopped = |_| SealError::Cipher("the work has been stopped");
        done.map_err(stopped).flatten().map_err(|error| not_sealed(operation, &error))
    }

    /// What was kept in one field.
    pub(super) async fn open(
        &self,
        operation: &'static str,
        owner: Owner<'_>,
        field: &str,
        bytes: Vec<u8>,
    ) -> Result<Content, StoreError> {
        let unreadable = |source| StoreError::Unreadable { operation, source };
        let sealed = match codec::decode_content(bytes).map_err(unreadable)? {
            Kept::Plain(content) => return Ok(content),
            Kept::Sealed(sealed) => sealed,
        };
        let binding = Binding { desk: &self.desk, owner, field };
        let mut opened = self.ring.unseal(&binding, &sealed);
        if let Err(SealError::UnknownKey(_)) = opened {
            // Another replica may have made it since the file was read.
            let refreshed = self.in_file(operation, KeyRing::refresh).await;
            refreshed.inspect_err(|_| metrics::seal_failed(SealFailure::Open))?;
            opened = self.ring.unseal(&binding, &sealed);
        }
        opened.map_err(|error| {
            metrics::seal_failed(SealFailure::Open);
            unreadable(Unreadable { what: "content", problem: error.to_string() })
        })
    }
}

/// What is kept in the events stream beside what is told.
pub(super) fn salt(operation: &'static str) -> Result<Salt, StoreError> {
    Salt::random().map_err(|error| not_sealed(operation, &error))
}

/// What is said in a case, sealed. The very act that purges a case may say something; that is not kept.
pub(super) fn seal_with(
    ring: &KeyRing,
    desk: &DeskName,
    case: &Case,
    said: &Said,
) -> Result<Option<Field>, SealError> {
    let (field, content) = match said {
        _ if case.purged_at.is_some() => return Ok(None),
        Said::Nothing => return Ok(None),
        Said::Request(content) => (REQUEST.to_owned(), content),
        Said::Response(content) => (RESPONSE.to_owned(), content),
        Said::Message(content) => (format!("{MESSAGE}{}", case.version), content),
    };
    seal(ring, desk, &Label::of_case(desk, case), Owner::Case(case.id), &field, content).map(Some)
}

fn seal(
    ring: &KeyRing,
    desk: &DeskName,
    label: &Label,
    owner: Owner<'_>,
    field: &str,
    content: &Content,
) -> Result<Field, SealError> {
    let sealed = ring.seal(label, &Binding { desk, owner, field }, content)?;
    Ok(Field { name: field.to_owned(), bytes: codec::encode_sealed(&sealed.bytes) })
}

fn told<T>(operation: &'static str, sealed: Result<T, SealError>) -> Result<T, StoreError> {
    sealed.map_err(|error| {
        metrics::seal_failed(SealFailure::Seal);
        not_sealed(operation, &error)
    })
}

/// What the caller of a store is told of it.
pub(super) fn not_sealed(operation: &'static str, error: &SealError) -> StoreError {
    StoreError::NotSealed { operation, problem: error.to_string() }
}

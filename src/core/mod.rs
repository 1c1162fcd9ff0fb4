//! The functional core: a case is a value, and its behaviour is one pure function, [`decide`].
//!
//! No I/O, no async, no clock: `now` is an argument. Every match on the core's own enums is written
//! out, so that a new state, command or kind does not compile until each rule says what it means.

pub mod answer;
pub mod authority;
pub mod caller;
pub mod case;
pub mod case_id;
pub mod clock;
pub mod conflict;
pub mod data;
pub mod decide;
pub mod event;
pub mod identity;
pub mod incident;
pub mod intake;
pub mod ladder;
mod likely_duplicates;
pub mod memory;
pub mod names;
pub mod nature;
pub mod notice;
pub mod outcome;
pub mod page;
pub mod policy;
pub mod projection;
pub mod risk;
pub mod shown;
pub mod standing;
pub mod state;
pub mod synthetic;
pub mod time;
pub mod transparency;
pub mod verification;
mod words;

pub use answer::{FirstResponse, FirstResponseKind, Punctuality, RedirectTarget, RefusalReason};
pub use authority::Authority;
pub use caller::{Authorities, Caller, Role};
pub use case::{Case, Claim, Facts, Promised};
pub use case_id::CaseId;
pub use clock::{Clock, ClockKind, ClockState, Mark, PauseReason};
pub use conflict::{Conflict, Stance};
pub use data::{DataCategory, Instrument, Protection};
pub use decide::{Command, Decision, Deed, Epoch, Next, Refusal, Report, Sorting, decide};
pub use event::{Change, Event, RungRecord, Settlement};
pub use identity::{Actor, CertificateFingerprint, Identity, SpiffeId};
pub use incident::{Incident, Lane};
pub use intake::{Fingerprint, Intake, Violation};
pub use memory::{Act, Memory, RequestDigest};
pub use names::{
    AuthorityId, ContactName, Country, DeskName, IncidentName, KeyId, PhoneId, RequestId, SinkName,
    Subject,
};
pub use nature::{Band, Class, Nature};
pub use notice::{Notice, ShownTo, SuspensionReason, Told, What};
pub use outcome::{
    Disclosure, Disposition, Ended, Ending, Manifest, Outcome, Proposal, Proposed, RetentionClass,
};
pub use page::{Page, PageCause, PageKey, PageRecord, SentPage, SinkAnswer};
pub use policy::{Policy, PolicyId};
pub use risk::Risk;
pub use standing::{AuthorityStanding, Standing};
pub use state::State;
pub use time::Timestamp;
pub use verification::{Finding, Verification};
pub(crate) use words::words;

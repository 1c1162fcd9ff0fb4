//! The functional core: a case is a value, and its behaviour is one pure function, [`decide`].
//!
//! No I/O, no async, no clock: `now` is an argument. Every match on the core's own enums is written
//! out, so that a new state, command or kind does not compile until each rule says what it means.

pub mod caller;
pub mod case;
pub mod case_id;
pub mod clock;
pub mod decide;
pub mod event;
pub mod intake;
pub mod ladder;
pub mod memory;
pub mod names;
pub mod nature;
pub mod policy;
pub mod projection;
pub mod time;
mod words;

pub use caller::{Authorities, Caller, Role};
pub use case::{
    Case, Claim, FirstResponse, FirstResponseKind, RedirectTarget, RefusalReason, State,
};
pub use case_id::CaseId;
pub use clock::{Clock, ClockKind, Mark};
pub use decide::{Command, Decision, Next, Refusal, decide};
pub use event::{Change, Event, Page, PageCause, PageKey, RungRecord};
pub use intake::{Intake, Violation};
pub use memory::{Act, Memory, RequestDigest};
pub use names::{AuthorityId, ContactName, DeskName, RequestId, Subject};
pub use nature::{Band, Class, Nature};
pub use policy::{Policy, PolicyId};
pub use time::Timestamp;
pub(crate) use words::words;

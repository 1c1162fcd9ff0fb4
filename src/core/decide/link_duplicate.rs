//! Link duplicate: a person found another case to be about the same matter. Each authority is still
//! verified and answered by itself.

use super::{Refusal, Transition};
use crate::core::case_id::CaseId;
use crate::core::event::Event;
use crate::core::names::{AuthorityId, Subject};

/// Beyond this many links an incident is the better word for it.
const LINKS_MAX: usize = 64;

pub(super) fn apply(
    transition: &mut Transition<'_>,
    by: &Subject,
    case: CaseId,
    authority: &AuthorityId,
) -> Result<(), Refusal> {
    transition.must_be_open()?;
    let linked = &transition.case.linked;
    if case == transition.case.id || linked.contains_key(&case) || linked.len() >= LINKS_MAX {
        return Err(Refusal::NothingToChange);
    }
    let is_same_authority = *authority == transition.case.authority;
    transition.case.linked.insert(case, is_same_authority);
    transition.events.push(Event::DuplicateLinked { by: by.clone(), case });
    Ok(())
}

//! A stored case. Its id and version are the key and a field beside it.

use std::collections::BTreeSet;

use prost::Message as _;

use super::answer::{StoredResponse, decode_response, encode_response};
use super::clock::{StoredClock, decode_clock, encode_clock};
use super::facts::{StoredConflict, StoredFacts, decode_conflict, decode_facts};
use super::facts::{encode_conflict, encode_facts, unknown_facts};
use super::memory::{decode_memory, encode_memory};
use super::outcome::{
    StoredDisclosure, StoredDisposition, StoredEnded, StoredProposal, decode_disclosure,
    decode_disposition, decode_ended, decode_proposal, encode_disclosure, encode_disposition,
    encode_ended, encode_proposal, ended_by,
};
use super::page::{StoredPageRecord, decode_record, encode_record};
use super::{check_format, field, unreadable};
use crate::core::case::Lowering;
use crate::core::{
    Band, Case, CaseId, Claim, Clock, ClockKind, ClockState, FirstResponse, FirstResponseKind,
    Nature, PageRecord, PolicyId, Promised, RequestDigest, Risk, Timestamp, Verification,
};
use crate::store::Unreadable;

/// Format 2 has several clocks; format 1 had the first-response clock alone.
const FORMAT: u32 = 2;
pub(super) const WHAT: &str = "case";

#[derive(Clone, PartialEq, prost::Message)]
struct StoredCase {
    #[prost(uint32, tag = "1")]
    format: u32,
    #[prost(string, tag = "2")]
    authority: String,
    #[prost(string, tag = "3")]
    nature: String,
    #[prost(uint32, tag = "4")]
    band: u32,
    #[prost(bytes, tag = "5")]
    policy: Vec<u8>,
    #[prost(bytes, tag = "6")]
    request_digest: Vec<u8>,
    #[prost(uint64, tag = "7")]
    accepted_ms: u64,
    #[prost(uint64, tag = "8")]
    last_event_ms: u64,
    #[prost(message, repeated, tag = "9")]
    clocks: Vec<StoredClock>,
    #[prost(message, optional, tag = "10")]
    first_response: Option<StoredResponse>,
    #[prost(message, optional, tag = "11")]
    claim: Option<StoredClaim>,
    #[prost(uint64, tag = "12")]
    claim_epoch: u64,
    /// Entries of 32 bytes: key and digest.
    #[prost(bytes, tag = "13")]
    memory: Vec<u8>,
    #[prost(message, optional, tag = "14")]
    facts: Option<StoredFacts>,
    #[prost(uint64, optional, tag = "15")]
    asked_ms: Option<u64>,
    #[prost(uint64, optional, tag = "16")]
    withdrawal_ms: Option<u64>,
    #[prost(string, tag = "17")]
    verification: String,
    #[prost(message, repeated, tag = "18")]
    conflicts: Vec<StoredConflict>,
    #[prost(message, optional, tag = "19")]
    lowering: Option<StoredLowering>,
    #[prost(message, optional, tag = "20")]
    proposal: Option<StoredProposal>,
    #[prost(uint32, tag = "21")]
    proposals: u32,
    #[prost(message, repeated, tag = "22")]
    dispositions: Vec<StoredDisposition>,
    #[prost(message, repeated, tag = "23")]
    disclosures: Vec<StoredDisclosure>,
    #[prost(message, optional, tag = "24")]
    ended: Option<StoredEnded>,
    #[prost(string, repeated, tag = "25")]
    likely_duplicates: Vec<String>,
    #[prost(message, repeated, tag = "26")]
    linked: Vec<StoredLink>,
    #[prost(string, tag = "27")]
    incident: String,
    #[prost(string, tag = "28")]
    legal_hold: String,
    // Tag 29 held the latest acknowledgement, which its page's record holds now.
    #[prost(uint64, optional, tag = "30")]
    purged_ms: Option<u64>,
    #[prost(message, repeated, tag = "31")]
    pages: Vec<StoredPageRecord>,
    #[prost(uint64, tag = "32")]
    promised_target_ms: u64,
    #[prost(uint64, tag = "33")]
    promised_limit_ms: u64,
    #[prost(string, repeated, tag = "34")]
    risks: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredClaim {
    #[prost(string, tag = "1")]
    by: String,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(uint64, tag = "3")]
    granted_ms: u64,
    #[prost(uint64, tag = "4")]
    expires_ms: u64,
    #[prost(bool, tag = "5")]
    has_quieted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredLowering {
    #[prost(string, tag = "1")]
    nature: String,
    #[prost(string, tag = "2")]
    by: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredLink {
    #[prost(string, tag = "1")]
    case: String,
    #[prost(bool, tag = "2")]
    is_same_authority: bool,
}

/// The bytes of a case's state.
#[must_use]
pub fn encode_case(case: &Case) -> Vec<u8> {
    StoredCase {
        format: FORMAT,
        authority: case.authority.to_string(),
        nature: case.nature.word().to_owned(),
        band: case.band.number().into(),
        policy: case.policy.0.to_vec(),
        request_digest: case.request_digest.0.to_vec(),
        accepted_ms: case.accepted_at.as_millis(),
        last_event_ms: case.last_event_at.as_millis(),
        clocks: case.clocks.values().map(encode_clock).collect(),
        first_response: case.first_response.as_ref().map(encode_response),
        claim: case.claim.as_ref().map(encode_claim),
        claim_epoch: case.claim_epoch,
        memory: encode_memory(&case.memory),
        facts: Some(encode_facts(&case.facts)),
        asked_ms: case.asked_at.map(Timestamp::as_millis),
        withdrawal_ms: case.withdrawal_at.map(Timestamp::as_millis),
        verification: case.verification.word().to_owned(),
        conflicts: case.conflicts.iter().map(encode_conflict).collect(),
        lowering: case.lowering.as_ref().map(|lowering| StoredLowering {
            nature: lowering.nature.word().to_owned(),
            by: lowering.by.to_string(),
        }),
        proposal: case.proposal.as_ref().map(encode_proposal),
        proposals: case.proposals,
        dispositions: case.dispositions.iter().map(encode_disposition).collect(),
        disclosures: case.disclosures.iter().map(encode_disclosure).collect(),
        ended: case.ended.as_ref().map(encode_ended),
        likely_duplicates: case.likely_duplicates.iter().map(|id| id.compact().into()).collect(),
        linked: case.linked.iter().map(encode_link).collect(),
        incident: case.incident.as_ref().map(ToString::to_string).unwrap_or_default(),
        legal_hold: case.legal_hold.as_ref().map(ToString::to_string).unwrap_or_default(),
        purged_ms: case.purged_at.map(Timestamp::as_millis),
        pages: case.pages.iter().map(encode_record).collect(),
        promised_target_ms: case.promised.target_at.as_millis(),
        promised_limit_ms: case.promised.limit_at.as_millis(),
        risks: case.risks.iter().map(|risk| risk.word().to_owned()).collect(),
    }
    .encode_to_vec()
}

fn encode_claim(claim: &Claim) -> StoredClaim {
    StoredClaim {
        by: claim.by.to_string(),
        epoch: claim.epoch,
        granted_ms: claim.granted_at.as_millis(),
        expires_ms: claim.expires_at.as_millis(),
        has_quieted: claim.has_quieted,
    }
}

fn encode_link((case, is_same_authority): (&CaseId, &bool)) -> StoredLink {
    StoredLink { case: case.compact().to_owned(), is_same_authority: *is_same_authority }
}

/// Reads a case's state.
///
/// # Errors
/// The bytes are no case, or one of a format that this version does not know.
pub fn decode_case(id: CaseId, version: u64, bytes: &[u8]) -> Result<Case, Unreadable> {
    let stored = StoredCase::decode(bytes).map_err(|_| unreadable(WHAT, "not a message"))?;
    check_format(WHAT, stored.format, FORMAT)?;
    let case = decode(id, version, stored)?;
    let has_clock = case.clocks.contains_key(&ClockKind::FirstResponse);
    field(WHAT, "clocks", has_clock.then_some(case))
}

fn decode(id: CaseId, version: u64, stored: StoredCase) -> Result<Case, Unreadable> {
    let is_old = stored.format == 1;
    let authority = field(WHAT, "authority", stored.authority.parse().ok())?;
    let policy = field(WHAT, "policy", stored.policy.try_into().ok())?;
    let request_digest = field(WHAT, "request_digest", stored.request_digest.try_into().ok())?;
    let nature = field(WHAT, "nature", Nature::from_word(&stored.nature))?;
    let clocks = stored.clocks.iter().map(decode_clock).collect::<Result<Vec<_>, _>>()?;
    let promised = promised([stored.promised_target_ms, stored.promised_limit_ms], &clocks);
    let first_response = stored.first_response.map(decode_response).transpose()?;
    let (clocks, asked_at) = if is_old {
        of_format_1(clocks, nature, first_response.as_ref())
    } else {
        (clocks, stored.asked_ms.map(Timestamp::from_millis))
    };
    let decode_proposal = |stored| decode_proposal(stored, &authority);
    Ok(Case {
        id,
        version,
        nature,
        band: field(WHAT, "band", u8::try_from(stored.band).ok().and_then(Band::new))?,
        facts: match stored.facts {
            Some(facts) => decode_facts(facts)?,
            None if is_old => unknown_facts(),
            None => return Err(unreadable(WHAT, "the field facts is missing")),
        },
        policy: PolicyId(policy),
        request_digest: RequestDigest(request_digest),
        accepted_at: Timestamp::from_millis(stored.accepted_ms),
        promised: field(WHAT, "promised", promised)?,
        last_event_at: Timestamp::from_millis(stored.last_event_ms),
        clocks: clocks.into_iter().map(|clock| (clock.kind, clock)).collect(),
        claim: stored.claim.as_ref().map(decode_claim).transpose()?,
        claim_epoch: stored.claim_epoch,
        asked_at,
        withdrawal_at: stored.withdrawal_ms.map(Timestamp::from_millis),
        verification: match stored.verification.as_str() {
            "" if is_old => Verification::Unverified,
            word => field(WHAT, "verification", Verification::from_word(word))?,
        },
        conflicts: stored.conflicts.iter().map(decode_conflict).collect::<Result<_, _>>()?,
        lowering: stored.lowering.as_ref().map(decode_lowering).transpose()?,
        proposal: stored.proposal.map(decode_proposal).transpose()?,
        proposals: stored.proposals,
        dispositions: stored
            .dispositions
            .iter()
            .map(decode_disposition)
            .collect::<Result<_, _>>()?,
        disclosures: stored.disclosures.iter().map(decode_disclosure).collect::<Result<_, _>>()?,
        ended: match (&stored.ended, &first_response) {
            (Some(ended), _) => Some(decode_ended(ended)?),
            (None, Some(response)) if is_old => ended_by(response),
            (None, _) => None,
        },
        risks: risks(&stored.risks),
        likely_duplicates: ids(&stored.likely_duplicates)?,
        linked: stored.linked.iter().map(decode_link).collect::<Result<_, _>>()?,
        incident: optional("incident", &stored.incident)?,
        legal_hold: optional("legal_hold", &stored.legal_hold)?,
        pages: pages(id, &stored.pages)?,
        purged_at: stored.purged_ms.map(Timestamp::from_millis),
        memory: decode_memory(WHAT, &stored.memory)?,
        first_response,
        authority,
    })
}

/// One that only a later version knows is left out: a flag for people must never keep a case from being
/// woken.
fn risks(words: &[String]) -> BTreeSet<Risk> {
    words.iter().filter_map(|word| Risk::from_word(word)).collect()
}

fn pages(id: CaseId, stored: &[StoredPageRecord]) -> Result<Vec<PageRecord>, Unreadable> {
    stored.iter().map(|record| decode_record(id, record)).collect()
}

/// In format 1 the one clock was that of the case's class, and the answer alone said that it had
/// stopped, and whether the authority owed one.
fn of_format_1(
    mut clocks: Vec<Clock>,
    nature: Nature,
    response: Option<&FirstResponse>,
) -> (Vec<Clock>, Option<Timestamp>) {
    for clock in &mut clocks {
        clock.class = nature.class();
        if let Some(response) = response {
            clock.state = ClockState::Stopped { at: response.at };
        }
    }
    let is_asked = |response: &&FirstResponse| response.kind == FirstResponseKind::NeedInformation;
    (clocks, response.filter(is_asked).map(|response| response.at))
}

/// What was promised at acceptance. Before it was kept, the clock alone said it.
fn promised(promised_ms: [u64; 2], clocks: &[Clock]) -> Option<Promised> {
    if promised_ms[1] > 0 {
        let [target_at, limit_at] = promised_ms.map(Timestamp::from_millis);
        return Some(Promised { target_at, limit_at });
    }
    let clock = clocks.iter().find(|clock| clock.kind == ClockKind::FirstResponse)?;
    Some(Promised { target_at: clock.target_at, limit_at: clock.limit_at })
}

/// A name that may be missing.
fn optional<T: std::str::FromStr>(name: &str, text: &str) -> Result<Option<T>, Unreadable> {
    if text.is_empty() { Ok(None) } else { field(WHAT, name, text.parse().ok()).map(Some) }
}

fn ids<C: FromIterator<CaseId>>(texts: &[String]) -> Result<C, Unreadable> {
    let ids = texts.iter().map(|text| text.parse().ok()).collect::<Option<C>>();
    field(WHAT, "likely_duplicates", ids)
}

fn decode_claim(stored: &StoredClaim) -> Result<Claim, Unreadable> {
    Ok(Claim {
        by: field(WHAT, "claim.by", stored.by.parse().ok())?,
        epoch: stored.epoch,
        granted_at: Timestamp::from_millis(stored.granted_ms),
        expires_at: Timestamp::from_millis(stored.expires_ms),
        has_quieted: stored.has_quieted,
    })
}

fn decode_lowering(stored: &StoredLowering) -> Result<Lowering, Unreadable> {
    Ok(Lowering {
        nature: field(WHAT, "lowering.nature", Nature::from_word(&stored.nature))?,
        by: field(WHAT, "lowering.by", stored.by.parse().ok())?,
    })
}

fn decode_link(stored: &StoredLink) -> Result<(CaseId, bool), Unreadable> {
    let case = field(WHAT, "linked.case", stored.case.parse().ok())?;
    Ok((case, stored.is_same_authority))
}

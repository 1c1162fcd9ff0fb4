//! A page: one notification for one rung, and what has become of it at each sink.
//!
//! The case keeps the record: when the page was due and queued, which sink took it when, who saw it,
//! when somebody claimed the case, and whether what it was about is over. So any replica can go on
//! where another has stopped, and what is still open somewhere is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::case::Case;
use super::case_id::CaseId;
use super::clock::ClockKind;
use super::names::{ContactName, SinkName, Subject};
use super::nature::Band;
use super::time::{Timestamp, millis};
use super::words::words;

/// One notification for one rung. It names no authority, no person and no target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which rung of which case it is for.
    pub key: PageKey,
    /// Whom to tell.
    pub contacts: BTreeSet<ContactName>,
    /// How urgent the case is.
    pub band: Band,
    /// When the rung was due.
    pub due_at: Timestamp,
    /// When the promise is broken.
    pub limit_at: Timestamp,
    /// Why it goes out.
    pub cause: PageCause,
    /// Whether a claim makes it unwanted: nothing it stands for is a target, a limit or later.
    pub is_quieted_by_claim: bool,
}

/// The name of a page: the same however often it is sent, and never that of another rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// Which case.
    pub case: CaseId,
    /// Which of its clocks.
    pub clock: ClockKind,
    /// Which cycle of that clock.
    pub cycle: u32,
    /// The rung's offset.
    pub offset: Duration,
}

impl fmt::Display for PageKey {
    /// `case/clock/cycle/offset`, the offset in milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, clock, cycle, offset } = self;
        write!(f, "{case}/{}/{cycle}/{}", clock.word(), millis(*offset))
    }
}

impl FromStr for PageKey {
    type Err = BadPageKey;

    fn from_str(text: &str) -> Result<Self, BadPageKey> {
        let mut parts = text.split('/');
        let mut read = || {
            let case = parts.next()?.parse().ok()?;
            let clock = ClockKind::from_word(parts.next()?)?;
            let cycle = parts.next()?.parse().ok()?;
            let offset = Duration::from_millis(parts.next()?.parse().ok()?);
            parts.next().is_none().then_some(Self { case, clock, cycle, offset })
        };
        read().ok_or(BadPageKey)
    }
}

/// The text is not the key of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key of a page: case/clock/cycle/offset in milliseconds, as the page gives it")]
pub struct BadPageKey;

words! {
    /// Why a page goes out.
    pub enum PageCause {
        /// Its rung fell due.
        Due = "due",
        /// Several rungs were overdue; this one page stands for all of them.
        CatchUp = "catch_up",
        /// The case fell back to the queue because its claim ran out.
        ClaimLost = "claim_lost",
        /// The case was given back after rungs had kept quiet for its claim.
        ClaimReleased = "claim_released",
        /// Every sink of the rung failed, so the contacts of a later rung are told at once.
        Unreached = "unreached",
    }
}

words! {
    /// What a sink has said of a page for good.
    pub enum SinkAnswer {
        /// It has it.
        Taken = "taken",
        /// It has not, however often it was asked.
        Failed = "failed",
        /// It has not said so in time, however often it was asked, and may have it.
        Unsure = "unsure",
        /// It has closed it.
        Resolved = "resolved",
    }
}

/// What has become of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRecord {
    /// The page, as it was sent last.
    pub page: Page,
    /// When it was first committed or, where the store could not be reached, sent.
    pub queued_at: Timestamp,
    /// What each sink has said, and when.
    pub answers: BTreeMap<SinkName, (SinkAnswer, Timestamp)>,
    /// When the first sink took it.
    pub taken_at: Option<Timestamp>,
    /// Who has seen it.
    pub acknowledged: Option<Acknowledged>,
    /// When somebody claimed the case after it.
    pub claimed_at: Option<Timestamp>,
    /// Since when what it was about is over.
    pub closed_at: Option<Timestamp>,
    /// To how many later rungs' contacts it went because nobody of its own was reached.
    pub widened: u32,
}

/// A person has seen a page. It stops no clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who.
    pub by: Subject,
    /// When.
    pub at: Timestamp,
}

/// A page that a replica has sent while it could not reach the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPage {
    /// The page.
    pub page: Page,
    /// When it was sent.
    pub at: Timestamp,
    /// The sinks that have it.
    pub taken_by: BTreeSet<SinkName>,
}

impl PageRecord {
    /// How many pages of a case are open at once; of more, newer ones stand for the oldest.
    pub const OPEN_MAX: usize = 32;
    /// How many pages a case remembers.
    pub const KEPT_MAX: usize = 64;

    /// The record of a page that nobody has yet.
    #[must_use]
    pub const fn new(page: Page, queued_at: Timestamp) -> Self {
        Self {
            page,
            queued_at,
            answers: BTreeMap::new(),
            taken_at: None,
            acknowledged: None,
            claimed_at: None,
            closed_at: None,
            widened: 0,
        }
    }

    /// Whether what it is about is not over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Whether this sink has said that it has it, and has not closed it since.
    #[must_use]
    pub fn is_taken_by(&self, sink: &SinkName) -> bool {
        matches!(self.answers.get(sink), Some((SinkAnswer::Taken, _)))
    }

    /// Whether this sink holds it open, or may.
    #[must_use]
    pub fn is_held_by(&self, sink: &SinkName) -> bool {
        matches!(self.answers.get(sink), Some((SinkAnswer::Taken | SinkAnswer::Unsure, _)))
    }

    /// The sinks that hold it open, or may.
    pub fn holders(&self) -> impl Iterator<Item = &SinkName> {
        self.answers.keys().filter(|sink| self.is_held_by(sink))
    }

    /// Whether any sink holds it open.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.holders().next().is_some()
    }

    /// Notes that it was sent to this sink at `at`: what had been closed there before is open again.
    pub(super) fn sent_to(&mut self, sink: &SinkName, at: Timestamp) {
        let is_before = |(answer, closed_at): &(SinkAnswer, Timestamp)| {
            *answer == SinkAnswer::Resolved && *closed_at < at
        };
        if self.answers.get(sink).is_some_and(is_before) {
            self.answers.remove(sink);
        }
    }

    /// Notes what a sink has said; whether that tells anything new. What has been closed there is
    /// not opened again by an older answer, and what it has is not lost by a later failure.
    pub(super) fn answered(&mut self, sink: &SinkName, answer: SinkAnswer, at: Timestamp) -> bool {
        let is_new = match self.answers.get(sink).map(|(answer, _)| *answer) {
            None => true,
            Some(SinkAnswer::Failed) => answer != SinkAnswer::Failed,
            Some(SinkAnswer::Unsure) => matches!(answer, SinkAnswer::Taken | SinkAnswer::Resolved),
            Some(SinkAnswer::Taken) => answer == SinkAnswer::Resolved,
            Some(SinkAnswer::Resolved) => false,
        };
        if is_new {
            self.answers.insert(sink.clone(), (answer, at));
            if answer == SinkAnswer::Taken {
                self.taken_at.get_or_insert(at);
            }
        }
        is_new
    }
}

impl Case {
    /// What has become of the page of this key, as far as it is remembered.
    #[must_use]
    pub fn page(&self, key: PageKey) -> Option<&PageRecord> {
        self.pages.iter().find(|record| record.page.key == key)
    }

    /// Whether people should still be told of this page.
    #[must_use]
    pub fn wants(&self, record: &PageRecord) -> bool {
        record.is_open() && !(self.claim.is_some() && record.page.is_quieted_by_claim)
    }

    /// The latest acknowledgement of a page, and of which: somebody is awake.
    #[must_use]
    pub fn latest_acknowledged(&self) -> Option<(PageKey, &Acknowledged)> {
        let seen = self
            .pages
            .iter()
            .filter_map(|record| Some((record.page.key, record.acknowledged.as_ref()?)));
        seen.max_by_key(|(_, acknowledged)| acknowledged.at)
    }
}

//! Where a case stands: never stored, always read off what has happened.

use super::case::Case;
use super::outcome::Outcome;
use super::verification::Verification;
use super::words::words;

words! {
    /// Where a case stands.
    pub enum State {
        /// Accepted; no person has answered yet.
        Received = "received",
        /// The desk has asked the authority something.
        AwaitingInformation = "awaiting_information",
        /// The request is being verified. Only the authority is shown this, whatever the desk thinks.
        AwaitingVerification = "awaiting_verification",
        /// The desk is collecting the data.
        Collecting = "collecting",
        /// A proposal waits for a second person. Only the desk is shown this.
        ReleasePending = "release_pending",
        /// Ended: data went out; the authority has not confirmed all of it.
        Delivered = "delivered",
        /// Ended: data went out, and the authority has it.
        Closed = "closed",
        /// Ended: there is no such data or account.
        NoData = "no_data",
        /// Ended: refused.
        Rejected = "rejected",
        /// Ended: somebody else must be asked.
        Redirected = "redirected",
        /// Ended: taken back.
        Withdrawn = "withdrawn",
        /// Ended: asked in another case.
        Duplicate = "duplicate",
        /// Ended: the authority did not answer.
        Expired = "expired",
        /// Ended: somebody pretended to be the authority. Only the desk is shown this.
        Fraud = "fraud",
        /// Ended: another entity of the provider took it over.
        Transferred = "transferred",
    }
}

impl Case {
    /// Where the case stands, as the desk sees it.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.ended {
            Some(ended) => self.ended_state(ended.outcome),
            None if self.asked_at.is_some() => State::AwaitingInformation,
            None if self.is_unanswered() => State::Received,
            None if self.proposal.is_some() => State::ReleasePending,
            None => State::Collecting,
        }
    }

    /// Where the case stands, as its authority sees it. What the desk suspects is not in it: until
    /// the call-back, every case that is worked on looks the same.
    #[must_use]
    pub fn state_shown(&self) -> State {
        match self.state() {
            State::Collecting | State::ReleasePending => match self.verification {
                Verification::CallbackConfirmed => State::Collecting,
                Verification::Unverified
                | Verification::ChannelVerified
                | Verification::AgencyVerified
                | Verification::Failed
                | Verification::SuspectedFraud => State::AwaitingVerification,
            },
            State::Fraud => {
                let has_disclosed = !self.disclosures.is_empty();
                self.ended_state(Outcome::FraudConfirmed.shown(has_disclosed))
            }
            other => other,
        }
    }

    fn ended_state(&self, outcome: Outcome) -> State {
        match outcome {
            Outcome::DisclosedFull | Outcome::DisclosedPartial => {
                let is_confirmed =
                    self.disclosures.iter().all(|disclosure| disclosure.confirmed_at.is_some());
                if is_confirmed { State::Closed } else { State::Delivered }
            }
            Outcome::NoDataFound | Outcome::NoSuchAccount => State::NoData,
            Outcome::Rejected => State::Rejected,
            Outcome::Redirected => State::Redirected,
            Outcome::Withdrawn => State::Withdrawn,
            Outcome::Duplicate => State::Duplicate,
            Outcome::ExpiredNoReply => State::Expired,
            Outcome::FraudConfirmed => State::Fraud,
            Outcome::Transferred => State::Transferred,
        }
    }
}

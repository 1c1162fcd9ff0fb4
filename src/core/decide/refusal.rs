//! Why a command cannot be carried out, and what to do instead.

/// Why a command cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// No case has this id.
    #[error("there is no such case")]
    CaseNotFound,
    /// The caller used this request id before, for something else.
    #[error("this request_id was used before with other content; send a new one")]
    RequestIdReused,
    /// Another responder holds the case.
    #[error("another responder holds this case; claim another, or wait until it is released")]
    ClaimedByAnother,
    /// The case has ended.
    #[error("this case has ended; nothing more can be done to it")]
    CaseEnded,
    /// The epoch is not that of the caller's running claim.
    #[error("your claim on this case is over; claim it again and use the new epoch")]
    EpochOver,
    /// The first response was given before.
    #[error(
        "this case already has its first response; use SendUpdate, AskForInformation or ProposeOutcome"
    )]
    AlreadyAnswered,
    /// There is no first response yet.
    #[error("this case has no first response yet; give it with Respond")]
    NotAnswered,
    /// The answer would hand out data without the approval of two people.
    #[error(
        "an answer that discloses data needs an approved outcome; answer IN_PROGRESS to keep the \
         promise while the disclosure is verified"
    )]
    DisclosureNotApproved,
    /// Nobody has called the authority back.
    #[error(
        "no data leaves before the authority was called back on a registered number; record it \
         with RecordVerification"
    )]
    NotVerified,
    /// The authority is suspended.
    #[error(
        "this authority is suspended, so nothing is disclosed to it; give any other answer in time, and \
         ask a supervisor"
    )]
    AuthoritySuspended,
    /// The authority's entry in the registry is not valid now.
    #[error(
        "this authority's entry in the registry is not valid today, so nothing is disclosed to it; give \
         any other answer in time, and have the provider renew the entry"
    )]
    AuthorityNotValid,
    /// The order was issued without validation, and that was not given.
    #[error(
        "the order was issued without prior validation and that was not given in time, so nothing more \
         goes out on it; end the case with another outcome"
    )]
    ValidationFailed,
    /// The authority asked to take the request back, and nobody has found out whether it did.
    #[error(
        "the authority has asked to take this request back; call it back, then ConfirmWithdrawal, or \
         decline it there if the authority did not ask"
    )]
    WithdrawalWaits,
    /// The number that was called is too new in the registry.
    #[error(
        "this number has been in the registry for less than a day, and whoever changed it may be the \
         one who asks; call one that was there before"
    )]
    CallbackNumberTooNew,
    /// The key that data would be sealed to is too new in the registry.
    #[error(
        "this key has been in the registry for less than a day, and whoever changed it may be the one \
         who asks; seal to one that was there before"
    )]
    RecipientKeyTooNew,
    /// The same person may not do both parts.
    #[error("this takes two different people, and you have done the first part")]
    SecondPersonNeeded,
    /// A jurist must be among the two.
    #[error("a legal reviewer must be one of the two people here; ask one to approve it")]
    LegalReviewerNeeded,
    /// A conflict of law stands over a category that would go out.
    #[error("a conflict of law stands over a category that would go out; redirect or refuse it")]
    ConflictStands,
    /// The refusal names a conflict of law that nobody has recorded.
    #[error(
        "no such conflict of law stands; record it with RecordConflict. Of several over one category, \
         lifting names the third country"
    )]
    ConflictNotRecorded,
    /// The category was not asked for.
    #[error("the request does not ask for this category of data")]
    CategoryNotRequested,
    /// The category was decided before.
    #[error("this category of data was decided before; propose the remaining ones")]
    CategoryDecided,
    /// There is no proposal of this number to approve.
    #[error("this is not the proposal that waits now; look at the case again")]
    ProposalReplaced,
    /// The data would be sealed to a key that is not this authority's.
    #[error("the recipient key is not one that the registry holds for this authority")]
    RecipientKeyUnknown,
    /// The number that was called is not this authority's.
    #[error("the number called is not one that the registry holds for this authority")]
    CallbackNumberUnknown,
    /// A duplicate must be of a linked case of the same authority.
    #[error("link the other case first with LinkDuplicate; it must be of the same authority")]
    DuplicateNotLinked,
    /// The case that this one would be a duplicate of was ended as a duplicate itself.
    #[error(
        "the other case was ended as a duplicate itself; answer this one, or name the first of them"
    )]
    OriginalIsDuplicate,
    /// The authority owes no answer.
    #[error("the authority owes no answer to this case; ask it first with AskForInformation")]
    NothingAsked,
    /// No clock of this kind runs.
    #[error("no clock of this kind runs on this case")]
    ClockNotRunning,
    /// No clock of this kind is paused.
    #[error("this clock is not paused")]
    ClockNotPaused,
    /// This clock never pauses.
    #[error("this clock never pauses; only COMPLETION and the e-Evidence clocks can be paused")]
    ClockNotPausable,
    /// The reason for a pause does not hold.
    #[error(
        "this reason does not hold: AWAITING_INFORMATION takes a question that is open, CONFLICT_REVIEW a \
         conflict that stands, and the other two are of e-Evidence orders, \
         NOTIFIED_AUTHORITY_REVIEW not in an emergency"
    )]
    PauseUnfounded,
    /// This clock stops by itself.
    #[error(
        "this clock stops by itself; only EX_POST_VALIDATION, USER_NOTICE, NON_DISCLOSURE and \
         DELIVERY_CONFIRMATION are settled"
    )]
    ClockNotSettled,
    /// The preservation was extended before.
    #[error("the preservation was extended before; that can be done once")]
    AlreadyExtended,
    /// The authority did not ask to take the request back.
    #[error("the authority has not asked to withdraw this request")]
    WithdrawalNotRequested,
    /// There is no such disclosure.
    #[error("no disclosure of this number went out; Get lists them")]
    DisclosureNotFound,
    /// No such page was sent.
    #[error("no page of this key was sent for this case; copy the key from the page")]
    PageNotFound,
    /// It would change nothing.
    #[error("this would change nothing; look at the case again")]
    NothingToChange,
}

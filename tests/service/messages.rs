//! Messages that are valid, each with a request id of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use urgence::grpc::wire;
use urgence::grpc::wire::respond_request::Answer;

use crate::service::{self, urgent};

/// A request id that nobody used before.
pub fn fresh() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("id-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A request for these categories, about a target of its own.
pub fn asking(categories: &[wire::DataCategory]) -> wire::SubmitRequest {
    let mut message = urgent(&fresh());
    let request = message.request.as_mut().unwrap();
    request.targets[0].value.clone_from(&message.request_id);
    let data = request.data.as_mut().unwrap();
    data.categories = categories.iter().map(|category| i32::from(*category)).collect();
    if categories.contains(&wire::DataCategory::Content) {
        let category = wire::DataCategory::Content.into();
        let reason = "It tells where they are.".to_owned();
        data.justifications = vec![wire::Justification { category, reason }];
    }
    message
}

/// The same request of another authority.
pub fn of_authority(
    mut message: wire::SubmitRequest,
    authority: &str,
    country: &str,
) -> wire::SubmitRequest {
    let requester = message.request.as_mut().unwrap().requester.as_mut().unwrap();
    authority.clone_into(&mut requester.authority);
    country.clone_into(&mut requester.country);
    message
}

pub fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// A case and the epoch under which somebody holds it.
#[derive(Clone)]
pub struct Held {
    pub name: String,
    pub epoch: u64,
}

impl Held {
    /// The case without any claim on it.
    pub fn case(&self) -> Named {
        Named(self.name.clone())
    }

    pub fn renew(&self) -> wire::RenewClaimRequest {
        let Self { name, epoch } = self.clone();
        wire::RenewClaimRequest { request_id: fresh(), name, epoch }
    }

    pub fn release(&self) -> wire::ReleaseClaimRequest {
        let Self { name, epoch } = self.clone();
        wire::ReleaseClaimRequest { request_id: fresh(), name, epoch }
    }

    pub fn hand_over(&self, to: &str) -> wire::HandOverRequest {
        let Self { name, epoch } = self.clone();
        let note = "The account is suspended.".to_owned();
        wire::HandOverRequest { request_id: fresh(), name, epoch, to: to.to_owned(), note }
    }

    pub fn respond(&self, answer: Answer) -> wire::RespondRequest {
        let answer = Some(answer);
        let message = "This is our answer.".to_owned();
        wire::RespondRequest { answer, message, ..self.in_progress() }
    }

    pub fn in_progress(&self) -> wire::RespondRequest {
        service::in_progress(&fresh(), &self.name, self.epoch)
    }

    pub fn no_data(&self) -> wire::RespondRequest {
        self.respond(Answer::NoData(wire::NoDataAnswer {}))
    }

    pub fn need_information(&self) -> wire::RespondRequest {
        let questions = vec!["Which account?".to_owned()];
        self.respond(Answer::NeedInformation(wire::NeedInformationAnswer { questions }))
    }

    pub fn update(&self) -> wire::SendUpdateRequest {
        let Self { name, epoch } = self.clone();
        let message = "The data is being collected.".to_owned();
        let expected_within = Some(seconds(600));
        wire::SendUpdateRequest { request_id: fresh(), name, epoch, message, expected_within }
    }

    pub fn ask(&self) -> wire::AskForInformationRequest {
        let Self { name, epoch } = self.clone();
        let (message, questions) = ("One more thing.".to_owned(), vec!["Since when?".to_owned()]);
        wire::AskForInformationRequest { request_id: fresh(), name, epoch, message, questions }
    }

    /// Proposes what becomes of these categories, with one item for each that goes out.
    pub fn propose(&self, dispositions: &[wire::Disposition]) -> wire::ProposeOutcomeRequest {
        let Self { name, epoch } = self.clone();
        let goes_out = |what: &&wire::Disposition| what.kind() == wire::DispositionKind::Disclosed;
        let disclosed = dispositions.iter().filter(goes_out);
        let items: Vec<_> = disclosed.map(|what| item(what.category())).collect();
        let recipient_key_id = "evidence".to_owned();
        let manifest = (!items.is_empty()).then_some(wire::Manifest { items, recipient_key_id });
        let justification = manifest.as_ref().map(|_| "A life is in danger.".to_owned());
        wire::ProposeOutcomeRequest {
            request_id: fresh(),
            name,
            epoch,
            dispositions: dispositions.to_vec(),
            manifest,
            message: "This is what we found.".to_owned(),
            justification: justification.unwrap_or_default(),
            ..Default::default()
        }
    }

    /// Proposes an end for the case as a whole.
    pub fn end(&self, ending: wire::Ending) -> wire::ProposeOutcomeRequest {
        wire::ProposeOutcomeRequest { ending: Some(ending), ..self.propose(&[]) }
    }

    pub fn confirm_withdrawal(&self) -> wire::ConfirmWithdrawalRequest {
        let Self { name, epoch } = self.clone();
        wire::ConfirmWithdrawalRequest { request_id: fresh(), name, epoch, is_declined: false }
    }

    pub fn pause(&self, clock: wire::ClockKind) -> wire::PauseClockRequest {
        let Self { name, epoch } = self.clone();
        wire::PauseClockRequest {
            request_id: fresh(),
            name,
            epoch,
            clock: clock.into(),
            reason: wire::PauseReason::ConflictReview.into(),
            note: "The court looks at it.".to_owned(),
        }
    }

    pub fn resume(&self, clock: wire::ClockKind) -> wire::ResumeClockRequest {
        let Self { name, epoch } = self.clone();
        wire::ResumeClockRequest { request_id: fresh(), name, epoch, clock: clock.into() }
    }
}

/// A case, for what takes no claim.
#[derive(Clone)]
pub struct Named(pub String);

impl Named {
    pub fn reclassify(&self, nature: wire::Nature) -> wire::ReclassifyRequest {
        wire::ReclassifyRequest {
            request_id: fresh(),
            name: self.0.clone(),
            nature: nature.into(),
            protection: 0,
            reason: "They have just called.".to_owned(),
        }
    }

    pub fn verify(&self, finding: wire::Verification) -> wire::RecordVerificationRequest {
        let is_callback = finding == wire::Verification::CallbackConfirmed;
        wire::RecordVerificationRequest {
            request_id: fresh(),
            name: self.0.clone(),
            finding: finding.into(),
            callback_phone_id: if is_callback { "switchboard" } else { "" }.to_owned(),
            note: "We spoke to the officer.".to_owned(),
        }
    }

    /// That the law of another country stands against the category.
    pub fn conflict(&self, category: wire::DataCategory) -> wire::RecordConflictRequest {
        wire::RecordConflictRequest {
            request_id: fresh(),
            name: self.0.clone(),
            category: category.into(),
            stance: wire::ConflictStance::Stands.into(),
            conflict: Some(wire::ConflictOfLaw {
                law_title: "Stored Communications Act".to_owned(),
                provisions: vec!["18 U.S.C. 2702".to_owned()],
                third_country: "US".to_owned(),
                nature_of_conflict: "It forbids to hand over content.".to_owned(),
                ..Default::default()
            }),
            decision: String::new(),
        }
    }

    /// That it does not.
    pub fn lift(&self, category: wire::DataCategory) -> wire::RecordConflictRequest {
        wire::RecordConflictRequest {
            stance: wire::ConflictStance::Lifted.into(),
            conflict: None,
            decision: "The exception for emergencies applies.".to_owned(),
            ..self.conflict(category)
        }
    }

    pub fn link(&self, other: &str) -> wire::LinkDuplicateRequest {
        wire::LinkDuplicateRequest {
            request_id: fresh(),
            name: self.0.clone(),
            other: other.to_owned(),
            reason: "The same child.".to_owned(),
        }
    }

    pub fn approve(&self, proposal: u32) -> wire::ApproveOutcomeRequest {
        wire::ApproveOutcomeRequest { request_id: fresh(), name: self.0.clone(), proposal }
    }

    pub fn settle(&self, clock: wire::ClockKind) -> wire::SettleClockRequest {
        wire::SettleClockRequest {
            request_id: fresh(),
            name: self.0.clone(),
            clock: clock.into(),
            settlement: wire::Settlement::Kept.into(),
            reason: "The letter is out.".to_owned(),
        }
    }

    pub fn acknowledge(&self, key: &str) -> wire::AcknowledgePageRequest {
        let (name, key) = (self.0.clone(), key.to_owned());
        wire::AcknowledgePageRequest { request_id: fresh(), name, key }
    }

    pub fn inform(&self) -> wire::ProvideInformationRequest {
        let message = "It is the second account.".to_owned();
        wire::ProvideInformationRequest { request_id: fresh(), name: self.0.clone(), message }
    }

    pub fn withdraw(&self) -> wire::WithdrawRequest {
        let reason = "The child is home.".to_owned();
        wire::WithdrawRequest { request_id: fresh(), name: self.0.clone(), reason }
    }

    pub fn preserve(&self) -> wire::RequestPreservationRequest {
        let reason = "An order will follow.".to_owned();
        wire::RequestPreservationRequest { request_id: fresh(), name: self.0.clone(), reason }
    }

    pub fn confirm_delivery(&self, disclosure: u32) -> wire::ConfirmDeliveryRequest {
        let (name, note) = (self.0.clone(), "All of it can be read.".to_owned());
        wire::ConfirmDeliveryRequest { request_id: fresh(), name, disclosure, note }
    }

    pub fn legal_hold(&self, is_held: bool) -> wire::SetLegalHoldRequest {
        let (name, reason) = (self.0.clone(), "A court may ask for it.".to_owned());
        wire::SetLegalHoldRequest { request_id: fresh(), name, is_held, reason }
    }
}

pub fn item(category: wire::DataCategory) -> wire::ManifestItem {
    wire::ManifestItem {
        name: "extract.json".to_owned(),
        category: category.into(),
        size_bytes: 1_000,
        sha256: "5A".repeat(32),
    }
}

pub fn disclosed(category: wire::DataCategory) -> wire::Disposition {
    let kind = wire::DispositionKind::Disclosed.into();
    wire::Disposition { category: category.into(), kind, ..Default::default() }
}

pub fn not_held(category: wire::DataCategory) -> wire::Disposition {
    wire::Disposition { kind: wire::DispositionKind::NotHeld.into(), ..disclosed(category) }
}

pub fn refused(category: wire::DataCategory, reason: wire::RefusalReason) -> wire::Disposition {
    let (kind, refusal_reason) = (wire::DispositionKind::Refused.into(), reason.into());
    wire::Disposition { kind, refusal_reason, ..disclosed(category) }
}

pub fn redirected(category: wire::DataCategory, to: wire::RedirectTarget) -> wire::Disposition {
    let (kind, redirect_target) = (wire::DispositionKind::Redirected.into(), to.into());
    wire::Disposition { kind, redirect_target, ..disclosed(category) }
}

pub fn ending(outcome: wire::Outcome) -> wire::Ending {
    wire::Ending { outcome: outcome.into(), ..Default::default() }
}

pub fn rejected(reason: wire::RefusalReason) -> wire::Ending {
    wire::Ending { refusal_reason: reason.into(), ..ending(wire::Outcome::Rejected) }
}

//! A wire request as the core's [`Submission`]: the same fields, nothing judged.

use prost_types::Timestamp as WireTimestamp;

use super::convert::words::{
    data_category, document_kind, imminence, instrument, nature, protection, target_type,
};
use super::wire;
use crate::core::intake::{
    Attestation, Contact, DataScope, Delivery, Document, Emergency, Justification, Moment,
    NonDisclosure, PersonAtRisk, Preservation, Requester, Submission, Target,
};

fn moment(timestamp: &WireTimestamp) -> Moment {
    Moment { seconds: timestamp.seconds, nanos: timestamp.nanos }
}

fn optional_moment(timestamp: Option<&WireTimestamp>) -> Option<Moment> {
    timestamp.map(moment)
}

/// The request as it was sent. A part that is missing is empty, so that its rules speak.
pub(super) fn submission(request_id: &str, request: &wire::EmergencyRequest) -> Submission {
    Submission {
        request_id: request_id.to_owned(),
        requester: request.requester.as_ref().map(requester).unwrap_or_default(),
        emergency: request.emergency.as_ref().map(emergency).unwrap_or_default(),
        targets: request.targets.iter().map(target).collect(),
        data: request.data.as_ref().map(data).unwrap_or_default(),
        delivery: request.delivery.as_ref().map(delivery).unwrap_or_default(),
        legal_basis: request.legal_basis.clone(),
        instrument_reference: request.instrument_reference.clone(),
        incident_reference: request.incident_reference.clone(),
        channel: request.channel.clone(),
        language: request.language.clone(),
        desired_response_at: optional_moment(request.desired_response_at.as_ref()),
        non_disclosure: request.non_disclosure.as_ref().map_or_else(
            NonDisclosure::default,
            |sent| NonDisclosure {
                is_requested: sent.is_requested,
                legal_basis: sent.legal_basis.clone(),
                until: optional_moment(sent.until.as_ref()),
            },
        ),
        preservation: request.preservation.as_ref().map_or_else(Preservation::default, |sent| {
            Preservation {
                is_requested: sent.is_requested,
                until: optional_moment(sent.until.as_ref()),
            }
        }),
        documents: request.documents.iter().map(document).collect(),
        instrument: instrument::read(request.instrument),
        is_without_validation: request.is_without_validation,
    }
}

fn requester(sent: &wire::Requester) -> Requester {
    Requester {
        authority: sent.authority.clone(),
        agency_name: sent.agency_name.clone(),
        unit: sent.unit.clone(),
        country: sent.country.clone(),
        postal_address: sent.postal_address.clone(),
        officer_name: sent.officer_name.clone(),
        rank: sent.rank.clone(),
        badge_number: sent.badge_number.clone(),
        official_email: sent.official_email.clone(),
        desk_phone: sent.desk_phone.clone(),
        desk_phone_extension: sent.desk_phone_extension.clone(),
        callback_phone_id: sent.callback_phone_id.clone(),
        supervisor_name: sent.supervisor_name.clone(),
        supervisor_phone: sent.supervisor_phone.clone(),
        case_number: sent.case_number.clone(),
        attestation: sent.attestation.as_ref().map(|sent| Attestation {
            text_version: sent.text_version.clone(),
            signed_at: optional_moment(sent.signed_at.as_ref()),
            method: sent.method.clone(),
        }),
    }
}

fn emergency(sent: &wire::Emergency) -> Emergency {
    let person_at_risk = sent.person_at_risk.as_ref().map(|sent| PersonAtRisk {
        is_known: sent.is_known,
        name: sent.name.clone(),
        date_of_birth: sent.date_of_birth.clone(),
        relationship: sent.relationship.clone(),
    });
    Emergency {
        nature: nature::read(sent.nature),
        description: sent.description.clone(),
        person_at_risk: person_at_risk.unwrap_or_default(),
        imminence: imminence::read(sent.imminence),
        imminent_at: optional_moment(sent.imminent_at.as_ref()),
        danger_location: sent.danger_location.clone(),
        danger_country: sent.danger_country.clone(),
        why_no_ordinary_process: sent.why_no_ordinary_process.clone(),
        why_data_prevents_harm: sent.why_data_prevents_harm.clone(),
    }
}

fn target(sent: &wire::Target) -> Target {
    Target {
        kind: target_type::read(sent.r#type),
        value: sent.value.clone(),
        platform_url: sent.platform_url.clone(),
        observed_at: sent.observed_at.iter().map(moment).collect(),
        port: sent.port,
        notes: sent.notes.clone(),
        protection: protection::read(sent.protection),
    }
}

fn data(sent: &wire::DataScope) -> DataScope {
    DataScope {
        categories: sent.categories.iter().map(|number| data_category::read(*number)).collect(),
        subtypes: sent.subtypes.clone(),
        from: optional_moment(sent.from.as_ref()),
        to: optional_moment(sent.to.as_ref()),
        specific_items: sent.specific_items.clone(),
        justifications: sent
            .justifications
            .iter()
            .map(|sent| Justification {
                category: data_category::read(sent.category),
                reason: sent.reason.clone(),
            })
            .collect(),
    }
}

fn delivery(sent: &wire::Delivery) -> Delivery {
    Delivery {
        format: sent.format.clone(),
        recipient_key_id: sent.recipient_key_id.clone(),
        destination_id: sent.destination_id.clone(),
    }
}

fn document(sent: &wire::Document) -> Document {
    Document {
        sha256: sent.sha256.clone(),
        media_type: sent.media_type.clone(),
        size_bytes: sent.size_bytes,
        kind: document_kind::read(sent.kind),
    }
}

pub(super) fn contact(sent: &wire::Contact) -> Contact {
    Contact { name: sent.name.clone(), phone: sent.phone.clone(), email: sent.email.clone() }
}

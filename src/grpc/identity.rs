//! Who calls. Until certificates say it, the metadata `urgence-caller` does, and the service listens
//! on loopback only.

use std::collections::BTreeSet;

use tonic::Status;
use tonic::metadata::MetadataMap;

use super::status;
use crate::core::{Authorities, Caller, Role};

const METADATA: &str = "urgence-caller";
/// Who calls when the metadata does not say.
const LOCAL_OPERATOR: &str = "local-operator";

/// The author of a call.
pub(super) fn caller(metadata: &MetadataMap) -> Result<Caller, Status> {
    let mut values = metadata.get_all(METADATA).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Caller {
            subject: LOCAL_OPERATOR.parse().expect("a constant that follows the rule"),
            identity: None,
            roles: Role::ALL.iter().copied().collect(),
            authorities: Authorities::All,
        }),
        (Some(value), None) => value.to_str().ok().and_then(parse).ok_or_else(status::bad_caller),
        // Two authors are none.
        (Some(_), Some(_)) => Err(status::bad_caller()),
    }
}

/// `ana; roles=responder,supervisor; authorities=fr-pnij`. Without roles: none. Without authorities:
/// all of them.
fn parse(text: &str) -> Option<Caller> {
    let mut parts = text.split(';').map(str::trim);
    let subject = parts.next()?.parse().ok()?;
    let mut caller =
        Caller { subject, identity: None, roles: BTreeSet::new(), authorities: Authorities::All };
    for part in parts {
        let (name, list) = part.split_once('=')?;
        let words = list.split(',').map(str::trim);
        match name.trim() {
            "roles" => caller.roles = words.map(Role::from_word).collect::<Option<_>>()?,
            "authorities" => {
                let names = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
                caller.authorities = Authorities::Only(names);
            }
            _ => return None,
        }
    }
    Some(caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_who_the_metadata_says() {
        let caller = parse("ana; roles=responder,supervisor; authorities=fr-pnij").unwrap();
        assert_eq!(caller.subject.as_str(), "ana");
        assert!(caller.has_role(Role::Responder) && caller.has_role(Role::Supervisor));
        assert!(!caller.has_role(Role::Portal));
        assert!(caller.speaks_for(&"fr-pnij".parse().unwrap()));
        assert!(!caller.speaks_for(&"de-bka".parse().unwrap()));
    }

    #[test]
    fn what_is_not_understood_gives_no_rights() {
        for text in
            ["", ";", "ana; rank=high", "ana; roles=king", "ana; roles", "a b; roles=portal"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert!(parse("ana").is_some_and(|caller| caller.roles.is_empty()));
    }
}

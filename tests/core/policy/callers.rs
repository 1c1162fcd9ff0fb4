//! Who holds a certificate, as the registry says, and until when an authority may ask.

use std::time::Duration;

use urgence::config::parse_registry;
use urgence::core::authority::Rate;
use urgence::core::{
    Authorities, Caller, CertificateFingerprint, Identity, Nature, Role, Timestamp,
};
use urgence::registry::{NotEntitled, Registry};

const FULL: &str = r#"
[authorities.fr-pnij]
agency = "Plateforme"
country = "FR"
natures = ["all"]
channels = ["spiffe://urgence.test/portal/fr", "spiffe://urgence.test/portal/shared"]
valid_from = "2026-11-01"
valid_until = "2027-11-01"
emergency_per_minute = 30
routine_per_minute = 5
usual_hours = "07:00-20:00 Europe/Paris"

[authorities.be-fccu]
agency = "FCCU"
country = "BE"
natures = ["all"]
channels = ["spiffe://urgence.test/portal/shared"]

[people.ana]
identity = "spiffe://urgence.test/people/ana"
roles = ["responder", "supervisor"]
"#;

fn holder(uri: &str) -> Identity {
    Identity { uri: uri.parse().unwrap(), certificate: CertificateFingerprint([3; 32]) }
}

fn registry(edit: impl Fn(&str) -> String) -> Registry {
    parse_registry(&edit(FULL)).unwrap()
}

#[test]
fn a_certificate_names_a_person_or_a_portal_and_nobody_else() {
    let registry = registry(str::to_owned);
    let ana = holder("spiffe://urgence.test/people/ana");
    let person = Caller {
        subject: "ana".parse().unwrap(),
        identity: Some(ana.clone()),
        roles: [Role::Responder, Role::Supervisor].into(),
        authorities: Authorities::Only([].into()),
    };
    assert_eq!(registry.caller(&ana), Some(person));
    for (name, bound) in [("fr", vec!["fr-pnij"]), ("shared", vec!["be-fccu", "fr-pnij"])] {
        let portal = holder(&format!("spiffe://urgence.test/portal/{name}"));
        let caller = registry.caller(&portal).unwrap();
        assert_eq!(caller.subject.as_str(), format!("urgence.test/portal/{name}"));
        assert_eq!(caller.roles, [Role::Portal].into());
        let bound = bound.into_iter().map(|id| id.parse().unwrap()).collect();
        assert_eq!(caller.authorities, Authorities::Only(bound));
        assert_eq!(caller.identity, Some(portal));
    }
    for other in ["people/ana2", "people/an", "portal/fr/x", "portal/FR"] {
        let unknown = holder(&format!("spiffe://urgence.test/{other}"));
        assert_eq!(registry.caller(&unknown), None, "{other}");
        assert_eq!(Registry::Unlisted.caller(&unknown), None);
    }
}

#[test]
fn every_new_key_is_read() {
    let registry = registry(str::to_owned);
    let authority = registry.authority(&"fr-pnij".parse().unwrap()).unwrap();
    assert_eq!(authority.channels.len(), 2);
    let rate = Rate { emergency_per_minute: 30, routine_per_minute: 5 };
    assert_eq!(authority.rate, Some(rate));
    let day = Duration::from_hours(24);
    let from = Timestamp::from_millis(1_793_491_200_000);
    assert_eq!((authority.valid_from, authority.valid_until), (Some(from), Some(from + day * 365)));
    let before = |at: Timestamp| Timestamp::from_millis(at.as_millis() - 1);
    let until = from + day * 365;
    for (now, is_valid) in
        [(before(from), false), (from, true), (before(until), true), (until, false)]
    {
        let wanted = if is_valid { Ok(()) } else { Err(NotEntitled::NotValid) };
        assert_eq!(registry.may_ask(&authority.id, Nature::MissingChild, now), wanted);
    }
    // In Paris it is an hour later than in UTC then.
    let usual = |hours| registry.is_usual_hour(&authority.id, from + Duration::from_hours(hours));
    let found: Vec<bool> = [5, 6, 18, 19].map(usual).into();
    assert_eq!(found, [false, true, true, false]);
    assert!(registry.is_usual_hour(&"be-fccu".parse().unwrap(), from), "nobody said its hours");
}

#[test]
fn every_new_key_makes_another_version() {
    let changes = [
        ("portal/fr\"", "portal/fr2\""),
        ("2026-11-01", "2026-11-02"),
        ("2027-11-01", "2027-11-02"),
        ("emergency_per_minute = 30", "emergency_per_minute = 31"),
        ("routine_per_minute = 5", "routine_per_minute = 6"),
        ("07:00", "07:01"),
        ("Europe/Paris", "Europe/Brussels"),
        ("[people.ana]", "[people.ann]"),
        ("people/ana", "people/ann"),
        ("\"responder\", ", ""),
        ("supervisor", "auditor"),
    ];
    let mut versions = vec![registry(str::to_owned).version()];
    for (from, to) in changes {
        assert!(FULL.contains(from), "{from}");
        let version = registry(|text| text.replace(from, to)).version();
        assert!(!versions.contains(&version), "{from} to {to}");
        versions.push(version);
    }
}

//! The registry file and the registry.

use urgence::config::parse_registry;
use urgence::core::{Authority, Nature, Timestamp};
use urgence::registry::{NotEntitled, Registry};

use super::{expected, found};

const EXAMPLE: &str = include_str!("../../../deploy/authorities.toml");
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const EVERY_KIND: &str = include_str!("registry_mistakes.toml");

#[test]
fn the_example_lists_three_authorities() {
    let registry = parse_registry(EXAMPLE).unwrap();
    assert_eq!((registry.len(), registry.is_empty()), (3, false));
    let ids: Vec<&str> = registry.authorities().map(|authority| authority.id.as_str()).collect();
    assert_eq!(ids, ["de-bka", "fr-pnij", "gb-missing-people"]);
    let bka = registry.authority(&"de-bka".parse().unwrap()).unwrap();
    assert_eq!((&*bka.agency, &*bka.unit), ("Bundeskriminalamt", "Lagezentrum"));
    assert_eq!(bka.country.as_str(), "DE");
    assert_eq!(bka.callback_numbers[&"switchboard".parse().unwrap()], "+496990009001");
    let key = bka.recipient_keys[&"evidence-2026".parse().unwrap()];
    assert_eq!(key[..4], [0xf9, 0x26, 0x75, 0x74]);
    assert_eq!(key[31], 0x42);
}

#[test]
fn who_may_ask_is_what_the_registry_says() {
    let registry = parse_registry(EXAMPLE).unwrap();
    let may_ask = |id: &str, nature| registry.may_ask(&id.parse().unwrap(), nature, NOW);
    for nature in Nature::ALL.iter().copied() {
        assert_eq!(may_ask("fr-pnij", nature), Ok(()));
        let is_missing_person = matches!(
            nature,
            Nature::MissingChild | Nature::MissingVulnerableAdult | Nature::SuicideRisk
        );
        let wanted = if is_missing_person { Ok(()) } else { Err(NotEntitled::OtherNatures) };
        assert_eq!(may_ask("gb-missing-people", nature), wanted);
        assert_eq!(may_ask("xx-anybody", nature), Err(NotEntitled::NotListed));
    }
}

#[test]
fn numbers_and_keys_are_those_of_the_authority() {
    let registry = parse_registry(EXAMPLE).unwrap();
    let number = |authority: &str, id: &str| {
        registry.authority(&authority.parse().unwrap())?.callback_number(&id.parse().unwrap())
    };
    assert_eq!(number("fr-pnij", "duty-room").unwrap().id().as_str(), "duty-room");
    assert_eq!(number("de-bka", "duty-room"), None, "that is another authority's");
    assert_eq!(number("xx-anybody", "switchboard"), None);
    let key = |authority: &str, id: &str| {
        registry.authority(&authority.parse().unwrap())?.recipient_key(&id.parse().unwrap())
    };
    assert_eq!(key("fr-pnij", "evidence-2026").unwrap().id().as_str(), "evidence-2026");
    assert_ne!(key("fr-pnij", "evidence-2026"), key("de-bka", "evidence-2026"));
    assert_eq!(key("fr-pnij", "evidence-2025"), None);
}

#[test]
fn without_a_file_everybody_may_ask_and_nothing_can_be_disclosed() {
    let registry = Registry::Unlisted;
    let anybody = "xx-anybody".parse().unwrap();
    for nature in Nature::ALL.iter().copied() {
        assert_eq!(registry.may_ask(&anybody, nature, NOW), Ok(()));
    }
    assert_eq!(registry.authority(&anybody), None);
    assert_eq!(registry.items(), []);
    assert_eq!((registry.len(), registry.version()), (0, None));
}

#[test]
fn every_kind_of_mistake_is_reported_at_once_with_its_line() {
    let expected = expected(EVERY_KIND);
    assert!(expected.len() > 20, "the marks are read");
    assert_eq!(found(parse_registry(EVERY_KIND)), expected);
}

#[test]
fn a_file_that_lists_nobody_is_refused() {
    for text in ["", "# to be filled in\n", "[authorities]\n"] {
        let mistakes = parse_registry(text).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!((mistakes[0].line, &*mistakes[0].path), (1, "authorities"));
    }
}

#[test]
fn a_file_with_one_mistake_is_no_registry_at_all() {
    let cut_short = &EXAMPLE[..EXAMPLE.len() - 10];
    let mistakes = parse_registry(cut_short).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].line, EXAMPLE.lines().count());
}

#[test]
fn every_difference_makes_another_version() {
    let registry = parse_registry(EXAMPLE).unwrap();
    let authorities: Vec<Authority> = registry.authorities().cloned().collect();
    let changes: [fn(&mut Authority); 10] = [
        |authority| authority.id = "fr-other".parse().unwrap(),
        |authority| authority.agency.push('.'),
        |authority| authority.unit = String::new(),
        |authority| authority.country = "BE".parse().unwrap(),
        |authority| _ = authority.natures.pop_first(),
        |authority| authority.natures = [Nature::Kidnapping].into(),
        |authority| authority.natures = [Nature::BombThreat].into(),
        |authority| _ = authority.callback_numbers.pop_first(),
        |authority| {
            authority.callback_numbers.values_mut().next().unwrap().push('0');
        },
        |authority| authority.recipient_keys.values_mut().next().unwrap()[31] ^= 1,
    ];
    let listed = Registry::listed(authorities.clone());
    let mut versions = vec![registry.version(), listed.version()];
    for change in changes {
        let mut changed = authorities.clone();
        change(&mut changed[1]);
        let version = Registry::listed(changed).version();
        assert!(!versions.contains(&version));
        versions.push(version);
    }
    // The order of the file and its comments are no difference.
    let reversed = Registry::listed(authorities.into_iter().rev());
    assert_eq!(reversed, listed);
    let commented = parse_registry(&EXAMPLE.replace('\n', "\n# why\n")).unwrap();
    assert_eq!(commented.version(), registry.version());
}

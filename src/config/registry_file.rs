//! The registry file: the authorities, with the numbers and keys that a disclosure rests on.

use std::collections::{BTreeMap, BTreeSet};

use super::Located;
use super::document::{Entry, Notes, Source, Table};
use crate::core::authority::Rate;
use crate::core::{
    Authority, AuthorityId, KeyId, Nature, PhoneId, Role, SpiffeId, Subject, Timestamp,
};
use crate::registry::{Person, Registry, UsualHours, channel_subject};

const KEYS: [&str; 12] = [
    "agency",
    "unit",
    "country",
    "natures",
    "callback_numbers",
    "recipient_keys",
    "channels",
    "valid_from",
    "valid_until",
    "emergency_per_minute",
    "routine_per_minute",
    "usual_hours",
];
const PERSON_KEYS: [&str; 2] = ["identity", "roles"];
const NAME_CHARS_MAX: usize = 200;
const ALL: &str = "all";

/// Reads a registry file.
///
/// # Errors
/// Every mistake that can be told, in the order of the lines. A file with a single mistake is no
/// registry, so that it never replaces a valid one.
pub fn parse_registry(text: &str) -> Result<Registry, Vec<Located>> {
    let source = Source::new(text);
    let document = source.document();
    let mut reader = Reader { notes: Notes::new(&source, &document), hours: BTreeMap::new() };
    let root = Table::root(&document);
    root.only(&mut reader.notes, "section", &["authorities", "people"]);
    let authorities = reader.authorities(&root);
    let people = reader.people(&root, &authorities);
    if reader.notes.is_empty() {
        Ok(Registry::of(authorities, reader.hours, people))
    } else {
        Err(reader.notes.finish())
    }
}

struct Reader<'s> {
    notes: Notes<'s>,
    hours: BTreeMap<AuthorityId, UsualHours>,
}

impl Reader<'_> {
    fn authorities(&mut self, root: &Table<'_>) -> Vec<Authority> {
        let section = root.require(&mut self.notes, "authorities");
        let Some(section) = section.and_then(|section| section.table(&mut self.notes)) else {
            return Vec::new();
        };
        let authorities: Vec<_> =
            section.entries().map(|(id, entry)| self.authority(id, entry)).collect();
        if authorities.is_empty() {
            // A file cut short must not lock everybody out.
            self.notes.mistake("authorities", "lists nobody, so that nobody could ask");
        }
        authorities.into_iter().flatten().collect()
    }

    fn authority(&mut self, id: &str, entry: Entry<'_>) -> Option<Authority> {
        let id = self.id::<AuthorityId>(id, &entry);
        let table = entry.table(&mut self.notes)?;
        table.only(&mut self.notes, "key", &KEYS);
        let notes = &mut self.notes;
        let agency = table.require(notes, "agency").and_then(|entry| {
            let agency = entry.line_of_text(notes, NAME_CHARS_MAX)?;
            if agency.trim().is_empty() {
                notes.mistake(entry.path, "must name the agency");
            }
            Some(agency.to_owned())
        });
        let unit = table.get("unit").map(|entry| entry.line_of_text(notes, NAME_CHARS_MAX));
        let country = table.require(notes, "country");
        let country = country.and_then(|entry| entry.country(notes));
        let natures = table.require(notes, "natures");
        let natures = natures.and_then(|natures| self.natures(&natures));
        let channels = self.channels(&table);
        let valid_from = self.day(&table, "valid_from");
        let valid_until = self.day(&table, "valid_until");
        if valid_from.zip(valid_until).is_some_and(|(from, until)| until <= from) {
            self.notes.mistake(table.below("valid_until"), "must be later than valid_from");
        }
        let rate = self.rate(&table);
        self.usual_hours(id.as_ref(), &table);
        let callback_numbers = self.callback_numbers(&table);
        let recipient_keys = self.recipient_keys(&table);
        Some(Authority {
            id: id?,
            agency: agency?,
            unit: unit.flatten().unwrap_or_default().to_owned(),
            country: country?,
            callback_numbers,
            recipient_keys,
            natures: natures?,
            channels,
            valid_from,
            valid_until,
            rate,
        })
    }

    /// The identities of the certificates that an authority speaks by.
    fn channels(&mut self, table: &Table<'_>) -> BTreeSet<SpiffeId> {
        let wanted = "a list of identities, such as [\"spiffe://example.org/portal/fr-pnij\"]";
        let Some(entry) = table.get("channels") else { return BTreeSet::new() };
        let list = entry.list(&mut self.notes, wanted).unwrap_or_default();
        list.iter().filter_map(|entry| self.identity(entry)).collect()
    }

    fn identity(&mut self, entry: &Entry<'_>) -> Option<SpiffeId> {
        let wanted = "a SPIFFE ID in quotes, such as \"spiffe://example.org/people/ana\"";
        let text = entry.text(&mut self.notes, wanted)?;
        let identity = text.parse().ok().filter(|uri| channel_subject(uri).is_some());
        if identity.is_none() {
            self.notes.mistake(&entry.path, format!("must be {wanted}, of at most 137 characters"));
        }
        identity
    }

    /// The first instant of a day in UTC.
    fn day(&mut self, table: &Table<'_>, key: &str) -> Option<Timestamp> {
        const WANTED: &str = "a day in quotes, such as \"2026-11-01\"";
        let entry = table.get(key)?;
        let text = entry.text(&mut self.notes, WANTED)?;
        let day: Option<jiff::civil::Date> = text.parse().ok();
        let instant = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let millis = instant.and_then(|at| u64::try_from(at.timestamp().as_millisecond()).ok());
        if millis.is_none() {
            self.notes.mistake(entry.path, format!("must be {WANTED}"));
        }
        millis.map(Timestamp::from_millis)
    }

    fn rate(&mut self, table: &Table<'_>) -> Option<Rate> {
        const WANTED: &str = "a number of requests from 1 to 1000000";
        let mut number = |key: &str| {
            let entry = table.get(key)?;
            let count = entry.count(&mut self.notes, WANTED)?;
            let count = Some(count).filter(|count| (1..=1_000_000).contains(count));
            if count.is_none() {
                self.notes.mistake(entry.path, format!("must be {WANTED}"));
            }
            count
        };
        match (number("emergency_per_minute"), number("routine_per_minute")) {
            (Some(emergency_per_minute), Some(routine_per_minute)) => {
                Some(Rate { emergency_per_minute, routine_per_minute })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let both = "says one rate; say both emergency_per_minute and routine_per_minute";
                self.notes.mistake(table.below("emergency_per_minute"), both);
                None
            }
        }
    }

    fn usual_hours(&mut self, id: Option<&AuthorityId>, table: &Table<'_>) {
        let Some(entry) = table.get("usual_hours") else { return };
        let wanted = "hours in quotes, such as \"07:00-20:00 Europe/Paris\"";
        let Some(text) = entry.text(&mut self.notes, wanted) else { return };
        match text.parse::<UsualHours>() {
            Ok(hours) => self.hours.extend(id.map(|id| (id.clone(), hours))),
            Err(rule) => self.notes.mistake(entry.path, rule.to_string()),
        }
    }

    /// The people of the desk. A certificate names one person, or one portal, and never both.
    fn people(
        &mut self,
        root: &Table<'_>,
        authorities: &[Authority],
    ) -> BTreeMap<SpiffeId, Person> {
        let mut people = BTreeMap::new();
        let Some(section) = root.table(&mut self.notes, "people") else { return people };
        for (name, entry) in section.entries() {
            let subject = self.id::<Subject>(name, &entry);
            let Some(table) = entry.table(&mut self.notes) else { continue };
            table.only(&mut self.notes, "key", &PERSON_KEYS);
            let identity = table.require(&mut self.notes, "identity");
            let path = table.below("identity");
            let identity = identity.and_then(|entry| self.identity(&entry));
            let roles = table.require(&mut self.notes, "roles");
            let roles = roles.and_then(|entry| self.roles(&entry));
            let Some(((identity, roles), subject)) = identity.zip(roles).zip(subject) else {
                continue;
            };
            let is_channel = |authority: &Authority| authority.channels.contains(&identity);
            if authorities.iter().any(is_channel) {
                self.notes.mistake(&path, "is the channel of an authority, and cannot be a person");
            }
            if people.insert(identity, Person { subject, roles }).is_some() {
                self.notes.mistake(&path, "is somebody else's already");
            }
        }
        people
    }

    fn roles(&mut self, entry: &Entry<'_>) -> Option<BTreeSet<Role>> {
        let words = Role::ALL.iter().filter(|role| **role != Role::Portal).map(|role| role.word());
        let wanted = format!("a list of roles, of {}", words.collect::<Vec<_>>().join(", "));
        let list = entry.list(&mut self.notes, &wanted)?;
        let mut roles = BTreeSet::new();
        for entry in &list {
            let Some(word) = entry.text(&mut self.notes, "a role in quotes") else { continue };
            // A portal is what an authority's channel is; nobody at the desk speaks for one.
            match Role::from_word(word).filter(|role| *role != Role::Portal) {
                Some(role) => _ = roles.insert(role),
                None => self.notes.mistake(&entry.path, format!("must be one of {wanted}")),
            }
        }
        if list.is_empty() {
            self.notes
                .mistake(&entry.path, format!("must be {wanted}; with none, they may do nothing"));
        }
        Some(roles)
    }

    fn natures(&mut self, entry: &Entry<'_>) -> Option<BTreeSet<Nature>> {
        let wanted = "[\"all\"] or a list of natures, such as [\"missing_child\"]";
        let list = entry.list(&mut self.notes, wanted)?;
        if list.is_empty() {
            self.notes.mistake(&entry.path, format!("must be {wanted}; with none it may not ask"));
        }
        let is_several = list.len() > 1;
        let mut natures = BTreeSet::new();
        for entry in list {
            let Some(word) = entry.text(&mut self.notes, "a nature in quotes") else { continue };
            match Nature::from_word(word) {
                Some(nature) => _ = natures.insert(nature),
                None if word == ALL && !is_several => natures.extend(Nature::ALL),
                None if word == ALL => {
                    self.notes.mistake(entry.path, "\"all\" stands alone, or not at all");
                }
                None => {
                    let words = Nature::ALL.iter().map(|nature| nature.word());
                    let known = words.collect::<Vec<_>>().join(", ");
                    self.notes.mistake(entry.path, format!("is no known nature; known: {known}"));
                }
            }
        }
        Some(natures)
    }

    fn callback_numbers(&mut self, table: &Table<'_>) -> BTreeMap<PhoneId, String> {
        let mut numbers = BTreeMap::new();
        let Some(table) = table.table(&mut self.notes, "callback_numbers") else { return numbers };
        for (id, entry) in table.entries() {
            let id = self.id::<PhoneId>(id, &entry);
            let wanted = "a number of E.164 in quotes, such as \"+33199000001\"";
            let Some(number) = entry.text(&mut self.notes, wanted) else { continue };
            if is_phone(number) {
                numbers.extend(id.map(|id| (id, number.to_owned())));
            } else {
                self.notes.mistake(entry.path, format!("must be {wanted}"));
            }
        }
        numbers
    }

    fn recipient_keys(&mut self, table: &Table<'_>) -> BTreeMap<KeyId, [u8; 32]> {
        let mut keys = BTreeMap::new();
        let Some(table) = table.table(&mut self.notes, "recipient_keys") else { return keys };
        for (id, entry) in table.entries() {
            let id = self.id::<KeyId>(id, &entry);
            let wanted = "the SHA-256 of the key in quotes, 64 hexadecimal digits";
            let Some(digits) = entry.text(&mut self.notes, wanted) else { continue };
            match digest(digits) {
                Some(digest) => keys.extend(id.map(|id| (id, digest))),
                None => self.notes.mistake(entry.path, format!("must be {wanted}")),
            }
        }
        keys
    }

    /// The key of an entry as a name of the domain.
    fn id<T: std::str::FromStr<Err = crate::core::names::BadName>>(
        &mut self,
        key: &str,
        entry: &Entry<'_>,
    ) -> Option<T> {
        key.parse()
            .map_err(|rule| self.notes.mistake(&entry.path, format!("its id must be {rule}")))
            .ok()
    }
}

/// E.164: a plus sign, a country code and a number, 7 to 15 digits in all.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// The bytes of 64 hexadecimal digits.
fn digest(digits: &str) -> Option<[u8; 32]> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|v| u8::try_from(v).ok());
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| Some(value(*pair.first()?)? << 4 | value(*pair.get(1)?)?))
        .collect();
    bytes?.try_into().ok()
}

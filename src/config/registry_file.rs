//! The registry file: the authorities, with the numbers and keys that a disclosure rests on.

use std::collections::{BTreeMap, BTreeSet};

use super::Located;
use super::document::{Entry, Notes, Source, Table};
use crate::core::{Authority, AuthorityId, KeyId, Nature, PhoneId};
use crate::registry::Registry;

const KEYS: [&str; 6] =
    ["agency", "unit", "country", "natures", "callback_numbers", "recipient_keys"];
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
    let mut reader = Reader { notes: Notes::new(&source, &document) };
    let root = Table::root(&document);
    root.only(&mut reader.notes, "section", &["authorities"]);
    let authorities = reader.authorities(&root);
    if reader.notes.is_empty() {
        Ok(Registry::listed(authorities))
    } else {
        Err(reader.notes.finish())
    }
}

struct Reader<'s> {
    notes: Notes<'s>,
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
        })
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

//! The ways to reach people: `[sinks.NAME]`, with secrets from files of their own, and `[pages]`.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::{Host, Url};

use super::{Entry, Reader, Table};
use crate::config::sinks::{Links, SinkSettings};
use crate::core::SinkName;
use crate::core::policy::live::LOG_SINK;
use crate::core::synthetic::SYNTHETIC_SINK;
use crate::outbound::Address;

const KINDS: [&str; 3] =
    [SinkSettings::PAGER_DUTY, SinkSettings::ALERTMANAGER, SinkSettings::WEBHOOK];
const PAGER_DUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";
const PAGER_DUTY_KEY_CHARS: usize = 32;
/// The prefix, and how many bytes there may be, by the rules of Standard Webhooks.
const WEBHOOK_SECRET_PREFIX: &str = "whsec_";
const WEBHOOK_SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// One, or two while one replaces the other.
const WEBHOOK_SECRETS: std::ops::RangeInclusive<usize> = 1..=2;
const LINK_CHARS_MAX: usize = 1_000;

impl Reader<'_> {
    /// The sinks that the file defines; those with a mistake are known from then on, and left out.
    pub(super) fn defined_sinks(&mut self, root: &Table<'_>) -> BTreeMap<SinkName, SinkSettings> {
        let mut sinks = BTreeMap::new();
        let Some(table) = root.table(&mut self.notes, "sinks") else { return sinks };
        for (name, entry) in table.entries() {
            if name == LOG_SINK || name == SYNTHETIC_SINK {
                self.notes.mistake(entry.path, "is built in and cannot be defined again");
                continue;
            }
            match name.parse::<SinkName>() {
                Ok(name) => {
                    self.sinks.insert(name.clone());
                    sinks.extend(self.sink(entry).map(|settings| (name, settings)));
                }
                Err(rule) => {
                    self.notes.mistake(entry.path, format!("a sink's name has {rule}"));
                }
            }
        }
        sinks
    }

    fn sink(&mut self, entry: Entry<'_>) -> Option<SinkSettings> {
        let table = entry.table(&mut self.notes)?;
        let kind = table.require(&mut self.notes, "kind")?;
        let word = kind.text(&mut self.notes, "a kind of sink in quotes")?;
        match word {
            SinkSettings::PAGER_DUTY => self.pager_duty(&table),
            SinkSettings::ALERTMANAGER => self.alertmanager(&table),
            SinkSettings::WEBHOOK => self.webhook(&table),
            _ => {
                let known = KINDS.join(", ");
                self.notes.mistake(kind.path, format!("is no known kind; known: {known}"));
                None
            }
        }
    }

    fn pager_duty(&mut self, table: &Table<'_>) -> Option<SinkSettings> {
        table.only(&mut self.notes, "key", &["kind", "url", "routing_key_file"]);
        let address = match table.get("url") {
            Some(entry) => self.address(&entry),
            None => Url::parse(PAGER_DUTY_URL).ok().map(Address::from),
        };
        let routing_key = table.require(&mut self.notes, "routing_key_file");
        let routing_key = routing_key.and_then(|entry| {
            let key = self.secret(&entry)?;
            let text = key.expose_secret();
            let is_good = text.len() == PAGER_DUTY_KEY_CHARS
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if !is_good {
                let problem = "must hold an integration key: 32 letters and digits";
                self.notes.mistake(entry.path, problem);
            }
            is_good.then_some(key)
        });
        Some(SinkSettings::PagerDuty { address: address?, routing_key: routing_key? })
    }

    fn alertmanager(&mut self, table: &Table<'_>) -> Option<SinkSettings> {
        table.only(&mut self.notes, "key", &["kind", "url", "bearer_token_file"]);
        let address = table.require(&mut self.notes, "url");
        let address = address.and_then(|entry| self.address(&entry));
        let bearer_token = match table.get("bearer_token_file") {
            Some(entry) => Some(self.secret(&entry)?),
            None => None,
        };
        Some(SinkSettings::Alertmanager { address: address?, bearer_token })
    }

    fn webhook(&mut self, table: &Table<'_>) -> Option<SinkSettings> {
        table.only(&mut self.notes, "key", &["kind", "url", "secret_files"]);
        let address = table.require(&mut self.notes, "url");
        let address = address.and_then(|entry| self.address(&entry));
        let files = table.require(&mut self.notes, "secret_files");
        let files = files.and_then(|entry| {
            let wanted = "a list of one or two files, such as [\"new.secret\", \"old.secret\"]";
            let files = entry.list(&mut self.notes, wanted)?;
            if !WEBHOOK_SECRETS.contains(&files.len()) {
                self.notes.mistake(entry.path, format!("must be {wanted}"));
            }
            Some(files)
        });
        let secrets: Option<Vec<SecretSlice<u8>>> = {
            let read: Vec<_> = files?.iter().map(|entry| self.webhook_secret(entry)).collect();
            read.into_iter().collect()
        };
        Some(SinkSettings::Webhook { address: address?, secrets: secrets? })
    }

    fn webhook_secret(&mut self, entry: &Entry<'_>) -> Option<SecretSlice<u8>> {
        let secret = self.secret(entry)?;
        let encoded = secret.expose_secret().strip_prefix(WEBHOOK_SECRET_PREFIX);
        let bytes = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        let bytes = bytes.filter(|bytes| WEBHOOK_SECRET_BYTES.contains(&bytes.len()));
        if bytes.is_none() {
            let problem = "must hold whsec_ and 24 to 64 random bytes in base64";
            self.notes.mistake(&entry.path, problem);
        }
        bytes.map(SecretSlice::from)
    }

    /// What stands in the file that the entry names, which stands beside this one.
    fn secret(&mut self, entry: &Entry<'_>) -> Option<SecretString> {
        let name = entry.text(&mut self.notes, "the name of a file in quotes")?;
        let path = self.folder.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => SecretString::from(text),
            Err(error) => {
                let problem = format!("the file {}: {error}", path.display());
                self.notes.mistake(&entry.path, problem);
                return None;
            }
        };
        let secret = text.expose_secret().trim();
        let problem = if secret.is_empty() {
            "is empty"
        } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            "must hold one line of visible characters and nothing else"
        } else {
            return Some(secret.into());
        };
        self.notes.mistake(&entry.path, format!("the file {} {problem}", path.display()));
        None
    }

    /// An address that pages may travel to.
    fn address(&mut self, entry: &Entry<'_>) -> Option<Address> {
        let text = entry.text(&mut self.notes, "an address in quotes")?;
        match outside_address(text) {
            Ok(address) => Some(address),
            Err(problem) => {
                self.notes.mistake(&entry.path, problem);
                None
            }
        }
    }

    pub(super) fn links(&mut self, root: &Table<'_>) -> Links {
        let pages = self.section(root, "pages", &["link"]);
        let link = pages.and_then(|pages| pages.get("link"));
        link.and_then(|entry| self.link(&entry)).map(Links::new).unwrap_or_default()
    }

    fn link(&mut self, entry: &Entry<'_>) -> Option<String> {
        let template = entry.line_of_text(&mut self.notes, LINK_CHARS_MAX)?;
        // Where the case stands in it, any case is as good as another.
        let problem = match web_address(&template.replace(Links::PLACE, "case")) {
            Ok(_) if template.contains(Links::PLACE) => return Some(template.to_owned()),
            Ok(_) => "must hold {case}, where the id of the case comes",
            Err(problem) => problem,
        };
        self.notes.mistake(&entry.path, problem);
        None
    }
}

/// An address of somebody outside who is told things.
pub(in crate::config) fn outside_address(text: &str) -> Result<Address, &'static str> {
    let url = web_address(text)?;
    if url.scheme() == "https" || is_this_machine(&url) {
        return Ok(url.into());
    }
    Err("must begin with https://; over plain http, what is told would travel unprotected")
}

fn web_address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or("must be an address such as \"https://pages.example/urgence\"")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password; secrets stand in files of their own");
    }
    Ok(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The names of sinks that are known before a file is read.
pub(super) fn built_in() -> BTreeSet<SinkName> {
    BTreeSet::from([LOG_SINK.parse().expect("a word that follows the rule")])
}

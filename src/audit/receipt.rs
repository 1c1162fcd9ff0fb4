//! What each side keeps of a request: the receipt of when it was accepted and how soon it must be
//! answered, and the record of when it first was. Both are texts that people can read, signed as notes,
//! and the same for ever, however often they are asked for.

use std::fmt::Write as _;
use std::str::FromStr;

use super::Entry;
use super::entry::{hash_of_hex, hex};
use super::proof::Proof;
use super::tree::Hash;
use crate::core::{AuthorityId, Case, CaseId, DeskName, Timestamp};
use crate::sign::{NoteSigner, NoteVerifier, open_note};

const RECEIPT: &str = "urgence receipt v1";
const FIRST_RESPONSE: &str = "urgence first response v1";

/// That a request was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// At which desk.
    pub desk: DeskName,
    /// As which case.
    pub case: CaseId,
    /// Whose request.
    pub authority: AuthorityId,
    /// When.
    pub accepted_at: Timestamp,
    /// The digest of what was asked.
    pub request_sha256: Hash,
    /// When the first response should be given.
    pub target_at: Timestamp,
    /// When the promise is broken.
    pub limit_at: Timestamp,
}

/// That a first response was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstResponse {
    /// At which desk.
    pub desk: DeskName,
    /// In which case.
    pub case: CaseId,
    /// Whose request it was.
    pub authority: AuthorityId,
    /// When.
    pub at: Timestamp,
    /// What the answer was: a word of the contract.
    pub kind: String,
    /// How long the authority had waited, in milliseconds.
    pub waited_ms: u64,
    /// The digest of what was said; `None` where it was not said with the answer itself.
    pub response_sha256: Option<Hash>,
    /// How it stands to the promise: a word of the contract.
    pub punctuality: String,
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct Unproven {
    /// Which of the things shown.
    pub what: &'static str,
    /// What does not hold.
    pub problem: String,
}

/// The lines of a text, each beginning with the name of what it holds.
struct Fields<'t>(std::str::Lines<'t>);

impl<'t> Fields<'t> {
    fn of(text: &'t str, form: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == form).then_some(Self(lines))
    }

    fn next<T: FromStr>(&mut self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    fn text(&mut self, name: &str) -> Option<&'t str> {
        self.0.next()?.strip_prefix(name)?.strip_prefix(' ')
    }

    fn instant(&mut self, name: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = self.next(name)?;
        Some(Timestamp::from_millis(u64::try_from(at.as_millisecond()).ok()?))
    }

    /// The desk and the case of a case's full name.
    fn case(&mut self) -> Option<(DeskName, CaseId)> {
        let (desk, case) = self.text("case")?.strip_prefix("desks/")?.split_once("/cases/")?;
        Some((desk.parse().ok()?, case.parse().ok()?))
    }
}

fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{at:.3}")
}

/// A text in its form: the first line and one line for each field.
fn text(form: &str, desk: &DeskName, case: CaseId, fields: &[(&str, String)]) -> String {
    let mut text = format!("{form}\ncase desks/{desk}/cases/{case}\n");
    for (name, value) in fields {
        _ = writeln!(text, "{name} {value}");
    }
    text
}

impl Receipt {
    /// The receipt of a case of `desk`.
    #[must_use]
    pub fn of(desk: &DeskName, case: &Case) -> Self {
        let promised = case.promised;
        Self {
            desk: desk.clone(),
            case: case.id,
            authority: case.authority.clone(),
            accepted_at: case.accepted_at,
            request_sha256: case.request_digest.0,
            target_at: promised.target_at,
            limit_at: promised.limit_at,
        }
    }

    /// The signed receipt.
    #[must_use]
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.text())
    }

    fn text(&self) -> String {
        text(
            RECEIPT,
            &self.desk,
            self.case,
            &[
                ("authority", self.authority.to_string()),
                ("accepted_at", rfc3339(self.accepted_at)),
                ("request_sha256", hex(&self.request_sha256)),
                ("target_at", rfc3339(self.target_at)),
                ("limit_at", rfc3339(self.limit_at)),
            ],
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = Fields::of(text, RECEIPT)?;
        let (desk, case) = fields.case()?;
        let receipt = Self {
            desk,
            case,
            authority: fields.next("authority")?,
            accepted_at: fields.instant("accepted_at")?,
            request_sha256: hash_of_hex(fields.text("request_sha256")?)?,
            target_at: fields.instant("target_at")?,
            limit_at: fields.instant("limit_at")?,
        };
        (receipt.text() == text).then_some(receipt)
    }

    /// Reads a signed receipt.
    ///
    /// # Errors
    /// It is none, or nobody known has signed it.
    pub fn open(note: &str, keys: &[NoteVerifier]) -> Result<Self, Unproven> {
        open(note, keys, "receipt", Self::parse)
    }
}

impl FirstResponse {
    /// The record of the first response to a case of `desk`, if there is one.
    #[must_use]
    pub fn of(desk: &DeskName, case: &Case) -> Option<Self> {
        let response = case.first_response.as_ref()?;
        Some(Self {
            desk: desk.clone(),
            case: case.id,
            authority: case.authority.clone(),
            at: response.at,
            kind: response.kind.word().to_owned(),
            waited_ms: crate::core::time::millis(response.at.since(case.accepted_at)),
            response_sha256: response.digest.map(|digest| digest.0),
            punctuality: case.punctuality(response.at).word().to_owned(),
        })
    }

    /// The signed record.
    #[must_use]
    pub fn sign(&self, signer: &NoteSigner) -> String {
        signer.sign(&self.text())
    }

    fn text(&self) -> String {
        let said = self.response_sha256.map_or_else(|| "-".to_owned(), |hash| hex(&hash));
        text(
            FIRST_RESPONSE,
            &self.desk,
            self.case,
            &[
                ("authority", self.authority.to_string()),
                ("at", rfc3339(self.at)),
                ("kind", self.kind.clone()),
                ("waited_ms", self.waited_ms.to_string()),
                ("response_sha256", said),
                ("punctuality", self.punctuality.clone()),
            ],
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = Fields::of(text, FIRST_RESPONSE)?;
        let (desk, case) = fields.case()?;
        let record = Self {
            desk,
            case,
            authority: fields.next("authority")?,
            at: fields.instant("at")?,
            kind: fields.next("kind")?,
            waited_ms: fields.next("waited_ms")?,
            response_sha256: match fields.text("response_sha256")? {
                "-" => None,
                digits => Some(hash_of_hex(digits)?),
            },
            punctuality: fields.next("punctuality")?,
        };
        (record.text() == text).then_some(record)
    }

    /// Reads a signed record.
    ///
    /// # Errors
    /// It is none, or nobody known has signed it.
    pub fn open(note: &str, keys: &[NoteVerifier]) -> Result<Self, Unproven> {
        open(note, keys, "response record", Self::parse)
    }
}

fn open<T>(
    note: &str,
    keys: &[NoteVerifier],
    what: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Unproven> {
    let text =
        open_note(note, keys).map_err(|error| Unproven { what, problem: error.to_string() })?;
    parse(text).ok_or_else(|| Unproven { what, problem: "its text has another form".to_owned() })
}

/// Checks that a signed receipt speaks of an entry which is in the signed log.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_receipt(
    receipt: &str,
    entry: &str,
    proof: &str,
    keys: &[NoteVerifier],
) -> Result<Receipt, Unproven> {
    let receipt = Receipt::open(receipt, keys)?;
    let unproven = |what, problem: String| Unproven { what, problem };
    let entry = entry.strip_suffix('\n').unwrap_or(entry);
    let read: Entry = serde_json::from_str(entry)
        .map_err(|_| unproven("entry", "it is no entry of a log".to_owned()))?;
    let outline = &read.outline;
    let compared = [
        ("desk", read.desk == receipt.desk.as_str()),
        ("case", outline.case.as_deref() == Some(receipt.case.compact())),
        ("authority", outline.authority.as_deref() == Some(receipt.authority.as_str())),
        ("version", outline.version == Some(1)),
        ("request_sha256", outline.request_sha256 == Some(hex(&receipt.request_sha256))),
        ("accepted_at", outline.at_ms == Some(receipt.accepted_at.as_millis())),
        ("target_at", outline.target_ms == Some(receipt.target_at.as_millis())),
        ("limit_at", outline.limit_ms == Some(receipt.limit_at.as_millis())),
    ];
    if let Some((field, _)) = compared.iter().find(|(_, is_equal)| !is_equal) {
        let problem = format!("its {field} is not that of the receipt");
        return Err(unproven("entry", problem));
    }
    let proof = Proof::parse(proof)
        .ok_or_else(|| unproven("proof", "it is no inclusion proof".to_owned()))?;
    if proof.index != read.index {
        return Err(unproven("proof", format!("it is of entry {}", proof.index)));
    }
    proof.check(entry, keys).map_err(|problem| unproven("proof", problem))?;
    Ok(receipt)
}

/// Checks that a signed record of a first response speaks of the request of `receipt`.
///
/// # Errors
/// The first thing that does not hold.
pub fn check_first_response(
    record: &str,
    receipt: &Receipt,
    keys: &[NoteVerifier],
) -> Result<FirstResponse, Unproven> {
    let record = FirstResponse::open(record, keys)?;
    let waited_ms = record.at.as_millis().checked_sub(receipt.accepted_at.as_millis());
    let compared = [
        ("desk", record.desk == receipt.desk),
        ("case", record.case == receipt.case),
        ("authority", record.authority == receipt.authority),
        ("waited_ms", waited_ms == Some(record.waited_ms)),
    ];
    match compared.iter().find(|(_, is_equal)| !is_equal) {
        None => Ok(record),
        Some((field, _)) => Err(Unproven {
            what: "response record",
            problem: format!("its {field} is not that of the receipt"),
        }),
    }
}

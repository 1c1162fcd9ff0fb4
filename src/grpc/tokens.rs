//! Opaque tokens: where a list or a watch goes on. They are sealed, since they hold the desk's own
//! instants: the last change that a watch has passed may be one that its reader is not told of, or of
//! another authority's case.

use std::sync::Arc;

use tonic::Status;

use super::status;
use crate::core::CaseId;
use crate::desk::{Cursor, Position};
use crate::seal::TokenKey;

/// Makes and opens tokens.
#[derive(Clone)]
pub(super) struct Tokens(Arc<TokenKey>);

impl Tokens {
    /// What their key is derived for.
    pub(super) const PURPOSE: &str = "tokens";

    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(TokenKey::new(key)))
    }

    /// The token of the page that begins there; an empty one where there is none.
    pub(super) fn page(&self, scope: &str, next: Option<Position>) -> Result<String, Status> {
        let bytes = next.map(|position| {
            let mut bytes = position.score.to_be_bytes().to_vec();
            bytes.extend_from_slice(position.id.compact().as_bytes());
            bytes
        });
        self.seal(scope, bytes)
    }

    /// Where a list goes on; `None` for an empty token, which is the first page.
    pub(super) fn open_page(&self, scope: &str, token: &str) -> Result<Option<Position>, Status> {
        self.open(scope, token, |bytes| {
            let (score, id) = bytes.split_first_chunk::<8>()?;
            let id: CaseId = std::str::from_utf8(id).ok()?.parse().ok()?;
            Some(Position { score: u64::from_be_bytes(*score), id })
        })
    }

    /// The token of a watch that has come so far; an empty one where it cannot go on from there.
    pub(super) fn resume(&self, scope: &str, cursor: Option<Cursor>) -> Result<String, Status> {
        let bytes = cursor.map(|cursor| {
            let mut bytes = cursor.millis.to_be_bytes().to_vec();
            bytes.extend_from_slice(&cursor.sequence.to_be_bytes());
            bytes
        });
        self.seal(scope, bytes)
    }

    /// Where a watch goes on; `None` for an empty token, which begins with a snapshot.
    pub(super) fn open_resume(&self, scope: &str, token: &str) -> Result<Option<Cursor>, Status> {
        self.open(scope, token, |bytes| {
            let (millis, sequence) = bytes.split_first_chunk::<8>()?;
            let sequence = u64::from_be_bytes(sequence.try_into().ok()?);
            Some(Cursor { millis: u64::from_be_bytes(*millis), sequence })
        })
    }

    fn seal(&self, scope: &str, bytes: Option<Vec<u8>>) -> Result<String, Status> {
        let Some(bytes) = bytes else { return Ok(String::new()) };
        self.0.seal(scope, &bytes).map_err(|error| {
            tracing::error!(%error, "a token cannot be sealed");
            status::fault()
        })
    }

    fn open<T>(
        &self,
        scope: &str,
        token: &str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let opened = self.0.open(scope, token);
        opened.and_then(|bytes| read(&bytes)).map(Some).ok_or_else(status::bad_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURSOR: Cursor = Cursor { millis: 1_700_000_000_000, sequence: 7 };

    fn tokens() -> Tokens {
        Tokens::new([7; 32])
    }

    #[test]
    fn a_token_opens_where_it_was_made_and_nowhere_else() {
        let token = tokens().resume("desk", Some(CURSOR)).unwrap();
        // Another replica has the same key.
        assert_eq!(tokens().open_resume("desk", &token).unwrap(), Some(CURSOR));
        assert!(tokens().open_resume("another", &token).is_err());
        assert!(Tokens::new([8; 32]).open_resume("desk", &token).is_err());
        assert!(tokens().open_page("desk", &token).is_err());
        for index in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
            assert!(tokens().open_resume("desk", std::str::from_utf8(&wrong).unwrap()).is_err());
        }
        for text in ["0", "zz", "é", "00", "0000000"] {
            assert!(tokens().open_resume("desk", text).is_err(), "{text}");
        }
    }

    #[test]
    fn nobody_reads_in_a_token_when_something_happened() {
        let token = || tokens().resume("desk", Some(CURSOR)).unwrap();
        let first = token();
        assert_ne!(first, token(), "nor whether anything did");
        assert!(!first.contains(&format!("{:x}", CURSOR.millis)), "{first}");
        // What the version before made was no secret, and none that somebody makes up is taken.
        let plain = "0000018bcfe5680000000000000000074c072a26";
        assert!(tokens().open_resume("desk", plain).is_err());
    }
}

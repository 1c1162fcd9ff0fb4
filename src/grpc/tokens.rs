//! Opaque tokens: where a list or a watch goes on. A check keeps a token of one list from being
//! used for another, and a mistyped one from going on somewhere else.

use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::status;
use crate::core::CaseId;
use crate::desk::{Cursor, Position};

const CHECK_BYTES: usize = 4;

/// A token for `scope` that holds `bytes`, as hexadecimal digits.
fn seal(scope: &str, bytes: &[u8]) -> String {
    let check = check(scope, bytes);
    bytes.iter().chain(&check).map(|byte| format!("{byte:02x}")).collect()
}

fn open(scope: &str, token: &str) -> Option<Vec<u8>> {
    if !token.is_ascii() || !token.len().is_multiple_of(2) {
        return None;
    }
    let byte = |index: usize| u8::from_str_radix(token.get(index..index + 2)?, 16).ok();
    let mut bytes: Vec<u8> = (0..token.len()).step_by(2).map(byte).collect::<Option<_>>()?;
    let found = bytes.split_off(bytes.len().checked_sub(CHECK_BYTES)?);
    (check(scope, &bytes).as_slice() == found).then_some(bytes)
}

fn check(scope: &str, bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new().chain_update(scope).chain_update([0]).chain_update(bytes).finalize();
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&digest[..CHECK_BYTES]);
    check
}

pub(super) fn page(scope: &str, position: Position) -> String {
    let mut bytes = position.score.to_be_bytes().to_vec();
    bytes.extend_from_slice(position.id.compact().as_bytes());
    seal(scope, &bytes)
}

/// Where a list goes on; `None` for an empty token, which is the first page.
pub(super) fn open_page(scope: &str, token: &str) -> Result<Option<Position>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let bytes = open(scope, token)?;
        let (score, id) = bytes.split_first_chunk::<8>()?;
        let id: CaseId = std::str::from_utf8(id).ok()?.parse().ok()?;
        Some(Position { score: u64::from_be_bytes(*score), id })
    };
    read().map(Some).ok_or_else(status::bad_token)
}

pub(super) fn resume(scope: &str, cursor: Cursor) -> String {
    let mut bytes = cursor.millis.to_be_bytes().to_vec();
    bytes.extend_from_slice(&cursor.sequence.to_be_bytes());
    seal(scope, &bytes)
}

/// Where a watch goes on; `None` for an empty token, which begins with a snapshot.
pub(super) fn open_resume(scope: &str, token: &str) -> Result<Option<Cursor>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = || {
        let bytes = open(scope, token)?;
        let (millis, sequence) = bytes.split_first_chunk::<8>()?;
        let sequence = <[u8; 8]>::try_from(sequence).ok()?;
        Some(Cursor { millis: u64::from_be_bytes(*millis), sequence: u64::from_be_bytes(sequence) })
    };
    read().map(Some).ok_or_else(status::bad_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_where_it_was_made_and_nowhere_else() {
        let cursor = Cursor { millis: 1_700_000_000_000, sequence: 7 };
        let token = resume("desk", cursor);
        assert_eq!(open_resume("desk", &token).unwrap(), Some(cursor));
        assert!(open_resume("another", &token).is_err());
        assert!(open_page("desk", &token).is_err());
        for index in 0..token.len() {
            let mut wrong = token.clone().into_bytes();
            wrong[index] = if wrong[index] == b'0' { b'1' } else { b'0' };
            assert!(open_resume("desk", std::str::from_utf8(&wrong).unwrap()).is_err());
        }
        for text in ["0", "zz", "é", "00", "0000000"] {
            assert!(open_resume("desk", text).is_err(), "{text}");
        }
    }
}

//! The part of the contract that is about the key of the fingerprints.

use urgence::core::Fingerprint;
use urgence::fingerprint::FingerprintKey;
use urgence::store::Store as _;

use super::Backend;

fn check(key: u8) -> Fingerprint {
    FingerprintKey::new([key; 32]).check_value()
}

pub(super) async fn the_first_key_of_fingerprints_is_that_of_all(backend: &impl Backend) {
    let store = backend.store();
    let agrees = async |key: u8| store.agree_on_key(check(key)).await.unwrap();
    let limit = |bytes: &str| {
        if let Some(redis) = backend.redis() {
            redis.command(&["CONFIG", "SET", "maxmemory", bytes]);
        }
    };
    // Whoever starts beside a full Redis is needed all the more.
    limit("1");
    assert!(agrees(1).await);
    assert!(!agrees(2).await);
    limit("0");
    assert!(agrees(1).await && !agrees(2).await, "who was refused has changed nothing");
    // What is kept is no fingerprint of anything, nor the key.
    if let Some(redis) = backend.redis() {
        let kept = redis.command(&["GET", "{urgence:main}:fingerprint-key"]);
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(kept, hex(&check(1).0));
        // As the manual says how a key is changed on purpose.
        redis.command(&["DEL", "{urgence:main}:fingerprint-key"]);
        assert!(agrees(2).await && !agrees(1).await);
    }
}

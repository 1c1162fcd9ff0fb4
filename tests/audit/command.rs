//! `urgence audit verify`, as whoever has the files alone runs it.

use std::path::Path;
use std::process::Command;

use urgence::audit::SEAL_EVERY;

use crate::{keys, log_of};

/// Whether it is content, and what it says.
fn verify(directory: &Path, more: &[&str]) -> (bool, String) {
    let key = keys()[0].to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_urgence"))
        .args(["audit", "verify", directory.to_str().unwrap(), "--public-key", &key])
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.success(), said)
}

#[tokio::test]
async fn it_says_what_is_signed_and_what_is_not_yet() {
    let directory = log_of(SEAL_EVERY + 3).await;
    let (is_content, said) = verify(&directory.0, &["--from", "3"]);
    assert!(is_content, "{said}");
    assert!(said.contains("entries 0 to 63 are as they were signed"), "{said}");
    assert!(said.contains("64 to 66 are not signed yet"), "{said}");
}

#[tokio::test]
async fn a_log_that_ends_before_what_must_be_there_is_none() {
    let directory = log_of(SEAL_EVERY + 3).await;
    for from in ["67", "5000"] {
        let (is_content, said) = verify(&directory.0, &["--from", from]);
        assert!(!is_content && said.contains(&format!("ends before entry {from}")), "{said}");
    }
}

#[tokio::test]
async fn files_of_which_nothing_is_signed_prove_nothing() {
    let directory = log_of(SEAL_EVERY - 1).await;
    let (is_content, said) = verify(&directory.0, &[]);
    assert!(!is_content && said.contains("nothing of what is here is signed"), "{said}");
}

//! `urgence audit` and `urgence receipt`: what either side checks offline, with public keys alone.

use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::audit::{Verified, check_first_response, check_receipt, verify};
use crate::sign::NoteVerifier;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Check the files of a log; says the first thing that is wrong, or which entries they do not hold,
    /// and fails.
    Verify(VerifyArguments),
}

#[derive(Args)]
pub(super) struct VerifyArguments {
    /// The directory of one desk's log, such as `data/audit/main`.
    directory: PathBuf,
    /// A public key that may have signed it, as the file `public-key` has it; several for several.
    #[arg(long = "public-key", required = true)]
    public_keys: Vec<NoteVerifier>,
    /// Entries that these files do not hold are no failure: this replica is known to have been away, and
    /// others hold them.
    #[arg(long)]
    gaps_allowed: bool,
    /// The first entry that these files must hold: those before it are known to lie elsewhere.
    #[arg(long, default_value_t = 0)]
    from: u64,
}

#[derive(Subcommand)]
pub(super) enum ReceiptCommand {
    /// Check a receipt: who signed it, and that the log has what it says.
    Verify(ReceiptArguments),
}

#[derive(Args)]
pub(super) struct ReceiptArguments {
    /// A public key of the provider; several for several.
    #[arg(long = "public-key", required = true)]
    public_keys: Vec<NoteVerifier>,
    /// The file of the receipt.
    #[arg(long)]
    receipt: PathBuf,
    /// The file of the signed record of the first response, if that is to be checked too.
    #[arg(long)]
    response_record: Option<PathBuf>,
    /// The file of the entry of the log.
    #[arg(long)]
    entry: PathBuf,
    /// The file of the inclusion proof.
    #[arg(long)]
    proof: PathBuf,
}

pub(super) fn run(command: &AuditCommand) -> ExitCode {
    let AuditCommand::Verify(arguments) = command;
    told(verify_log(arguments))
}

pub(super) fn run_receipt(command: &ReceiptCommand) -> ExitCode {
    let ReceiptCommand::Verify(arguments) = command;
    told(verify_receipt(arguments))
}

/// Says how it ended: to whoever reads the output where all is right, as an error otherwise.
fn told(outcome: Result<String, String>) -> ExitCode {
    let (is_right, text) = match outcome {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    // Whoever has closed the output sees the exit code.
    _ = if is_right {
        writeln!(std::io::stdout(), "{text}")
    } else {
        writeln!(std::io::stderr(), "{text}")
    };
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn verify_log(arguments: &VerifyArguments) -> Result<String, String> {
    let directory = &arguments.directory;
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let read = |name: &str| std::fs::read(directory.join(name));
    let found = verify(&names, &arguments.public_keys, read).map_err(|fault| fault.to_string())?;
    if found.size == 0 {
        return Err(format!("{}: there is no log", directory.display()));
    }
    if arguments.from >= found.size {
        return Err(format!(
            "{}: the log ends before entry {}, which these files must hold",
            directory.display(),
            arguments.from
        ));
    }
    if found.signed <= found.first {
        return Err(format!(
            "{}: nothing of what is here is signed, so whoever has the files may have written it anew",
            directory.display()
        ));
    }
    let is_lacked = |missing: &&Range<u64>| !arguments.gaps_allowed && missing.end > arguments.from;
    let lacked: Vec<Range<u64>> = found.missing.iter().filter(is_lacked).cloned().collect();
    if !lacked.is_empty() {
        return Err(format!(
            "{} are not here, though the log has them; what is here is as it was written. Look for \
             them at another replica, and say --gaps-allowed or --from where that is as it should be",
            ranges(&lacked)
        ));
    }
    let Verified { first, size, signed, missing } = &found;
    let mut said = format!("entries {first} to {} are as they were signed", signed - 1);
    if signed < size {
        let last = size - 1;
        said = format!("{said}; {signed} to {last} are not signed yet, and prove nothing");
    }
    if !missing.is_empty() {
        said = format!("{said}; {} are not here", ranges(missing));
    }
    Ok(said)
}

/// Such as "entries 0 to 63, 128 to 191".
fn ranges(missing: &[Range<u64>]) -> String {
    let named = |range: &Range<u64>| format!("{} to {}", range.start, range.end - 1);
    format!("entries {}", missing.iter().map(named).collect::<Vec<_>>().join(", "))
}

fn verify_receipt(arguments: &ReceiptArguments) -> Result<String, String> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let keys = &arguments.public_keys;
    let (receipt, entry) = (read(&arguments.receipt)?, read(&arguments.entry)?);
    let proof = read(&arguments.proof)?;
    let receipt =
        check_receipt(&receipt, &entry, &proof, keys).map_err(|error| error.to_string())?;
    let mut said = format!("the request was accepted as the receipt of {} says", receipt.case);
    if let Some(path) = &arguments.response_record {
        let record = check_first_response(&read(path)?, &receipt, keys);
        let record = record.map_err(|error| error.to_string())?;
        let seconds = record.waited_ms / 1_000;
        said = format!("{said}, and first answered after {seconds} s ({})", record.punctuality);
    }
    Ok(said)
}

//! Compiles the contract in pure Rust: the machine that builds needs no protoc.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

/// Messages that hold what was said. They get a `Debug` by hand that prints none of it.
const CONTENT: [&str; 50] = [
    ".urgence.v1.EmergencyRequest",
    ".urgence.v1.Requester",
    ".urgence.v1.Emergency",
    ".urgence.v1.PersonAtRisk",
    ".urgence.v1.Target",
    ".urgence.v1.DataScope",
    ".urgence.v1.Justification",
    ".urgence.v1.RespondRequest",
    ".urgence.v1.RedirectedAnswer",
    ".urgence.v1.NeedInformationAnswer",
    ".urgence.v1.ResponseContent",
    ".urgence.v1.Contact",
    ".urgence.v1.CaseEntry",
    ".urgence.v1.CaseEntry.said",
    ".urgence.v1.UpdateEntry",
    ".urgence.v1.QuestionsEntry",
    ".urgence.v1.InformationEntry",
    ".urgence.v1.OutcomeEntry",
    ".urgence.v1.ManifestItem",
    ".urgence.v1.WithdrawalEntry",
    ".urgence.v1.PreservationEntry",
    ".urgence.v1.DeliveryEntry",
    ".urgence.v1.HandOverEntry",
    ".urgence.v1.ReclassificationEntry",
    ".urgence.v1.VerificationEntry",
    ".urgence.v1.ConflictEntry",
    ".urgence.v1.ConflictOfLaw",
    ".urgence.v1.LinkEntry",
    ".urgence.v1.ProposalEntry",
    ".urgence.v1.ClockEntry",
    ".urgence.v1.LegalHoldEntry",
    ".urgence.v1.HandOverRequest",
    ".urgence.v1.SendUpdateRequest",
    ".urgence.v1.AskForInformationRequest",
    ".urgence.v1.ProvideInformationRequest",
    ".urgence.v1.OpenIncidentRequest",
    ".urgence.v1.ProposeOutcomeRequest",
    ".urgence.v1.Incident",
    ".urgence.v1.DeskServiceGetResponse",
    ".urgence.v1.IntakeServiceGetResponse",
    ".urgence.v1.RecordVerificationRequest",
    ".urgence.v1.RecordConflictRequest",
    ".urgence.v1.ReclassifyRequest",
    ".urgence.v1.LinkDuplicateRequest",
    ".urgence.v1.PauseClockRequest",
    ".urgence.v1.SettleClockRequest",
    ".urgence.v1.WithdrawRequest",
    ".urgence.v1.RequestPreservationRequest",
    ".urgence.v1.ConfirmDeliveryRequest",
    ".urgence.v1.SetLegalHoldRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = fs::read_dir("proto/urgence/v1")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    println!("cargo::rerun-if-changed=proto");

    let descriptors = protox::compile(&files, ["proto"])?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    fs::write(Path::new(&out).join("urgence.binpb"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .codec_path("crate::grpc::codec::Codec")
        .skip_debug(CONTENT)
        .compile_fds(descriptors)?;
    Ok(())
}

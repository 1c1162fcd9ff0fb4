//! Compiles the contract in pure Rust: the machine that builds needs no protoc.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

/// Messages that hold what was said. They get a `Debug` by hand that prints none of it.
const CONTENT: [&str; 12] = [
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

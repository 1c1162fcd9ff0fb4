//! Compiles the contract in pure Rust: the machine that builds needs no protoc.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{FieldDescriptorProto, FileDescriptorSet};

/// The files all of whose messages hold what was said: a request, and the record of a case.
const CONTENT_FILES: [&str; 2] = ["urgence/v1/request.proto", "urgence/v1/record.proto"];

/// The texts that people write; a message with one of them holds what was said, wherever it stands.
const CONTENT_FIELDS: [&str; 13] = [
    "message",
    "questions",
    "redirect_details",
    "details",
    "note",
    "reason",
    "decision",
    "justification",
    "facts",
    "incident_facts",
    "tag",
    "phone",
    "email",
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
    let content = content(&descriptors);
    fs::write(Path::new(&out).join("redacted.rs"), redacted(&content))?;
    tonic_prost_build::configure()
        .codec_path("crate::grpc::codec::Codec")
        .skip_debug(content.iter().map(|name| format!(".urgence.v1.{name}")))
        .compile_fds(descriptors)?;
    Ok(())
}

/// The messages that hold what was said.
fn content(descriptors: &FileDescriptorSet) -> Vec<String> {
    let mut found = Vec::new();
    for file in &descriptors.file {
        for message in &file.message_type {
            let is_text = |field: &FieldDescriptorProto| {
                field.r#type() == Type::String && CONTENT_FIELDS.contains(&field.name())
            };
            if CONTENT_FILES.contains(&file.name()) || message.field.iter().any(is_text) {
                found.push(message.name().to_owned());
            }
        }
    }
    found
}

/// A `Debug` for each of them that shows its name alone.
fn redacted(messages: &[String]) -> String {
    let of = |name: &String| {
        format!(
            "impl std::fmt::Debug for {name} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) \
             -> std::fmt::Result {{\n        f.write_str(\"{name}\")\n    }}\n}}\n"
        )
    };
    messages.iter().map(of).collect()
}

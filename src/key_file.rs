//! Files of 32 secret bytes: read, or made at the first start from the system's randomness.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// How many bytes such a file holds.
pub const KEY_BYTES: usize = 32;

/// Reads a key.
///
/// # Errors
/// The file cannot be read, or does not hold 32 bytes.
pub fn load(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    std::fs::read(path)?.try_into().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "a key file must hold exactly 32 bytes")
    })
}

/// Reads a key, or makes one in a file that only its owner may read if there is no such file.
///
/// # Errors
/// The file cannot be read or made, or does not hold 32 bytes.
pub fn load_or_create(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    match load(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path),
        loaded => loaded,
    }
}

fn create(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    // Written beside it and then linked: whoever looks finds the whole key or none.
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let beside = path.with_extension(format!("{process}-{thread:?}"));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&key)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Ok(()) => Ok(key),
        // Another process was faster; its key is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load(path),
        Err(error) => Err(error),
    }
}

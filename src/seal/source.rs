//! Where the key-encryption keys come from: a file, or a command that asks whoever keeps them.

use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretBox};
use zeroize::Zeroizing;

use super::key::{KEY_BYTES, KeyEncryptionKey, Secret, random_secret};
use super::{SealError, encoding, key_file};

/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what it says is read; a hundred keys have less.
const OUTPUT_MAX: u16 = 8 * 1024;

/// Where the key-encryption keys come from. There may be several, one a line, so that one can take the
/// place of another; the first wraps the first data keys.
#[derive(Clone)]
pub enum KeyEncryptionKeys {
    /// A file of 32 bytes, or of 64 hexadecimal digits a line.
    File(PathBuf),
    /// The same, made at the first start.
    OwnFile(PathBuf),
    /// A command of the shell that prints 64 hexadecimal digits a line.
    Command {
        /// The command.
        line: String,
        /// How long it may take.
        timeout: Duration,
    },
}

impl fmt::Debug for KeyEncryptionKeys {
    /// A command may say more than it should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

impl KeyEncryptionKeys {
    /// A command with the usual time limit.
    #[must_use]
    pub fn command(line: impl Into<String>) -> Self {
        Self::Command { line: line.into(), timeout: COMMAND_TIMEOUT }
    }

    fn origin(&self) -> String {
        match self {
            Self::File(path) | Self::OwnFile(path) => path.display().to_string(),
            Self::Command { .. } => "the command".to_owned(),
        }
    }

    /// The keys, at least one.
    pub(super) fn load(&self) -> Result<Vec<Arc<KeyEncryptionKey>>, SealError> {
        let bytes = match self {
            Self::File(path) => read(path)?,
            Self::OwnFile(path) => match read(path) {
                Err(SealError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    create(path)?;
                    read(path)?
                }
                found => found?,
            },
            Self::Command { line, timeout } => {
                run(line, *timeout).map_err(|problem| self.bad(problem))?
            }
        };
        let secrets = parse(&bytes).ok_or_else(|| {
            self.bad("it must be 32 bytes, or 64 hexadecimal digits on each line")
        })?;
        Ok(secrets.into_iter().map(|secret| Arc::new(KeyEncryptionKey::new(secret))).collect())
    }

    fn bad(&self, problem: &'static str) -> SealError {
        SealError::BadKeyEncryptionKey { origin: self.origin(), problem }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SealError> {
    std::fs::read(path).map(Zeroizing::new).map_err(key_file::failed("read", path))
}

/// Another process may be faster; its key is the one.
fn create(path: &Path) -> Result<(), SealError> {
    let text = Zeroizing::new(encoding::encode(random_secret()?.expose_secret()) + "\n");
    match key_file::write_new(path, text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(key_file::failed("make", path)(error))
        }
        _ => Ok(()),
    }
}

/// `None` when that is no list of keys.
fn parse(bytes: &[u8]) -> Option<Vec<Secret>> {
    let secret = |write: &mut dyn FnMut(&mut [u8]) -> bool| -> Option<Secret> {
        let mut is_good = false;
        let secret =
            SecretBox::init_with_mut(|secret: &mut [u8; KEY_BYTES]| is_good = write(secret));
        is_good.then_some(secret)
    };
    if bytes.len() == KEY_BYTES {
        let mut copy = |secret: &mut [u8]| {
            secret.copy_from_slice(bytes);
            true
        };
        return secret(&mut copy).map(|secret| vec![secret]);
    }
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let spelled = lines.filter(|line| !line.is_empty());
    let keys: Option<Vec<Secret>> =
        spelled.map(|line| secret(&mut |bytes| encoding::decode_into(line, bytes))).collect();
    keys.filter(|keys| !keys.is_empty())
}

/// What the command prints. What it says to stderr is for nobody: it may hold the key.
fn run(line: &str, timeout: Duration) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let mut child = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| "the shell cannot be started")?;
    let output = child.stdout.take().expect("its output is piped");
    let (finished, is_finished) = channel();
    // Joined by nobody: what the command has left behind may hold its output open for ever.
    std::thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(OUTPUT_MAX.into()));
        let read = output.take(OUTPUT_MAX.into()).read_to_end(&mut bytes).map(|_| bytes);
        _ = finished.send(read);
    });
    let read = is_finished.recv_timeout(timeout);
    // One that has closed its output and goes on has nothing more to say.
    let status = end(&mut child, read.is_ok());
    match (read, status) {
        (Err(_), _) => Err("the command did not end in time"),
        (Ok(Err(_)), _) => Err("what the command prints cannot be read"),
        (Ok(Ok(_)), false) => Err("the command failed"),
        (Ok(Ok(bytes)), true) => Ok(bytes),
    }
}

/// Whether the command has ended well by itself.
fn end(child: &mut Child, is_awaited: bool) -> bool {
    const LOOKS: u32 = 100;
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    for _ in 0..if is_awaited { LOOKS } else { 0 } {
        if let Ok(Some(status)) = child.try_wait() {
            return status.success();
        }
        std::thread::sleep(LOOK_EVERY);
    }
    _ = child.kill();
    _ = child.wait();
    false
}

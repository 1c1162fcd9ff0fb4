//! One Redis process: our child, or one that an earlier run left behind.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How often a process that is not our child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A running Redis.
#[derive(Debug)]
pub(super) enum Server {
    Child { pid: u32, child: Child },
    Adopted { pid: u32 },
}

impl Server {
    pub(super) const fn pid(&self) -> u32 {
        match self {
            Self::Child { pid, .. } | Self::Adopted { pid } => *pid,
        }
    }

    /// Returns once the process has ended.
    pub(super) async fn ended(&mut self) {
        match self {
            // Waiting fails only for a child that was waited for before.
            Self::Child { child, .. } => _ = child.wait().await,
            Self::Adopted { pid } => {
                while is_redis(*pid) {
                    sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}

/// Starts `program` in `directory`, in a process group of its own: a Ctrl-C meant for us must not
/// stop it before we have stopped using it.
pub(super) fn spawn(program: &str, directory: &Path, arguments: &[&str]) -> io::Result<Server> {
    let child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let pid = child.id().ok_or_else(|| io::Error::other("it ended at once"))?;
    Ok(Server::Child { pid, child })
}

/// The Redis that works in `directory`, if one does. It is found by its working directory, which it
/// has from its first instant to its last, and not by a file that a crash may leave wrong.
pub(super) fn find(directory: &Path) -> Option<Server> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| {
            let works_in = fs::read_link(format!("/proc/{pid}/cwd"));
            works_in.is_ok_and(|works_in| works_in == directory) && is_redis(*pid)
        })
        .map(|pid| Server::Adopted { pid })
}

/// Whether `pid` runs, and is a Redis. A process that only waits to be buried does not run.
fn is_redis(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
    };
    matches!(field("Name:"), "redis-server" | "valkey-server") && !field("State:").starts_with('Z')
}

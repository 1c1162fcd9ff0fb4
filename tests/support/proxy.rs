//! A faulty network in front of Redis: bytes pass until a fault is armed and a client's bytes hold
//! the pattern; then exactly that fault happens, and is counted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::wait::pace;

/// What the commit script answers when it has written: the proof that a cut came after the write.
const APPLIED: &[u8] = b"written";
/// A commit of these tests is far smaller, so that a pattern is never split over two reads.
const READ_MAX: usize = 256 * 1024;
/// An answer of the commit script has some 45 bytes: dripped, it takes a good part of a second.
const DRIP_EVERY: Duration = Duration::from_millis(5);

/// What happens to a connection whose client sends the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Redis carries it out, and both sides are cut off before the client hears of it.
    CutAfterApply,
    /// Both sides are cut off, and Redis never sees it.
    CutBefore,
    /// Redis carries it out and the client hears nothing any more, on sockets that stay open.
    Hang,
    /// The client gets its answers byte by byte.
    Drip,
}

/// A proxy on a port of its own. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    upstream: u16,
    pattern: &'static [u8],
    /// The fault to come and how many more times it is to happen. `None` lets everything pass.
    armed: Mutex<Option<(Fault, usize)>>,
    bitten: AtomicUsize,
    /// Whether the connections open now are to end; raised by [`Proxy::cut_all`].
    round: watch::Sender<u64>,
}

impl Proxy {
    /// Starts a proxy in front of 127.0.0.1:`upstream`. Faults meet only what holds `pattern`.
    pub(crate) async fn start(upstream: u16, pattern: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            upstream,
            pattern,
            armed: Mutex::new(None),
            bitten: AtomicUsize::new(0),
            round: watch::Sender::new(0),
        });
        let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, listening: serving.abort_handle() }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Lets `fault` happen to the next `times` requests that hold the pattern; then all pass again.
    pub(crate) fn arm(&self, fault: Fault, times: usize) {
        *self.shared.armed() = if times > 0 { Some((fault, times)) } else { None };
    }

    /// Lets everything pass that comes from now on.
    pub(crate) fn disarm(&self) {
        *self.shared.armed() = None;
    }

    /// How often a fault has really happened: an answer was withheld or dripped, or a request cut.
    pub(crate) fn bitten(&self) -> usize {
        self.shared.bitten.load(Ordering::SeqCst)
    }

    /// Cuts every connection that is open now.
    pub(crate) fn cut_all(&self) {
        self.shared.round.send_modify(|round| *round += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut_all();
    }
}

impl Shared {
    fn armed(&self) -> std::sync::MutexGuard<'_, Option<(Fault, usize)>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that these bytes of a client meet, if any; it is used up by that.
    fn meet(&self, bytes: &[u8]) -> Option<Fault> {
        let mut armed = self.armed();
        let (fault, times) = (*armed)?;
        if !holds(bytes, self.pattern) {
            return None;
        }
        *armed = (times > 1).then(|| (fault, times - 1));
        Some(fault)
    }

    fn bite(&self) {
        self.bitten.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut round = shared.round.subscribe();
            // Without Redis behind it, a client sees its connection closed at once.
            let Ok(server) = TcpStream::connect(("127.0.0.1", shared.upstream)).await else {
                return;
            };
            // A proxy must not add a delay of its own to what it lets pass.
            _ = client.set_nodelay(true).and(server.set_nodelay(true));
            tokio::select! {
                () = connection(client, server, &shared) => {}
                _ = round.changed() => {}
            }
        });
    }
}

/// Carries bytes both ways until either side, or a fault, ends it. Returning drops both sockets.
async fn connection(client: TcpStream, server: TcpStream, shared: &Shared) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (fault, met) = watch::channel(None);
    tokio::select! {
        () = requests(from_client, to_server, shared, &fault) => {}
        () = answers(from_server, to_client, shared, &met) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    fault: &watch::Sender<Option<Fault>>,
) {
    let mut buffer = vec![0; READ_MAX];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if let Some(met) = shared.meet(bytes) {
            if met == Fault::CutBefore {
                shared.bite();
                return;
            }
            // It is known before Redis can answer, so that no answer slips through.
            fault.send_replace(Some(met));
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    met: &watch::Receiver<Option<Fault>>,
) {
    let mut buffer = vec![0; READ_MAX];
    let mut withheld = Vec::new();
    let mut is_counted = false;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let fault = *met.borrow();
        let sent = match fault {
            None => to.write_all(bytes).await,
            Some(Fault::Drip) => {
                if !std::mem::replace(&mut is_counted, true) {
                    shared.bite();
                }
                drip(&mut to, bytes).await
            }
            Some(Fault::CutAfterApply | Fault::Hang | Fault::CutBefore) => {
                withheld.extend_from_slice(bytes);
                if !is_counted && holds(&withheld, APPLIED) {
                    is_counted = true;
                    shared.bite();
                }
                if is_counted && fault == Some(Fault::CutAfterApply) {
                    return;
                }
                // What is no answer to the commit, such as "script unknown", goes on when the
                // connection is to be cut: the commit is still to come. A hung one says nothing.
                if fault == Some(Fault::CutAfterApply) { to.write_all(bytes).await } else { Ok(()) }
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn drip(to: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    let mut drops = pace(DRIP_EVERY);
    for byte in bytes {
        drops.tick().await;
        to.write_all(std::slice::from_ref(byte)).await?;
    }
    Ok(())
}

fn holds(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

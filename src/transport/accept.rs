//! The accept loop. Nothing that a peer or the operating system does ends it: an error is told, waited
//! out and tried again, and what a peer delays is delayed for its own address alone.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;

use super::Limits;
use super::connection::Connection;
use super::places::{Place, Places};
use super::tls::Tls;
use crate::clock::monotonic_now;
use crate::telemetry::metrics::{self, Cap, Handshake, Port};

/// How long to wait when the operating system has no socket to give; closing ones free some.
const PAUSE: Duration = Duration::from_millis(100);
/// How often that is told, which happens many times a second.
const TOLD_EVERY: Duration = Duration::from_mins(1);
/// Connections that are ready and not yet taken by the server.
const READY_MAX: usize = 64;

/// A port that is to be opened.
pub struct Door {
    /// Which one.
    pub port: Port,
    /// Mutual TLS; without it, loopback only.
    pub tls: Option<Arc<Tls>>,
    /// How much of it anybody may hold.
    pub limits: Limits,
}

/// The connections that come in, until the stop.
pub struct Incoming {
    connections: mpsc::Receiver<Connection>,
}

impl Door {
    /// Accepts on `listener` until `stop`, in a task of its own.
    #[must_use]
    pub fn open(self, listener: TcpListener, stop: CancellationToken) -> Incoming {
        let (ready, connections) = mpsc::channel(READY_MAX);
        let Self { port, tls, limits } = self;
        let entrance = Entrance {
            port,
            tls,
            places: Arc::new(Places::new(port, limits.clone())),
            limits,
            ready,
            stop,
        };
        tokio::spawn(Arc::new(entrance).accept(listener));
        Incoming { connections }
    }
}

impl Incoming {
    /// The next connection; `None` after the stop.
    pub async fn next(&mut self) -> Option<Connection> {
        self.connections.recv().await
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().connections.poll_recv(context).map(|next| next.map(Ok))
    }
}

struct Entrance {
    port: Port,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    places: Arc<Places>,
    ready: mpsc::Sender<Connection>,
    stop: CancellationToken,
}

impl Entrance {
    async fn accept(self: Arc<Self>, listener: TcpListener) {
        let mut told_at = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = self.ready.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, from)) => self.take(socket, from),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    let now = monotonic_now();
                    if told_at.is_none_or(|told_at| now >= told_at + TOLD_EVERY) {
                        told_at = Some(now);
                        let port = self.port.word();
                        tracing::error!(%error, port, "no connection can be accepted; trying on");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Lets a connection in, unless a cap forbids it: then it is closed at once.
    fn take(self: &Arc<Self>, socket: TcpStream, from: SocketAddr) {
        match self.places.take(from.ip()) {
            Ok(place) => {
                let entrance = Arc::clone(self);
                let gives_way = place.gives_way.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = entrance.stop.cancelled() => {}
                        () = gives_way.cancelled() => metrics::connection_refused(Cap::Handshakes),
                        () = entrance.admit(socket, place) => {}
                    }
                });
            }
            Err(cap) => metrics::connection_refused(cap),
        }
    }

    async fn admit(&self, socket: TcpStream, mut place: Place) {
        // Without it small answers wait 40 ms for an acknowledgement. One that cannot have it has gone.
        _ = socket.set_nodelay(true);
        let (limits, stop) = (&self.limits, self.stop.clone());
        let Some(tls) = &self.tls else {
            return match place.keep(None) {
                Ok(()) => _ = self.ready.send(Connection::plain(socket, place, limits, stop)).await,
                Err(cap) => metrics::connection_refused(cap),
            };
        };
        let greeting = async {
            // What one address drags out delays itself alone.
            let _turn = place.handshakes.acquire().await;
            tls.accept(socket, self.port).await
        };
        let greeted = timeout(limits.handshake_timeout, greeting).await;
        let greeted = match greeted.unwrap_or(Err(Handshake::TimedOut)) {
            Ok(greeted) => greeted,
            Err(why) => {
                tracing::debug!(why = why.word(), "a handshake has failed");
                return metrics::handshake(why);
            }
        };
        metrics::handshake(Handshake::Accepted);
        if let Err(cap) = place.keep(Some(&greeted.peer.identity.uri)) {
            return metrics::connection_refused(cap);
        }
        _ = self.ready.send(Connection::tls(greeted, place, limits, stop)).await;
    }
}

/// Whether the connection, not the listener, is what failed.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

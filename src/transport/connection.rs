//! A connection whose peer is known and whose life is bounded. Its end is part of it: reading and writing
//! fail once it has come, whatever the protocol above waits for, so that no peer can hold a place, or a
//! stop, by doing nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::places::Place;
use super::tls::Remembered;
use super::{Limits, Peer, PeerOfConnection};
use crate::telemetry::metrics::{self, Cut};

/// The first words of HTTP/2, which every client sends at once; a request of HTTP/1.1 is longer.
const FIRST_WORDS_BYTES: u64 = 24;

/// An open connection.
pub struct Connection {
    io: Io,
    peer: PeerOfConnection,
    heard: Arc<Heard>,
    /// `None` once it has come.
    end: Option<Pin<Box<dyn Future<Output = Cut> + Send>>>,
    _remembered: Option<Remembered>,
    _place: Place,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A handshake that ended well.
pub(super) struct Greeted {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) peer: Arc<Peer>,
    /// How much longer the certificate, and that of its authority, are valid.
    pub(super) valid_for: Duration,
    pub(super) remembered: Remembered,
}

/// How many bytes the peer has sent.
#[derive(Default)]
struct Heard(AtomicU64);

impl Heard {
    fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn is_silent(&self) -> bool {
        self.bytes() < FIRST_WORDS_BYTES
    }
}

impl Connection {
    pub(super) fn plain(
        socket: TcpStream,
        place: Place,
        limits: &Limits,
        stop: CancellationToken,
    ) -> Self {
        Self::new(Io::Plain(socket), None, place, limits, stop)
    }

    pub(super) fn tls(
        greeted: Greeted,
        place: Place,
        limits: &Limits,
        stop: CancellationToken,
    ) -> Self {
        let Greeted { stream, peer, valid_for, remembered } = greeted;
        let known = Some((peer, valid_for, remembered));
        Self::new(Io::Tls(Box::new(stream)), known, place, limits, stop)
    }

    fn new(
        io: Io,
        known: Option<(Arc<Peer>, Duration, Remembered)>,
        place: Place,
        limits: &Limits,
        stop: CancellationToken,
    ) -> Self {
        let heard = Arc::new(Heard::default());
        let held = known.as_ref().map(|(peer, valid_for, _)| (Arc::clone(peer), *valid_for));
        let end = Box::pin(end(Arc::clone(&heard), held, limits.clone(), stop));
        let (peer, remembered) = match known {
            Some((peer, _, remembered)) => (Some(peer), Some(remembered)),
            None => (None, None),
        };
        Self { io, peer, heard, end: Some(end), _remembered: remembered, _place: place }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> PeerOfConnection {
        self.peer.clone()
    }

    /// Fails once the connection's end has come; until then its task is woken when it comes.
    fn poll_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(end) = &mut self.end {
            let Poll::Ready(cut) = end.as_mut().poll(context) else { return Ok(()) };
            self.end = None;
            metrics::connection_cut(cut);
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn io(&mut self) -> Pin<&mut dyn Both> {
        match &mut self.io {
            Io::Plain(socket) => Pin::new(socket),
            Io::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Both for T {}

/// Returns when the connection has to be cut, and why.
async fn end(
    heard: Arc<Heard>,
    known: Option<(Arc<Peer>, Duration)>,
    limits: Limits,
    stop: CancellationToken,
) -> Cut {
    let silent = async {
        sleep(limits.silence_max).await;
        if !heard.is_silent() {
            std::future::pending::<()>().await;
        }
    };
    let revoked = async {
        let Some((peer, valid_for)) = known else { return std::future::pending().await };
        tokio::select! {
            () = peer.revoked.cancelled() => {}
            () = sleep(valid_for) => peer.revoked.cancel(),
        }
        sleep(limits.revoked_grace).await;
    };
    let stopping = async {
        stop.cancelled().await;
        let before = heard.bytes();
        if heard.is_silent() {
            return;
        }
        // A peer that lives answers the request to leave within moments.
        sleep(limits.stop_silence_max).await;
        if heard.bytes() != before {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = revoked => Cut::Revoked,
        () = stopping => Cut::Stopping,
        () = silent => Cut::Silent,
        () = sleep(limits.age_end()) => Cut::Aged,
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_end(context)?;
        let before = buffer.filled().len();
        let read = ready!(this.io().poll_read(context, buffer));
        let count = buffer.filled().len().saturating_sub(before);
        this.heard.0.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_end(context)?;
        this.io().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.poll_end(context)?;
        this.io().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(socket) => socket.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_end(context)?;
        this.io().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.poll_end(context)?;
        this.io().poll_shutdown(context)
    }
}

//! Peers that do what no client does: others are served meanwhile, and the stop ends in its time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use urgence::transport::{Limits, Peer};

use crate::client::{FIRST_WORDS, until_closed};
use crate::stage::{PATIENCE, Stage, is_answered, listen, serve};

/// A connection from another address of this machine that says only this.
async fn drags(to: SocketAddr, words: &[u8]) -> TcpStream {
    drags_from([127, 0, 0, 9], to, words).await
}

async fn drags_from(address: [u8; 4], to: SocketAddr, words: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let mut stream = socket.connect(to).await.unwrap();
    // One that is refused at once may have been closed by now.
    _ = stream.write_all(words).await;
    stream
}

/// The head of a TLS record whose rest never comes.
const BEGUN: &[u8] = b"\x16\x03\x01\x02\0\x01";

#[tokio::test]
async fn slow_handshakes_delay_nobody_else_and_end() {
    let limits =
        Limits { handshakes_per_address_max: 4, handshake_timeout: PATIENCE, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let mut slow = Vec::new();
    for count in 0..40 {
        slow.push(drags(stage.address, if count % 2 == 0 { BEGUN } else { b"" }).await);
    }
    // They wait for the turns of their own address, and hold nobody else's.
    let ana = stage.ana();
    for _ in 0..5 {
        let greeted = timeout(PATIENCE / 2, ana.greeted(stage.address)).await;
        greeted.expect("others need not wait for them").unwrap();
    }
    for stream in &mut slow {
        timeout(PATIENCE * 2, until_closed(stream)).await.expect("a slow one is cut");
    }
}

#[tokio::test]
async fn strangers_from_many_addresses_keep_nobody_out_who_is_known() {
    let limits = Limits {
        connections_max: 8,
        connections_per_address_max: 6,
        handshakes_max: 32,
        // None of them gives its place back by itself while this goes on.
        handshake_timeout: PATIENCE * 10,
        ..Limits::default()
    };
    let stage = Stage::with(limits, false).await;
    let ana = stage.ana();
    let mut known = ana.greeted(stage.address).await.unwrap();
    let mut strangers = Vec::new();
    for count in 0_u8..120 {
        let words = if count % 2 == 0 { BEGUN } else { b"" };
        strangers.push(drags_from([127, 0, 1, count % 40], stage.address, words).await);
        if count % 10 == 0 {
            let greeted = timeout(PATIENCE, ana.greeted(stage.address)).await;
            greeted.expect("nobody waits for strangers").unwrap();
        }
    }
    // The others are told so at once: no more of them are held than there may be.
    let mut closed = 0;
    for stream in &mut strangers[..88] {
        closed += usize::from(timeout(PATIENCE, until_closed(stream)).await.is_ok());
    }
    assert_eq!(closed, 88);
    assert!(timeout(Duration::from_millis(100), until_closed(&mut known)).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let limits = Limits { handshake_timeout: PATIENCE * 10, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let mut slow = drags(stage.address, BEGUN).await;
    assert!(is_answered(&stage.ana(), stage.address).await);
    stage.stops_within(PATIENCE).await;
    timeout(PATIENCE, until_closed(&mut slow)).await.unwrap();
}

#[tokio::test]
async fn who_never_says_a_word_is_cut() {
    let limits = Limits { silence_max: Duration::from_secs(3), ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let mut speaking = stage.ana().greeted(stage.address).await.unwrap();
    let mut silent = stage.ana().connect(stage.address).await.unwrap();
    let mut mumbling = stage.ana().connect(stage.address).await.unwrap();
    mumbling.write_all(&FIRST_WORDS[..20]).await.unwrap();
    timeout(PATIENCE, until_closed(&mut silent)).await.expect("it is cut");
    timeout(PATIENCE, until_closed(&mut mumbling)).await.expect("it is cut");
    assert!(timeout(Duration::from_secs(4), until_closed(&mut speaking)).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_silent_with_tls() {
    let limits = Limits { silence_max: PATIENCE * 10, ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    let _silent = stage.ana().connect(stage.address).await.unwrap();
    let mut mumbling = stage.ana().connect(stage.address).await.unwrap();
    mumbling.write_all(&FIRST_WORDS[..20]).await.unwrap();
    assert!(is_answered(&stage.ana(), stage.address).await);
    stage.stops_within(PATIENCE).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_who_has_fallen_silent() {
    let limits = Limits { stop_silence_max: Duration::from_millis(500), ..Limits::default() };
    let stage = Stage::with(limits, false).await;
    // It has said its first words, and will never answer the request to leave.
    let _gone = stage.ana().greeted(stage.address).await.unwrap();
    stage.stops_within(PATIENCE).await;
}

#[tokio::test]
async fn a_plain_port_has_the_same_bounds() {
    let limits =
        Limits { connections_per_address_max: 2, silence_max: PATIENCE * 10, ..Limits::default() };
    let plain = Plain::with(limits).await;
    let _first = drags(plain.address, b"").await;
    let mut second = drags(plain.address, FIRST_WORDS).await;
    let mut third = drags(plain.address, b"").await;
    timeout(PATIENCE, until_closed(&mut third)).await.expect("one too many");
    assert!(timeout(Duration::from_millis(300), until_closed(&mut second)).await.is_err());
    drop(second);
    plain.stops().await;

    let limits = Limits { silence_max: Duration::from_millis(500), ..Limits::default() };
    let plain = Plain::with(limits).await;
    let mut silent = drags(plain.address, b"").await;
    timeout(PATIENCE, until_closed(&mut silent)).await.expect("a silent one is cut");
    plain.stops().await;
}

/// A port without certificates.
struct Plain {
    address: SocketAddr,
    stop: CancellationToken,
    peers: Arc<Mutex<Vec<Arc<Peer>>>>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Plain {
    async fn with(limits: Limits) -> Self {
        let (listener, address) = listen().await;
        let (stop, peers) = (CancellationToken::new(), Arc::new(Mutex::default()));
        let served = serve(listener, None, limits, &stop, &peers);
        Self { address, stop, peers, served }
    }

    async fn stops(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.served).await.expect("the stop ends").unwrap().unwrap();
        assert!(self.peers.lock().unwrap().is_empty(), "nobody is known without a certificate");
    }
}

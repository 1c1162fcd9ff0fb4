//! A receiver of pages: it answers as it is told and remembers what it was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How it answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// With this status and these headers.
    With(u16, &'static [(&'static str, &'static str)]),
    /// It breaks the connection.
    Reset,
    /// Not at all.
    Never,
    /// With 200, once it is told to.
    Late(Arc<Notify>),
    /// It begins with 200 and does not come to an end of its headers.
    Half,
    /// With 200 and the beginning of a body that never ends.
    EndlessBody,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When it came.
    pub(crate) at: std::time::Instant,
    pub(crate) line: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Receiver {
    port: u16,
    got: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Receiver {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(Mutex::new(answer));
        let (kept, told) = (Arc::clone(&got), Arc::clone(&answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept), Arc::clone(&told)));
            }
        });
        Self { port, got, answer }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn got(&self) -> Vec<Request> {
        self.got.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, got: Arc<Mutex<Vec<Request>>>, told: Arc<Mutex<Answer>>) {
    while let Some(request) = read(&mut stream).await {
        got.lock().unwrap().push(request);
        let answer = told.lock().unwrap().clone();
        let text = match answer {
            Answer::With(status, headers) => {
                let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
                let headers: String = headers.iter().map(line).collect();
                format!("HTTP/1.1 {status} Said\r\n{headers}content-length: 2\r\n\r\nok")
            }
            Answer::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Answer::Never => return std::future::pending().await,
            Answer::Late(told) => {
                told.notified().await;
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()
            }
            Answer::Half => "HTTP/1.1 200 OK\r\ncontent-le".to_owned(),
            Answer::EndlessBody => {
                "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n....".to_owned()
            }
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request of the connection.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(head + 4);
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.trim_end().lines();
    let line = lines.next()?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(header).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request { at: urgence::clock::monotonic_now(), line, headers, body })
}

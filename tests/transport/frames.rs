//! HTTP/2 by hand, for what no library sends.

use tokio::io::{AsyncRead, AsyncReadExt as _};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_HEADERS: u8 = 4;

/// `POST http://…/`, of the static table alone, and what gRPC asks for; the path is `path`.
pub fn call(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    // ":path" by its index, never kept.
    block.extend([0x04, u8::try_from(path.len()).unwrap()]);
    block.extend(path.as_bytes());
    for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
        block.extend(header(name, value));
    }
    block
}

/// One header, never kept, without the table.
pub fn header(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127, "longer ones need another form");
        block.push(u8::try_from(text.len()).unwrap());
        block.extend(text.as_bytes());
    }
    block
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The kinds of all frames until the server closes.
pub async fn kinds_until_closed(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    kinds_until(stream, None).await
}

/// The kinds of all frames until one of this kind, or until the server closes.
pub async fn kinds_until(stream: &mut (impl AsyncRead + Unpin), last: Option<u8>) -> Vec<u8> {
    let mut kinds = Vec::new();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        kinds.push(head[3]);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() || Some(head[3]) == last {
            break;
        }
    }
    kinds
}

//! Sequential lookups of one variable over the socket to a supervisor: through the resolver, and by the
//! bare exchange of the same frames. The supervisor is one that answers at once.

#![allow(
    missing_docs,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

#[path = "support/turns.rs"]
mod turns;

use std::{
    cell::RefCell,
    hint::black_box,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
};

use airflow_secrets::{
    Resolver,
    backends::supervisor::{Body, SupervisorBackend, TcpTransport},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use turns::Rounds;

fn body(json: &str) -> Vec<u8> {
    Body::from_json(json).unwrap().as_msgpack().to_vec()
}

fn framed(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, content].concat()
}

/// A supervisor that gives one answer to all requests.
fn supervisor() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let startup = body(r#"{"type": "StartupDetails", "ti": {}}"#);
        stream
            .write_all(&framed(&[&[0x92, 0][..], &startup].concat()))
            .unwrap();
        let answer = body(r#"{"type": "VariableResult", "key": "colour", "value": "blue"}"#);
        let mut request = [0; 4096];
        loop {
            // A request is small, and comes as a whole.
            let length = stream.read(&mut request).unwrap();
            if length == 0 {
                break;
            }
            // `[id, body]`, after the length.
            let content = &request[5..length];
            let end = match content[0] {
                0xcc => 2,
                0xcd => 3,
                0xce => 5,
                _ => 1,
            };
            let content = [&[0x92][..], &content[..end], &answer].concat();
            stream.write_all(&framed(&content)).unwrap();
        }
    });
    address
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (transport, _) = TcpTransport::connect(supervisor()).await.unwrap();
    let resolver = Resolver::builder()
        .backend(SupervisorBackend::new(transport))
        .build();
    let ours = async || {
        black_box(resolver.get_variable("colour").await.unwrap());
    };

    let mut bare = TcpStream::connect(supervisor()).await.unwrap();
    bare.set_nodelay(true).unwrap();
    let mut head = [0; 4];
    bare.read_exact(&mut head).await.unwrap();
    let mut startup = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
    bare.read_exact(&mut startup).await.unwrap();
    let request = body(r#"{"type": "GetVariable", "key": "colour"}"#);
    let request = framed(&[&[0x92, 1][..], &request].concat());
    let bare = RefCell::new(bare);
    #[allow(clippy::await_holding_refcell_ref, reason = "one at a time")]
    let exchange = async || {
        let mut bare = bare.borrow_mut();
        bare.write_all(&request).await.unwrap();
        let mut head = [0; 4];
        bare.read_exact(&mut head).await.unwrap();
        let mut answer = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
        bare.read_exact(&mut answer).await.unwrap();
        black_box(answer);
    };
    turns::compare(Rounds::of(151, 200), "the bare exchange", ours, exchange).await;

    // It cannot be quicker: one read, which counts on an answer that comes as a whole.
    #[allow(clippy::await_holding_refcell_ref, reason = "one at a time")]
    let one_read = async || {
        let mut bare = bare.borrow_mut();
        bare.write_all(&request).await.unwrap();
        let mut answer = [0; 4096];
        let length = bare.read(&mut answer).await.unwrap();
        black_box(&answer[..length]);
    };
    turns::compare(Rounds::of(151, 200), "one write, one read", ours, one_read).await;
}

//! Sequential lookups of one variable over the socket to a supervisor: through the resolver, by an exchange
//! of the same transport, and by the bare exchange of the same frames. The supervisor is one that answers
//! at once, and then one that takes a millisecond: Airflow's asks the API server, and takes several.

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
    time::Duration,
};

use airflow_secrets::{
    Resolver,
    backends::supervisor::{Body, SupervisorBackend, TcpTransport, Transport as _},
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

/// A supervisor that gives one answer to all requests, each after it has worked for so long.
fn supervisor(work: Duration) -> SocketAddr {
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
            if !work.is_zero() {
                thread::sleep(work);
            }
            stream.write_all(&framed(&content)).unwrap();
        }
    });
    address
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (transport, _) = TcpTransport::connect(supervisor(Duration::ZERO))
        .await
        .unwrap();
    let resolver = resolver(&transport);
    let ours = async || {
        black_box(resolver.get_variable("colour").await.unwrap());
    };
    let exchange = async || {
        let request = Body::from_json(QUESTION).unwrap();
        black_box(transport.exchange(request).await.unwrap());
    };
    let rounds = Rounds::of(151, 200);
    turns::compare(rounds, "an exchange of its transport", ours, exchange).await;

    let bare = Bare::connect(Duration::ZERO).await;
    let by_hand = async || bare.exchange().await;
    turns::compare(rounds, "the bare exchange", ours, by_hand).await;

    // It cannot be quicker: one read, which counts on an answer that comes as a whole.
    let one_read = async || bare.one_read().await;
    turns::compare(rounds, "one write, one read", ours, one_read).await;

    let work = Duration::from_millis(1);
    let (transport, _) = TcpTransport::connect(supervisor(work)).await.unwrap();
    let resolver = self::resolver(&transport);
    let ours = async || {
        black_box(resolver.get_variable("colour").await.unwrap());
    };
    let bare = Bare::connect(work).await;
    let by_hand = async || bare.exchange().await;
    let rounds = Rounds::of(21, 100);
    turns::compare(
        rounds,
        "the bare exchange, answered after 1 ms",
        ours,
        by_hand,
    )
    .await;
}

const QUESTION: &str = r#"{"type": "GetVariable", "key": "colour"}"#;

fn resolver(transport: &TcpTransport) -> Resolver {
    let backend = SupervisorBackend::new(transport.clone());
    Resolver::builder().backend(backend).build()
}

/// The same frames, one at a time, without a transport.
struct Bare {
    stream: RefCell<TcpStream>,
    request: Vec<u8>,
}

#[allow(clippy::await_holding_refcell_ref, reason = "one at a time")]
impl Bare {
    async fn connect(work: Duration) -> Self {
        let mut stream = TcpStream::connect(supervisor(work)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        frame(&mut stream).await;
        Self {
            stream: RefCell::new(stream),
            request: framed(&[&[0x92, 1][..], &body(QUESTION)].concat()),
        }
    }

    async fn exchange(&self) {
        let mut stream = self.stream.borrow_mut();
        stream.write_all(&self.request).await.unwrap();
        black_box(frame(&mut stream).await);
    }

    async fn one_read(&self) {
        let mut stream = self.stream.borrow_mut();
        stream.write_all(&self.request).await.unwrap();
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer).await.unwrap();
        black_box(&answer[..length]);
    }
}

async fn frame(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.unwrap();
    let mut content = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
    stream.read_exact(&mut content).await.unwrap();
    content
}

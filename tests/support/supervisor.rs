//! A stand-in for Airflow's supervisor, on a thread of its own.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use airflow_secrets::backends::supervisor::{Body, SupervisorBackend, TcpTransport};
use serde_json::{Value, json};

/// The bodies of the requests that came, in their order.
pub(crate) type Requests = Arc<Mutex<Vec<Value>>>;

/// The supervisor's end of the socket.
pub(crate) struct Socket {
    stream: TcpStream,
    requests: Requests,
}

impl Socket {
    /// The next request: its id and body.
    pub(crate) fn request(&mut self) -> Option<(u64, Value)> {
        let frame = self.frame()?;
        let request = Body::from_msgpack(frame).to_json().unwrap();
        let mut request = request.json::<Vec<Value>>().unwrap();
        let body = request.pop().unwrap();
        self.requests.lock().unwrap().push(body.clone());
        Some((request.pop()?.as_u64()?, body))
    }

    /// The content of the next frame.
    pub(crate) fn frame(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).ok()?;
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap()];
        self.stream.read_exact(&mut frame).ok()?;
        Some(frame)
    }

    pub(crate) fn answer(&mut self, id: u64, body: &Value) {
        self.send(&response(id, body, &Value::Null));
    }

    /// Sends a frame with this content.
    pub(crate) fn send(&mut self, content: &[u8]) {
        let length = u32::try_from(content.len()).unwrap();
        self.raw(&[&length.to_be_bytes(), content].concat());
    }

    /// Sends these bytes. Nobody may be there any more.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// Waits for a request, and goes without reading it.
    pub(crate) fn leave_unread(self) {
        self.stream.peek(&mut [0]).unwrap();
    }

    /// Answers all requests as `reply` says, to the end of the connection.
    pub(crate) fn serve(mut self, mut reply: impl FnMut(&Value) -> Value) {
        while let Some((id, request)) = self.request() {
            let body = reply(&request);
            self.answer(id, &body);
        }
    }
}

/// The supervisor's end, without a word said.
pub(crate) fn socket(stream: TcpStream) -> Socket {
    let requests = Requests::default();
    Socket { stream, requests }
}

/// The content of a frame that answers `id`.
pub(crate) fn response(id: u64, body: &Value, error: &Value) -> Vec<u8> {
    let part = |value: &Value| Body::from_json(&value.to_string()).unwrap();
    let id = [&[0xcf], &id.to_be_bytes()[..]].concat();
    [
        &[0x93],
        &*id,
        part(body).as_msgpack(),
        part(error).as_msgpack(),
    ]
    .concat()
}

/// Starts a supervisor that says its first message, and then does what `run` does with the socket.
pub(crate) fn start(run: impl FnOnce(Socket) + Send + 'static) -> (SocketAddr, Requests) {
    let requests = Requests::default();
    let socket = Arc::clone(&requests);
    let address = listen(move |stream| {
        let mut socket = Socket {
            stream,
            requests: socket,
        };
        socket.answer(0, &startup());
        run(socket);
    });
    (address, requests)
}

/// Where a connection is taken that `run` is done with.
pub(crate) fn listen(run: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || run(listener.accept().unwrap().0));
    address
}

/// The first message.
pub(crate) fn startup() -> Value {
    json!({
        "type": "StartupDetails",
        "ti": {
            "id": "01900000-0000-7000-8000-000000000001", "dag_id": "dag", "task_id": "task",
            "run_id": "run", "try_number": 2,
        },
        "ti_context": {"dag_run": {"conf": {"password": "conf-marker"}}},
    })
}

/// The source behind the supervisor at `address`.
pub(crate) async fn connect(address: SocketAddr) -> SupervisorBackend {
    SupervisorBackend::new(TcpTransport::connect(address).await.unwrap().0)
}

/// What a supervisor answers that holds variable `KEY` with the value `value of KEY`, the same for
/// connections, and nothing under a name that begins with `absent`.
pub(crate) fn holds_all(request: &Value) -> Value {
    let (name, key) = match request["type"].as_str() {
        Some("GetConnection") => ("conn_id", &request["conn_id"]),
        Some("GetVariable") => ("key", &request["key"]),
        _ => return Value::Null,
    };
    let id = key.as_str().unwrap();
    let detail = json!({name: id});
    match (name, id.starts_with("absent")) {
        ("key", true) => {
            json!({"type": "ErrorResponse", "error": "VARIABLE_NOT_FOUND", "detail": detail})
        }
        (_, true) => {
            json!({"type": "ErrorResponse", "error": "CONNECTION_NOT_FOUND", "detail": detail})
        }
        ("key", _) => {
            json!({"type": "VariableResult", "key": id, "value": format!("value of {id}")})
        }
        _ => json!({
            "type": "ConnectionResult", "conn_id": id, "conn_type": "http", "host": "host",
            "password": format!("value of {id}"),
        }),
    }
}

//! Tokio's sockets, to a server of the test's own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use ::tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use trijet::{Backend, Bytes, Router, State, get, post};

use crate::{
    Failure,
    common::{client::post as upload, server::start},
};

on_every_backend!(an_echo, nobody_listens, a_peer_that_is_silent);

/// A server on threads that sends back what it receives, and ends with its clients.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..count]).unwrap();
                }
            });
        }
    });
    address
}

fn an_echo(on: Backend) {
    async fn line(address: State<SocketAddr>) -> Result<String, Failure> {
        let mut stream = BufReader::new(TcpStream::connect(*address).await?);
        let mut line = String::new();
        for word in ["one\n", "two\n", "three\n"] {
            stream.write_all(word.as_bytes()).await?;
            stream.read_line(&mut line).await?;
        }
        Ok(line)
    }
    /// More than the sockets hold: both directions have to go on at a time.
    async fn all(address: State<SocketAddr>, body: Bytes) -> Result<Vec<u8>, Failure> {
        let mut stream = TcpStream::connect(*address).await?;
        let (mut reader, mut writer) = stream.split();
        let send = async {
            writer.write_all(&body).await?;
            writer.shutdown().await
        };
        let mut received = Vec::new();
        let (sent, read) = futures_util::future::join(send, reader.read_to_end(&mut received)).await;
        sent?;
        read?;
        Ok(received)
    }
    let app =
        Router::new().route("/line", get(line)).route("/all", post(all).body_limit(64 << 20)).state(echo());
    let server = start(on, app);
    server.connect().get("/line").says("one\ntwo\nthree\n");
    let bytes = "0123456789abcdef".repeat(1 << 19);
    let mut client = server.connect();
    let answer = client.send(upload("/all", &bytes)).response().with_status(200);
    assert!(answer.text() == bytes, "{} bytes came back of {}", answer.body.len(), bytes.len());
}

fn nobody_listens(on: Backend) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    async fn connect(address: State<SocketAddr>) -> String {
        TcpStream::connect(*address)
            .await
            .map_or_else(|error| error.kind().to_string(), |_| "somebody".to_owned())
    }
    let app = Router::new().route("/", get(connect)).state(address);
    start(on, app).connect().get("/").says("connection refused");
}

/// A timer ends a read.
fn a_peer_that_is_silent(on: Backend) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    async fn wait(address: State<SocketAddr>) -> Result<&'static str, Failure> {
        let mut stream = TcpStream::connect(*address).await?;
        let read = timeout(Duration::from_millis(10), stream.read_u8()).await;
        Ok(if read.is_err() { "nothing came" } else { "something came" })
    }
    let app = Router::new().route("/", get(wait)).state(silent.local_addr().unwrap());
    start(on, app).connect().get("/").says("nothing came");
}

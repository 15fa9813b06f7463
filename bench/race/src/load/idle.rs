//! Connections that were answered once and say nothing more. It must never close one while another is opened.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use super::{PATIENCE, Shape, connect};
use crate::scenarios::Ask;

pub struct Idle {
    address: SocketAddr,
    ask: Ask,
    shape: Shape,
    connections: Vec<TcpStream>,
}

impl Idle {
    /// None yet.
    pub fn new(address: SocketAddr, ask: Ask, shape: Shape) -> Self {
        Self { address, ask, shape, connections: Vec::new() }
    }

    /// Opens connections until there are so many. Each has to be answered while all others stay.
    pub fn grow(&mut self, count: usize) -> io::Result<()> {
        let mut answer = vec![0; self.shape.whole];
        while self.connections.len() < count {
            let there = self.connections.len();
            let told =
                |error: io::Error| io::Error::new(error.kind(), format!("connection {there}: {error}"));
            let mut stream = connect(self.address).map_err(told)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&self.ask.requests[0]).map_err(told)?;
            stream.read_exact(&mut answer).map_err(told)?;
            self.connections.push(stream);
        }
        Ok(())
    }
}

//! Ports for the servers that tests start.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the ports that a system hands out by itself, to outgoing connections too: nobody takes a
/// port between the moment it is found free and the moment its server listens.
const FIRST: u32 = 20_000;
const COUNT: u32 = 6_000;

/// An even port that nobody listens on, by TCP or UDP; another one each time. The port after it is
/// given to nobody: OpenBao takes that too.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test binaries that run at the same time look in different places.
    let start = process::id().wrapping_mul(97);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        assert!(given < COUNT, "no port is free");
        let port = FIRST + 2 * (start.wrapping_add(given) % COUNT);
        let port = u16::try_from(port).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
}

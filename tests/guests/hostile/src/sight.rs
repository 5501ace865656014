//! Everything that a guest can lay its eyes on.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;

use crate::crossdock::core::{config, signing, state};

pub fn everything() -> String {
    let mut seen = String::new();
    let _ = writeln!(seen, "args {:?}", std::env::args().collect::<Vec<_>>());
    let _ = writeln!(seen, "env {:?}", std::env::vars().collect::<Vec<_>>());
    let _ = writeln!(seen, "config {}", config::get());
    for path in ["/", ".", "/etc/passwd", "/proc/self/environ"] {
        let _ = writeln!(seen, "read {path} {:?}", std::fs::read(path).map(|b| b.len()));
        let _ = writeln!(seen, "list {path} {:?}", std::fs::read_dir(path).map(|d| d.count()));
    }
    let _ = writeln!(seen, "tcp {:?}", std::net::TcpStream::connect("127.0.0.1:80").is_ok());
    let _ = writeln!(seen, "bind {:?}", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
    let _ = writeln!(seen, "udp {:?}", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    for name in ["", "key", "secret", "victim"] {
        let _ = writeln!(seen, "state {:?}", state::get(name));
        let signed = signing::sign(name, signing::Algorithm::HmacSha256, b"");
        let _ = writeln!(seen, "sign {:?}", signed.map(|s| s.len()));
    }
    for (method, headers) in [("GET", ""), ("POST", "")] {
        let line = format!("{method} http://victim/mirror {headers}");
        let _ = writeln!(seen, "http {:?}", crate::http::request(line.trim(), "seen"));
    }
    println!("{seen}");
    eprintln!("{seen}");
    crate::crossdock::core::log::log(crate::crossdock::core::log::Level::Error, &seen);
    seen
}

pub fn random() -> String {
    let bytes = wasip2::random::random::get_random_bytes(40);
    let insecure = wasip2::random::insecure::get_insecure_random_u64();
    let seed = wasip2::random::insecure_seed::insecure_seed();
    format!("{bytes:?} {insecure} {seed:?} {}", RandomState::new().hash_one("x"))
}

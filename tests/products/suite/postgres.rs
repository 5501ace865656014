//! PostgreSQL starts, lets us in and answers, asked by its own protocol.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use product_suite::told;

const PATIENCE: Duration = Duration::from_secs(60);

/// Protocol 3.0: length, version, pairs of texts.
fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_i32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        body.extend(text.bytes());
        body.push(0);
    }
    sized(&body)
}

fn sized(body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a short message");
    [&length.to_be_bytes()[..], body].concat()
}

/// Messages until the server is ready for a question: kind and body.
fn answer(stream: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("a message");
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).expect("its body");
        assert_ne!(head[0], b'E', "{}", String::from_utf8_lossy(&body));
        messages.push((head[0], body));
        if head[0] == b'Z' {
            return messages;
        }
    }
}

#[test]
fn it_answers_a_question() {
    let url = told("POSTGRES_URL");
    let (user, rest) = url.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    let (address, database) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&startup(user, database)).unwrap();
    let greeting = answer(&mut stream);
    assert_eq!(greeting[0], (b'R', vec![0; 4]), "we are let in");

    let question = b"select version(), 6 * 7\0";
    stream.write_all(&[b"Q", sized(question).as_slice()].concat()).unwrap();
    let answered = answer(&mut stream);
    let (_, row) = answered.iter().find(|(kind, _)| *kind == b'D').expect("a row");
    let text = String::from_utf8_lossy(row);
    assert!(text.contains("PostgreSQL ") && text.ends_with("42"), "{text}");
}

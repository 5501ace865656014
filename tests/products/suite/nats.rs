//! JetStream on three nodes: a stream with three replicas outlives one of them. Spoken to by NATS's
//! own text protocol, with the subjects of JetStream's API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use product_suite::{told, wait_for};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);

struct Node {
    stream: BufReader<TcpStream>,
    asked: usize,
}

impl Node {
    fn connect(url: &str) -> Node {
        let address = url.strip_prefix("nats://").expect("an address of NATS");
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut node = Node { stream: BufReader::new(stream), asked: 0 };
        assert!(node.line().starts_with("INFO "));
        let options = json!({"verbose": false, "headers": true, "no_responders": true});
        node.say(&format!("CONNECT {options}\r\nSUB answers.* 1\r\nPING\r\n"));
        while node.line() != "PONG" {}
        node
    }

    /// The answer to a request; none when nobody is there for it, or not in time.
    fn ask(&mut self, subject: &str, body: &Value) -> Option<Value> {
        self.asked += 1;
        let (to, body) = (format!("answers.{}", self.asked), body.to_string());
        self.say(&format!("PUB {subject} {to} {}\r\n{body}\r\n", body.len()));
        self.stream.get_ref().set_read_timeout(Some(ANSWER)).unwrap();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["PING"] => self.say("PONG\r\n"),
                ["MSG", subject, _, length] => {
                    let answer = self.body(length);
                    if subject == to {
                        return serde_json::from_slice(&answer).ok();
                    }
                }
                // Only a status has headers here: nobody is responsible, as yet.
                ["HMSG", subject, _, _, length] => {
                    self.body(length);
                    if subject == to {
                        return None;
                    }
                }
                _ => {}
            }
        }
    }

    fn body(&mut self, length: &str) -> Vec<u8> {
        let mut body = vec![0; length.parse::<usize>().expect("a length") + 2];
        self.stream.read_exact(&mut body).expect("a body");
        body.truncate(body.len() - 2);
        body
    }

    fn say(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).expect("it listens");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Sent again until a leader has it: the same id is stored once.
    fn store(&mut self, number: u32) {
        wait_for("acknowledgement", || {
            let stored = self.ask("orders.accepted", &json!({"order": number}))?;
            stored["seq"].as_u64()
        });
    }

    fn stream(&mut self) -> Value {
        wait_for("word on the stream", || {
            self.ask("$JS.API.STREAM.INFO.ORDERS", &json!({}))
                .filter(|info| info["error"].is_null())
        })
    }
}

#[test]
fn a_stream_with_three_replicas_outlives_one_node() {
    let (urls, pids) = (told("NATS_URLS"), told("NATS_PIDS"));
    let mut nodes: Vec<(&str, &str)> = urls.split(',').zip(pids.split(',')).collect();
    assert_eq!(nodes.len(), 3);
    let mut node = Node::connect(nodes[0].0);
    let wanted =
        json!({"name": "ORDERS", "subjects": ["orders.>"], "storage": "file", "num_replicas": 3});
    // The cluster elects whom to ask first.
    let made = wait_for("stream", || {
        node.ask("$JS.API.STREAM.CREATE.ORDERS", &wanted).filter(|made| made["error"].is_null())
    });
    assert_eq!(made["config"]["num_replicas"], 3, "{made:#}");
    (0..20).for_each(|number| node.store(number));
    assert_eq!(node.stream()["state"]["messages"], 20);

    // The node that leads the stream, so that another one must take over.
    let leader = node.stream()["cluster"]["leader"].as_str().expect("a leader").to_owned();
    let at: usize = leader.strip_prefix("nats-").and_then(|number| number.parse().ok()).unwrap();
    let (_, pid) = nodes.remove(at - 1);
    let stopped = Command::new("kill").args(["-TERM", pid]).status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let mut node = Node::connect(nodes[0].0);
    (20..40).for_each(|number| node.store(number));
    let after = node.stream();
    assert!(after["state"]["messages"].as_u64() >= Some(40), "{after:#}");
    assert_ne!(after["cluster"]["leader"], json!(leader));
}

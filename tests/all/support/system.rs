//! A system outside, played on a port of its own: it remembers each request with its time, and a
//! closure says how it answers. The closure may block; every connection has a thread.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::PATIENCE;

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub at: Instant,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

pub enum Say {
    /// Status, headers, body.
    This(u16, Vec<(&'static str, String)>, String),
    /// Hangs up without a word.
    Cut,
}

pub fn say(status: u16, body: impl Into<String>) -> Say {
    Say::This(status, Vec::new(), body.into())
}

pub struct System {
    pub address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl System {
    pub fn start(answer: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> System {
        System::start_with(None, answer)
    }

    /// By HTTPS, where there is a configuration for it.
    pub fn start_with(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Asked) -> Say + Send + Sync + 'static,
    ) -> System {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer, tls) = (log.clone(), answer.clone(), tls.clone());
                // A broken connection is the other side's affair.
                std::thread::spawn(move || match tls {
                    None => drop(serve(stream, &log, &*answer)),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a configuration");
                        drop(serve(StreamOwned::new(connection, stream), &log, &*answer));
                    }
                });
            }
        });
        System { address, scheme, asked }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic while asked").clone()
    }

    /// How often a path that begins so was asked.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|a| a.method == method && a.path.starts_with(path)).count()
    }
}

fn serve<S: Read + Write>(
    stream: S,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> Say,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let at = Instant::now();
        let mut words = line.split(' ').map(str::to_owned);
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let mut headers: Vec<(String, String)> = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let asked = Asked { method, path, headers, body, at };
        log.lock().expect("no panic while asked").push(asked.clone());
        match answer(&asked) {
            Say::Cut => return Ok(()),
            Say::This(status, headers, body) => {
                let mut text =
                    format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                text.push_str("\r\n");
                text.push_str(&body);
                reader.get_mut().write_all(text.as_bytes())?;
                reader.get_mut().flush()?;
            }
        }
    }
}

/// Where answers are held back until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().expect("a gate") = true;
        self.0.1.notify_all();
    }

    /// Returns when it is open; after a patience that no test waits for, anyway.
    pub fn pass(&self) {
        let open = self.0.0.lock().expect("a gate");
        drop(self.0.1.wait_timeout_while(open, PATIENCE, |open| !*open));
    }
}

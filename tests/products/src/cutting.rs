//! A connection to a product that breaks once, at the worst moment.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// When it breaks.
#[derive(Clone, Copy)]
pub enum Cut {
    /// The product has not got the request.
    Before,
    /// The product has done it, and nobody hears the answer.
    After,
}

/// Passes requests on to a product, one for each connection.
pub struct Cutting {
    pub url: String,
    met: Arc<AtomicUsize>,
}

impl Cutting {
    /// The first request that begins so (`POST /v1/payment_intents `) is cut, the others are not.
    pub fn start(product: &str, request: &'static str, cut: Cut) -> Cutting {
        let product = product.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let met = Arc::new(AtomicUsize::new(0));
        let counted = met.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (product, met) = (product.clone(), counted.clone());
                std::thread::spawn(move || {
                    // A broken connection is what this is for.
                    let _ = pass(client, &product, request, cut, &met);
                });
            }
        });
        Cutting { url, met }
    }

    /// How often the request came.
    pub fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst)
    }
}

fn pass(
    mut client: TcpStream,
    product: &str,
    request: &str,
    cut: Cut,
    met: &AtomicUsize,
) -> io::Result<()> {
    let (head, body) = read(&mut client)?;
    let hit = head.starts_with(request) && met.fetch_add(1, Ordering::SeqCst) == 0;
    if hit && matches!(cut, Cut::Before) {
        return Ok(());
    }
    let mut upstream = TcpStream::connect(product)?;
    let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: Vec<&str> = kept.chain(["connection: close", "", ""]).collect();
    upstream.write_all(head.join("\r\n").as_bytes())?;
    upstream.write_all(&body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    match hit {
        true => Ok(()),
        false => client.write_all(&answer),
    }
}

/// Head without its empty line, and body.
fn read(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body)?;
    Ok((head, body))
}

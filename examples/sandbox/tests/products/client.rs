//! A sandbox without delays and a client that knows each product's way to authenticate.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sandbox::{Handle, Options, Sandbox};
use serde_json::Value;

pub struct Shop {
    pub handle: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The body of an answer that must have this status.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() {
            return Value::Null;
        }
        self.json()
    }
}

/// A sandbox whose world moves only when it is told to.
pub async fn shop() -> Shop {
    shop_with(Options { manual: true, ..Options::default() }).await
}

pub async fn shop_with(options: Options) -> Shop {
    let address = ([127, 0, 0, 1], 0).into();
    let handle = Sandbox::start(address, options).await.expect("it starts");
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
    Shop { handle, client }
}

impl Shop {
    /// None when the connection was cut.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let url = format!("http://{}{path}", self.handle.address());
        let mut request = hyper::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body.to_owned()));
        let request = request.body(body).expect("the request is right");
        let response = self.client.request(request).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.try_send(method, path, headers, body).await;
        answer.unwrap_or_else(|| panic!("{method} {path} was cut"))
    }

    pub async fn control(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(method, &format!("/sandbox{path}"), &[], &body.to_string()).await
    }

    pub async fn advance(&self) {
        let body = serde_json::json!({"all": true});
        self.control("POST", "/advance", body).await.expect(200);
    }

    /// Tryton's REST; `body` Null sends none.
    pub async fn tryton(&self, method: &str, path: &str, context: Value, body: Value) -> Answer {
        let context = URL_SAFE.encode(context.to_string());
        let mut headers = vec![
            ("authorization", "Bearer tryton_sandbox_key"),
            ("x-tryton-context", context.as_str()),
        ];
        let text = if body.is_null() {
            String::new()
        } else {
            headers.push(("content-type", "application/json"));
            body.to_string()
        };
        let path = format!("/tryton/crossdock/rest/model/{path}");
        self.send(method, &path, &headers, &text).await
    }

    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let basic = STANDARD.encode("crossdock:tryton_sandbox_password");
        let basic = format!("Basic {basic}");
        let headers = [("authorization", basic.as_str()), ("content-type", "application/json")];
        let body = serde_json::json!({"id": 1, "method": method, "params": params});
        self.send("POST", "/tryton/crossdock/rpc/", &headers, &body.to_string()).await.expect(200)
    }

    pub async fn inventree(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [
            ("authorization", "Token inventree_sandbox_token"),
            ("content-type", "application/json"),
        ];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/inventree/api/{path}"), &headers, &text).await
    }

    pub async fn karrio(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("authorization", "Token karrio_sandbox_key")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/karrio/v1/{path}"), &headers, &text).await
    }

    pub async fn avatax(&self, method: &str, path: &str, body: Value) -> Answer {
        let basic = STANDARD.encode("2000000001:avatax_sandbox_license");
        let basic = format!("Basic {basic}");
        let headers = [("authorization", basic.as_str())];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, &format!("/avatax/api/v2/{path}"), &headers, &text).await
    }

    pub async fn stripe(&self, method: &str, path: &str, key: &str, form: &str) -> Answer {
        self.try_stripe(method, path, key, form)
            .await
            .unwrap_or_else(|| panic!("{method} {path} was cut"))
    }

    pub async fn try_stripe(
        &self,
        method: &str,
        path: &str,
        key: &str,
        form: &str,
    ) -> Option<Answer> {
        let mut headers = vec![
            ("authorization", "Bearer sk_test_sandbox"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        if !key.is_empty() {
            headers.push(("idempotency-key", key));
        }
        self.try_send(method, &format!("/stripe/v1/{path}"), &headers, form).await
    }

    /// How often an effect was counted for a reference, over all keys.
    pub fn counted(&self, effect: &str, reference: &str) -> u64 {
        let effects = self.handle.effects();
        let of = effects.iter();
        of.filter(|e| e.effect == effect && e.reference == reference).map(|e| e.count).sum()
    }
}

/// What a receiver of webhooks has got: headers and body.
pub type Received = Arc<Mutex<Vec<(hyper::HeaderMap, Vec<u8>)>>>;

/// A receiver that refuses the first `refusals` requests with 500.
pub async fn receiver(refusals: usize) -> (String, Received) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let received: Received = Arc::default();
    let shared = received.clone();
    tokio::spawn(async move {
        let mut refused = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let (shared, status) = (shared.clone(), if refused < refusals { 500 } else { 200 });
            refused += 1;
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let shared = shared.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes().to_vec();
                    if status == 200 {
                        shared.lock().expect("not poisoned").push((parts.headers, body));
                    }
                    let mut response = hyper::Response::new(Full::new(Bytes::new()));
                    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
                    response
                        .headers_mut()
                        .insert("connection", hyper::header::HeaderValue::from_static("close"));
                    Ok::<_, hyper::Error>(response)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    (format!("http://{address}/hook"), received)
}

/// Waits until this many webhooks have come; fails after 5 s.
pub async fn wait_for(received: &Received, count: usize) -> Vec<(hyper::HeaderMap, Vec<u8>)> {
    for _ in 0..500 {
        let got = received.lock().expect("not poisoned").clone();
        if got.len() >= count {
            return got;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let got = received.lock().expect("not poisoned").len();
    panic!("{got} of {count} webhooks came");
}

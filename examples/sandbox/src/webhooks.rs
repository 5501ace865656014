//! Webhooks on their way out: signed as each product signs, sent in order, tried again on anything
//! but 2xx, sent twice or held back where a fault rule says so.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::lock;
use crate::options::Options;
use crate::state::{State, now_ms, now_s};
use crate::wire;

const ATTEMPTS_MAX: u32 = 12;
const RETRY_FIRST_MS: u64 = 100;
const RETRY_MAX_MS: u64 = 5_000;
const HOLD_MS: u64 = 500;
const TIMEOUT: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(10);
const WAITING_MAX: usize = 10_000;
const HISTORY_MAX: usize = 1_000;

#[derive(Debug, Clone)]
struct Registered {
    product: String,
    url: String,
    secret: String,
}

#[derive(Debug, Clone)]
struct Delivery {
    to: Registered,
    /// The identity that a duplicate shares.
    id: String,
    topic: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    attempts: u32,
    due_ms: u64,
    held: bool,
}

#[derive(Debug, Default)]
pub struct Webhooks {
    stripe_secret: String,
    shopify_secret: String,
    registered: Vec<Registered>,
    waiting: VecDeque<Delivery>,
    history: VecDeque<Value>,
    sending: usize,
}

impl Webhooks {
    pub fn new(options: &Options) -> Webhooks {
        Webhooks {
            stripe_secret: options.stripe_webhook_secret.clone(),
            shopify_secret: options.shopify_webhook_secret.clone(),
            ..Webhooks::default()
        }
    }

    pub fn into_registered(self, options: &Options) -> Webhooks {
        Webhooks { registered: self.registered, ..Webhooks::new(options) }
    }

    /// One receiver for each product and URL; registering again changes the secret.
    pub fn register(&mut self, product: &str, url: &str, secret: Option<&str>) {
        let secret = secret.unwrap_or(match product {
            "stripe" => &self.stripe_secret,
            "shopify" => &self.shopify_secret,
            _ => "",
        });
        let entry = Registered {
            product: product.to_owned(),
            url: url.to_owned(),
            secret: secret.to_owned(),
        };
        self.registered.retain(|r| r.product != entry.product || r.url != entry.url);
        self.registered.push(entry);
    }

    pub fn clear(&mut self) {
        self.registered.clear();
        self.waiting.clear();
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.sending
    }

    pub fn report(&self) -> Value {
        let registered: Vec<Value> =
            self.registered.iter().map(|r| json!({"product": r.product, "url": r.url})).collect();
        json!({"registered": registered, "waiting": self.waiting(), "sent": self.history})
    }

    fn record(&mut self, delivery: &Delivery, status: Result<u16, String>) {
        self.history.push_back(json!({
            "product": delivery.to.product,
            "url": delivery.to.url,
            "topic": delivery.topic,
            "id": delivery.id,
            "attempt": delivery.attempts,
            "status": status.as_ref().ok(),
            "error": status.as_ref().err(),
        }));
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
    }

    /// The first delivery that is due. A held one waits for any other to go first.
    fn take(&mut self, now_ms: u64) -> Option<Delivery> {
        let place = self.waiting.iter().position(|d| d.due_ms <= now_ms)?;
        let delivery = self.waiting.remove(place)?;
        for held in &mut self.waiting {
            if held.held && held.to.product == delivery.to.product {
                held.held = false;
                held.due_ms = 0;
            }
        }
        self.sending += 1;
        Some(delivery)
    }
}

impl State {
    /// Puts a webhook on its way to everyone registered for the product.
    pub fn post_webhook(
        &mut self,
        product: &str,
        topic: &str,
        id: &str,
        headers: Vec<(String, String)>,
        body: &Value,
    ) {
        let receivers: Vec<Registered> =
            self.webhooks.registered.iter().filter(|r| r.product == product).cloned().collect();
        for to in receivers {
            let verdict = self.faults.judge_webhook(product, id);
            let delivery = Delivery {
                to,
                id: id.to_owned(),
                topic: topic.to_owned(),
                headers: headers.clone(),
                body: body.to_string().into_bytes(),
                attempts: 0,
                due_ms: match (verdict.held, verdict.late_ms) {
                    (_, late_ms @ 1..) => now_ms() + late_ms,
                    (true, 0) => now_ms() + HOLD_MS,
                    (false, 0) => 0,
                },
                held: verdict.held && verdict.late_ms == 0,
            };
            if self.webhooks.waiting.len() >= WAITING_MAX {
                self.webhooks.record(&delivery, Err("too many webhooks are waiting".into()));
                continue;
            }
            if verdict.twice {
                self.webhooks.waiting.push_back(delivery.clone());
            }
            self.webhooks.waiting.push_back(delivery);
        }
    }
}

/// Sends until stopped, one at a time: in order unless a rule or a failure says otherwise.
pub async fn send(shared: Arc<Mutex<State>>, mut stopped: watch::Receiver<bool>) {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    loop {
        let next = lock(&shared).webhooks.take(now_ms());
        let Some(mut delivery) = next else {
            tokio::select! {
                () = tokio::time::sleep(TICK) => continue,
                _ = stopped.changed() => return,
            }
        };
        delivery.attempts += 1;
        let status = tokio::select! {
            status = attempt(&client, &delivery) => status,
            _ = stopped.changed() => return,
        };
        let mut state = lock(&shared);
        state.webhooks.sending -= 1;
        let done = matches!(status, Ok(200..=299));
        state.webhooks.record(&delivery, status);
        if !done && delivery.attempts < ATTEMPTS_MAX {
            let wait_ms = (RETRY_FIRST_MS << (delivery.attempts - 1)).min(RETRY_MAX_MS);
            delivery.due_ms = now_ms() + wait_ms;
            state.webhooks.waiting.push_back(delivery);
        }
    }
}

async fn attempt(
    client: &Client<HttpConnector, Full<Bytes>>,
    delivery: &Delivery,
) -> Result<u16, String> {
    let mut request = hyper::Request::post(&delivery.to.url)
        .header("content-type", "application/json")
        .header("user-agent", "crossdock-sandbox");
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    // Signed at each attempt: the receiver may refuse an old timestamp.
    let secret = delivery.to.secret.as_bytes();
    request = match delivery.to.product.as_str() {
        "stripe" => {
            let at = now_s().to_string();
            let mac = wire::hmac(secret, &[at.as_bytes(), b".", &delivery.body]);
            request.header("stripe-signature", format!("t={at},v1={}", wire::hex(&mac)))
        }
        "shopify" => {
            let mac = wire::hmac(secret, &[&delivery.body]);
            request.header("x-shopify-hmac-sha256", wire::encode_base64(&mac))
        }
        "karrio" => request.header("x-event-id", delivery.to.secret.as_str()),
        _ => request,
    };
    let request =
        request.body(Full::new(Bytes::from(delivery.body.clone()))).map_err(|e| e.to_string())?;
    match tokio::time::timeout(TIMEOUT, client.request(request)).await {
        Ok(Ok(response)) => Ok(response.status().as_u16()),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => Err("no answer in time".into()),
    }
}

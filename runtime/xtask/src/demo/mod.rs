//! `cargo xtask demo`: orders with different fates from HTTP to applied cash, through five products
//! that the sandbox plays, and what an admin sees of each.

mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::play::{Example, Pace, Play, story};
use crate::set_up::{self, Addresses, Programs, SetUp};
use crate::{interrupt, process, workspace};

/// What happens when every order has come to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Keeps serving until interrupted.
    Serve,
    End,
}

/// The world of the demo, slower than a test's and faster than life. Payouts are asked for.
const SANDBOX: [&str; 5] = [
    "--pick-ms=700",
    "--pack-ms=700",
    "--ship-ms=1500",
    "--transit-ms=1500",
    "--payout-ms=86400000",
];
const PACE: Pace = Pace {
    look: Duration::from_millis(300),
    stalled: Duration::from_secs(90),
    settled: Duration::from_secs(30),
};
/// While serving, the payment service pays out as often as this.
const PAYOUT_EVERY: Duration = Duration::from_secs(15);

pub fn run(then: Then) -> Result<()> {
    let at = Addresses {
        messages: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
        sandbox: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
    };
    let example = Example::read(&workspace::example().join("fates.json"))?;
    free(&at)?;
    println!("Building what is not built yet; the first time takes some minutes.");
    let programs = Programs::build()?;
    free(&at)?;
    let mut set_up = SetUp::new(programs, at, workspace::target().join("demo"), &SANDBOX)?;
    println!(
        "\nThe sandbox plays Tryton, InvenTree, Karrio, AvaTax, Stripe and Shopify at http://{}",
        at.sandbox
    );
    set_up.runtime.start()?;
    println!("Crossdock runs: messages at http://{}, admin at http://{}\n", at.messages, at.admin);
    set_up.control("/sandbox/faults", &example.faults)?;
    let mut play = Play::new(&example, PACE);
    let played = play.until_settled(&mut set_up);
    story::print(&set_up.runtime, &play)?;
    if let Err(error) = played {
        set_up.stop()?;
        return Err(error);
    }
    if !play.missing.is_empty() {
        set_up.stop()?;
        bail!("not every order came to its expected end:\n  {}", play.missing.join("\n  "));
    }
    println!("Every one of the {} messages came to its expected end.", example.fates.len());
    match then {
        Then::End => set_up.stop(),
        Then::Serve => serve(set_up),
    }
}

fn free(at: &Addresses) -> Result<()> {
    process::must_be_free(at.messages, "messages to the runtime")?;
    process::must_be_free(at.admin, "the runtime's admin API")?;
    process::must_be_free(at.sandbox, "the sandbox")
}

/// Until interrupted; the world goes on, and money is paid out.
fn serve(mut set_up: SetUp) -> Result<()> {
    what_next(&set_up);
    while interrupt::sleep(PAYOUT_EVERY).is_ok() {
        set_up.alive()?;
        set_up.control("/sandbox/payout", &json!({}))?;
    }
    println!("\nStopping; what is under way is in the journal.");
    set_up.stop()
}

fn what_next(set_up: &SetUp) {
    let root = workspace::root();
    let config = set_up::config();
    let config = config.strip_prefix(root).unwrap_or(&config).display().to_string();
    println!(
        "\nIt keeps serving until you press Ctrl-C. In another terminal, try:

  alias crossdock='target/debug/crossdock --config {config}'
  crossdock trace order=SO-1006                      what happened to an order, step by step
  curl -s --data-binary @examples/order-to-cash/orders/1002-hold-approved.json http://{messages}/orders
                                                     the same order again: known, no second effect
  sed s/SO-1002/SO-3002/ examples/order-to-cash/orders/1002-hold-approved.json |
    curl -s --data-binary @- http://{messages}/orders
                                                     a new one: it waits for a credit analyst
  crossdock tasks list                               what waits for a person, and how to answer
  crossdock exceptions list                          what stands until somebody acts
  curl -s http://{admin}/metrics | grep limit      the budgets
  crossdock check                                    after you have changed a file in routes/
",
        messages = set_up.at.messages,
        admin = set_up.at.admin,
    );
}

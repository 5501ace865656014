//! `cargo xtask demo`: orders with different fates from HTTP to applied cash, through five products
//! that the sandbox plays, and what an admin sees of each.

mod fates;
mod play;
mod story;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::set_up::{Addresses, Programs, SetUp};
use crate::{interrupt, process, workspace};
use fates::Example;
use play::Play;

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
/// While serving, the payment service pays out as often as this.
const PAYOUT_EVERY: Duration = Duration::from_secs(15);

pub fn run(then: Then) -> Result<()> {
    let at = Addresses {
        messages: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        admin: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
        sandbox: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
    };
    let example = Example::read()?;
    free(&at)?;
    println!("Building what is not built yet; the first time takes some minutes.");
    let programs = Programs::build()?;
    free(&at)?;
    let mut set_up = SetUp::new(programs, at, workspace::target().join("demo"), &SANDBOX)?;
    println!(
        "\nThe sandbox plays Tryton, InvenTree, Karrio, AvaTax, Stripe and Shopify at http://{}",
        at.sandbox
    );
    set_up.start_runtime()?;
    println!("Crossdock runs: messages at http://{}, admin at http://{}\n", at.messages, at.admin);
    set_up.control("/sandbox/faults", &example.faults)?;
    let mut play = Play::new(&example);
    let played = play.until_settled(&mut set_up);
    story::print(&set_up, &example, &play)?;
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
    story::what_next(&set_up);
    while interrupt::sleep(PAYOUT_EVERY).is_ok() {
        set_up.alive()?;
        set_up.control("/sandbox/payout", &json!({}))?;
    }
    println!("\nStopping; what is under way is in the journal.");
    set_up.stop()
}

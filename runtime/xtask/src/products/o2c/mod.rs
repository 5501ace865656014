//! `cargo xtask products o2c`: twenty orders to cash through the products themselves, by the shipped
//! routes; at the end the products are asked, by their own APIs, whether each has exactly what the
//! order's fate says. With `--restarts` and `--kills N` products are stopped and started again, and
//! the runtime is killed, in the middle.

mod amount;
mod api;
mod books;
mod cards;
mod carrier;
mod disturb;
mod findings;
mod receipts;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use self::world::Products;
use super::cache::Cache;
use super::running::{Place, Program, Running};
use crate::play::{Example, Fate, Pace, Play, story};
use crate::prove::random;
use crate::runtime::Runtime;
use crate::set_up::{self, Programs};
use crate::{process, stop, workspace};

/// In the order in which they are started.
const PRODUCTS: [&str; 4] = ["tryton", "karrio", "localstripe", "inventree"];
const SANDBOX: &str = "sandbox";
const PACE: Pace = Pace {
    look: Duration::from_millis(1500),
    stalled: Duration::from_secs(300),
    settled: Duration::from_secs(20),
};

pub const HELP: &str = "\
products o2c [--kills N] [--restarts] [--on sandbox]
  --kills N      the runtime is killed with SIGKILL so many times in the middle
  --restarts     each product is stopped in the middle and started again
  --on sandbox   a rehearsal: the sandbox plays every product (no --restarts)";

struct Options {
    kills: usize,
    restarts: bool,
    rehearsal: bool,
}

fn options(arguments: &[&str]) -> Result<Options> {
    let mut options = Options { kills: 0, restarts: false, rehearsal: false };
    let mut rest = arguments.iter().copied();
    while let Some(argument) = rest.next() {
        match argument {
            "--restarts" => options.restarts = true,
            "--kills" => match rest.next().and_then(|number| number.parse().ok()) {
                Some(kills @ 0..=100) => options.kills = kills,
                _ => return Err(stop::usage(format!("--kills wants a number\n{HELP}"))),
            },
            "--on" if rest.next() == Some("sandbox") => options.rehearsal = true,
            other => return Err(stop::usage(format!("`{other}` is not understood\n{HELP}"))),
        }
    }
    if options.rehearsal && options.restarts {
        return Err(stop::usage(format!("the sandbox keeps nothing over a stop\n{HELP}")));
    }
    Ok(options)
}

pub fn run(arguments: &[&str]) -> Result<()> {
    let options = options(arguments)?;
    let seed = random::seed()?;
    println!("seed {seed} (SEED={seed} disturbs at the same moments again)");
    let example = Example::read(&super::cache::scripts("o2c").join("fates.json"))?;
    let programs = Programs::build()?;
    let place = Place::new(workspace::target().join("products-run/o2c"))?;
    let cache = Cache::open()?;
    let running = start(&options, &programs, &cache, &place)?;
    let products = running.iter().map(|(name, _)| *name).filter(|name| *name != SANDBOX);
    let restarts: Vec<&str> = products.filter(|_| options.restarts).collect();
    let disturbances = disturb::Plan::new(seed, options.kills, &restarts);
    let from = (!options.rehearsal).then_some((&cache, &place));
    let told = told(&running)?;
    let runtime = runtime(programs.runtime, &place, &told)?;
    let mut world = Products::new(runtime, from, running, &told, &example, disturbances)?;
    world.runtime.start()?;
    println!(
        "Crossdock runs: admin at http://{}, logs and data in {}\n",
        world.runtime.admin_at,
        place.folder("crossdock")?.display()
    );
    let mut play = Play::new(&example, PACE);
    play.until_settled(&mut world)?;
    show_missing(&play);
    println!("\nproducts o2c, seed {seed}");
    println!(
        "  orders      {}, {} kills of the runtime, {} restarts of products",
        example.fates.len(),
        options.kills,
        restarts.len()
    );
    println!("{}", world.state(&example.fates)?.figures(world.before));
    println!("  tried again {} exchanges, by a person after an outage", world.retried());
    println!("  seconds     {:.0}", play.began.elapsed().as_secs_f64());
    println!("  differences {}", play.missing.len());
    let undisturbed = world.disturbances.left();
    world.stop()?;
    if !play.missing.is_empty() {
        bail!("{} differences; seed {seed}", play.missing.len());
    }
    if undisturbed > 0 {
        bail!("{undisturbed} disturbances found nothing under way any more; seed {seed}");
    }
    Ok(())
}

/// The products, each once it answers; or the sandbox for those that cannot be had here.
fn start(
    options: &Options,
    programs: &Programs,
    cache: &Cache,
    place: &Place,
) -> Result<Vec<(&'static str, Running)>> {
    if options.rehearsal {
        return Ok(vec![(SANDBOX, rehearsal(programs, place)?)]);
    }
    // Tax and storefront are never stopped, so they are no part of what plays the warehouse.
    let mut running = vec![(SANDBOX, played(programs, place)?)];
    for name in PRODUCTS {
        println!("starting {name}");
        let installed = super::install(&super::chosen(&[name])?)?;
        if installed.ready.is_empty() {
            installed.say_skipped();
            println!("the sandbox plays {name} unchecked");
        } else {
            running.push((name, super::start_one(name, cache, place)?));
        }
    }
    Ok(running)
}

fn runtime(program: PathBuf, place: &Place, told: &[(String, String)]) -> Result<Runtime> {
    let mut runtime = Runtime::new(
        program,
        super::cache::scripts("o2c").join("crossdock.toml"),
        process::free_port()?,
        process::free_port()?,
        place.folder("crossdock")?,
    );
    runtime.environment.extend(told.iter().cloned());
    let routes = set_up::hurried_routes(&runtime.folder)?;
    runtime.environment.push(("ROUTES".to_owned(), routes));
    Ok(runtime)
}

/// The way of each order that is not as it must be, and what is missing.
fn show_missing(play: &Play<'_>) {
    if play.missing.is_empty() {
        return;
    }
    for fate in play.example.fates.iter().filter(|fate| concerns(&play.missing, fate)) {
        story::order(fate, play);
    }
    println!("\nnot as it must be:\n  {}", play.missing.join("\n  "));
}

fn concerns(missing: &[String], fate: &Fate) -> bool {
    missing.iter().any(|line| line.starts_with(&format!("{}:", fate.order)))
}

/// What the products tell, and what has no product: tax and storefront, played by the sandbox.
fn told(running: &[(&'static str, Running)]) -> Result<Vec<(String, String)>> {
    let mut told = set_up::read_secrets(&workspace::example().join("sandbox.env"))?;
    for (name, value) in running.iter().flat_map(|(_, running)| running.told()) {
        told.retain(|(known, _)| known != name);
        told.push((name.clone(), value.clone()));
    }
    Ok(told)
}

/// The sandbox for tax and storefront; and as the warehouse, where nobody else tells of one.
fn played(programs: &Programs, place: &Place) -> Result<Running> {
    let port = place.port("sandbox")?;
    let process = place.start(&Program {
        name: "sandbox",
        program: &programs.sandbox,
        arguments: &["--manual".to_owned(), format!("--listen=127.0.0.1:{port}")],
        environment: &[],
        answers: (port, "/sandbox/health"),
    })?;
    let url = format!("http://127.0.0.1:{port}");
    Ok(Running::of(process)
        .tells("SANDBOX", url.clone())
        .tells("INVENTREE_URL", format!("{url}/inventree"))
        .tells("INVENTREE_CONTROL", url))
}

/// The sandbox in the place of each product, under the same variables.
fn rehearsal(programs: &Programs, place: &Place) -> Result<Running> {
    let played = played(programs, place)?;
    let url = format!("http://127.0.0.1:{}", place.port("sandbox")?);
    Ok(played
        .tells("TRYTON_URL", format!("{url}/tryton"))
        .tells("TRYTON_DATABASE", "crossdock")
        .tells("TRYTON_USER", "crossdock")
        .tells("KARRIO_URL", format!("{url}/karrio"))
        .tells("LOCALSTRIPE_URL", format!("{url}/stripe"))
        .tells("LOCALSTRIPE_KEY", "sk_test_sandbox"))
}

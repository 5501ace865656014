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
const PACE: Pace = Pace {
    look: Duration::from_millis(500),
    stalled: Duration::from_secs(240),
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
    let scripts = super::cache::scripts("o2c");
    let example = Example::read(&scripts.join("fates.json"))?;
    let programs = Programs::build()?;
    let place = Place::new(workspace::target().join("products-run/o2c"))?;
    let cache = Cache::open()?;
    let mut running = Vec::new();
    if options.rehearsal {
        running.push(("the sandbox", rehearsal(&programs, &place)?));
    } else {
        for name in PRODUCTS {
            println!("starting {name}");
            super::install(&super::chosen(&[name])?)?;
            running.push((name, super::start_one(name, &cache, &place)?));
        }
    }
    let mut runtime = Runtime::new(
        programs.runtime,
        scripts.join("crossdock.toml"),
        process::free_port()?,
        process::free_port()?,
        place.folder("crossdock")?,
    );
    let told = told(&running)?;
    runtime.environment.extend(told.iter().cloned());
    let routes = set_up::hurried_routes(&runtime.folder)?;
    runtime.environment.push(("ROUTES".to_owned(), routes));
    let restarts: &[&str] = if options.restarts { &PRODUCTS } else { &[] };
    let disturbances = disturb::Plan::new(seed, options.kills, restarts);
    let from = (!options.rehearsal).then_some((&cache, &place));
    let mut world = Products::new(runtime, from, running, &told, &example, disturbances)?;
    world.runtime.start()?;
    println!(
        "Crossdock runs: admin at http://{}, logs and data in {}\n",
        world.runtime.admin_at,
        place.folder("crossdock")?.display()
    );

    let mut play = Play::new(&example, PACE);
    play.until_settled(&mut world)?;
    let state = world.state(&example.fates)?;
    let seconds = play.began.elapsed().as_secs_f64();
    let undisturbed = world.disturbances.left();
    if !play.missing.is_empty() {
        for fate in example.fates.iter().filter(|fate| concerns(&play.missing, fate)) {
            story::order(fate, &play);
        }
        println!("\nnot as it must be:\n  {}", play.missing.join("\n  "));
    }
    println!("\nproducts o2c, seed {seed}");
    println!(
        "  orders      {}, {} kills of the runtime, {} restarts of products",
        example.fates.len(),
        options.kills,
        restarts.len()
    );
    println!("{}", state.figures(world.before));
    println!("  seconds     {seconds:.0}");
    println!("  differences {}", play.missing.len());
    world.stop()?;
    if !play.missing.is_empty() {
        bail!("{} differences; seed {seed}", play.missing.len());
    }
    if undisturbed > 0 {
        bail!("{undisturbed} disturbances found nothing under way any more; seed {seed}");
    }
    Ok(())
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
    let sandbox = told.iter().find(|(name, _)| name == "INVENTREE_CONTROL");
    let Some((_, sandbox)) = sandbox.cloned() else {
        bail!("the warehouse does not say where its sandbox is")
    };
    told.push(("SANDBOX".to_owned(), sandbox));
    Ok(told)
}

/// The sandbox in the place of each product, under the same variables.
fn rehearsal(programs: &Programs, place: &Place) -> Result<Running> {
    let port = place.port("sandbox")?;
    let process = place.start(&Program {
        name: "sandbox",
        program: &programs.sandbox,
        arguments: &["--manual".to_owned(), format!("--listen=127.0.0.1:{port}")],
        environment: &[],
        answers: (port, "/sandbox/health"),
    })?;
    let url = |product: &str| format!("http://127.0.0.1:{port}{product}");
    Ok(Running::of(process)
        .tells("INVENTREE_CONTROL", url(""))
        .tells("INVENTREE_URL", url("/inventree"))
        .tells("TRYTON_URL", url("/tryton"))
        .tells("TRYTON_DATABASE", "crossdock")
        .tells("TRYTON_USER", "crossdock")
        .tells("KARRIO_URL", url("/karrio"))
        .tells("LOCALSTRIPE_URL", url("/stripe"))
        .tells("LOCALSTRIPE_KEY", "sk_test_sandbox"))
}

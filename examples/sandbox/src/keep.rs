//! What the played InvenTree knows, in a file while the sandbox is stopped: so it can be stopped and
//! started in the middle of a run, as a product can. The other products begin anew.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::effects::Effect;
use crate::inventree::Inventree;
use crate::state::State;
use crate::world::Step;

#[derive(Serialize, Deserialize)]
struct Kept<I> {
    inventree: I,
    /// When it is due, and what people in the warehouse will do.
    waiting: Vec<(u64, Step)>,
    effects: Vec<Effect>,
}

/// A file that is not there yet is no error: then everything is as at the beginning.
pub fn load(state: &mut State, file: &Path) -> io::Result<()> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let kept: Kept<Inventree> = serde_json::from_slice(&bytes)?;
    state.inventree = kept.inventree;
    state.inventree.point_again();
    state.world.wait_for(kept.waiting);
    state.effects.take_up(kept.effects);
    Ok(())
}

pub fn save(state: &State, file: &Path) -> io::Result<()> {
    let mut effects = state.effects.list();
    effects.retain(|effect| effect.product == "inventree");
    let waiting = state.world.in_warehouse();
    let kept = Kept { inventree: &state.inventree, waiting, effects };
    std::fs::write(file, serde_json::to_vec(&kept)?)
}

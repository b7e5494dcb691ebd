//! What takes the place of a kernel that is wrong.

use std::collections::BTreeSet;

use crate::base::error::Result;
use crate::device::recording::Recording;
use crate::kernels::face::VariantId;
use crate::run::engine::Engine;

/// Has the engine do without a variant: by what was not measured, then by a simpler choice, the first that does. Says what computes
/// in its place; `None` where nothing does.
pub fn replace(engine: &mut Engine, wrong: VariantId) -> Result<Option<&'static str>> {
    let before = variants(engine)?;
    engine.model.tuning.avoid(wrong);
    forget(engine, wrong)?;
    let chosen = engine.model.choice;
    let mut found = !variants(engine)?.contains(&wrong);
    for choice in chosen.simpler() {
        if found {
            break;
        }
        engine.model.choose(choice, &mut engine.device)?;
        found = !variants(engine)?.contains(&wrong);
    }
    if !found {
        engine.model.choose(chosen, &mut engine.device)?;
        engine.decoder.count_in_storage()?;
        found = !variants(engine)?.contains(&wrong);
    }
    if !found {
        return Ok(None);
    }
    let after = variants(engine)?;
    let family = |other: &&VariantId| other.kernel().family == wrong.kernel().family;
    // `scan` does the work of `scan_ready`; else names that begin alike are of kernels that are alike.
    let alike = |other: &&VariantId| {
        let same = other.name().bytes().zip(wrong.name().bytes()).take_while(|(a, b)| a == b).count();
        (wrong.kernel().name.starts_with(other.kernel().name), same)
    };
    let new = after.difference(&before).filter(family).max_by_key(alike);
    // What was there before may do its work too.
    let to = new.or_else(|| after.iter().filter(family).max_by_key(alike));
    Ok(Some(to.map_or("others", |to| to.name())))
}

fn variants(engine: &Engine) -> Result<BTreeSet<VariantId>> {
    Ok(engine.recordings()?.iter().flat_map(Recording::variants).collect())
}

/// What was measured of other numbers of rows may lead to the same kernel.
fn forget(engine: &mut Engine, wrong: VariantId) -> Result<()> {
    for shape in engine.checked_shapes() {
        let (recording, products) = engine.model.record_products(shape)?;
        for (product, index) in products {
            if recording.dispatches[index].variant == wrong {
                engine.model.tuning.forget_matrix(&product);
            }
        }
    }
    Ok(())
}

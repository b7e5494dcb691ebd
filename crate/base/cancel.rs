//! Whose work the engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::bail;
use crate::base::error::Result;

/// A turn at the engine. Only the last one given out goes on; any of its clones can end it.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<AtomicBool>);

impl Turn {
    /// What computes for it stops as soon as it can.
    pub fn cancel(&self) {
        self.0.store(true, Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// `Aborted` once it was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!(Aborted, "The work was stopped by the caller.");
        }
        Ok(())
    }

    /// Whether both are one turn.
    pub fn is(&self, other: &Turn) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

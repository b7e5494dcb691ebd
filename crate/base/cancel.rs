//! How work is ended before it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::bail;
use crate::base::error::Result;

/// Ends a piece of work. Its clones stand for the same work: any of them can cancel it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Work>);

#[derive(Debug, Default)]
struct Work {
    cancelled: AtomicBool,
    /// What this is a part of.
    whole: Option<Cancel>,
}

impl Cancel {
    /// What computes for the work stops as soon as it can.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Relaxed);
    }

    /// Ends a part of this work, which ends with the whole too.
    pub fn part(&self) -> Cancel {
        Cancel(Arc::new(Work { cancelled: AtomicBool::new(false), whole: Some(self.clone()) }))
    }

    /// Whether [`Cancel::cancel`] was called on it or a clone of it, or on what it is a part of.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed) || self.0.whole.as_ref().is_some_and(Cancel::is_cancelled)
    }

    /// `Aborted` once the work was cancelled.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            bail!(Aborted, "The work was stopped by the caller.");
        }
        Ok(())
    }

    /// Whether both stand for the same work.
    pub fn is(&self, other: &Cancel) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

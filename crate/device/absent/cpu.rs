//! The CPU in a build without its kernels: there is no value of these types, so what is done with one takes no code.

use std::convert::Infallible;

use crate::bail;
use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::memory::{Exchange, Memory, Move, Moves, Named};
use crate::device::options::CpuOptions;
use crate::device::recording::Recording;
use crate::kernels::job::Together;

/// A device that there is not.
pub struct Cpu(Infallible);

/// What it would have computed.
pub struct Ring(Infallible);

impl Cpu {
    /// `Internal`: whoever wants it takes another build.
    pub fn new(_: &CpuOptions, _: bool) -> Result<Self> {
        bail!(Internal, "This build of the engine has no kernels for the CPU.");
    }
    pub fn set_together(&mut self, _: Together) {
        match self.0 {}
    }
    pub fn threads(&self) -> usize {
        match self.0 {}
    }
    pub fn bytes(&self) -> u64 {
        match self.0 {}
    }
    pub fn options_beside(&self) -> CpuOptions {
        match self.0 {}
    }
    pub async fn run(&mut self, _: &Recording, _: &Cancel) -> Result<()> {
        match self.0 {}
    }
    pub async fn time(&mut self, _: &Recording) -> Result<Vec<f64>> {
        match self.0 {}
    }
    pub fn read(&self, _: BufferId, _: u64) -> &[u8] {
        match self.0 {}
    }
}

impl Ring {
    pub(super) fn new(_: usize, _: u64) -> Self {
        unreachable!("a ring of a device that there is not")
    }
    pub(super) fn bytes(&self) -> u64 {
        match self.0 {}
    }
    pub(super) fn is_full(&self) -> bool {
        match self.0 {}
    }
    pub(super) fn is_empty(&self) -> bool {
        match self.0 {}
    }
    pub(super) fn clear(&mut self) {
        match self.0 {}
    }
    pub(super) fn push(&mut self, _: &[u8]) -> Result<()> {
        match self.0 {}
    }
    pub(super) fn pop(&mut self) -> Result<Vec<u8>> {
        match self.0 {}
    }
}

impl Memory for Cpu {
    fn alloc(&mut self, _: &str, _: u64) -> Result<BufferId> {
        match self.0 {}
    }
    fn write(&mut self, _: BufferId, _: u64, _: &[u8]) {
        match self.0 {}
    }
    fn max_binding(&self) -> u64 {
        match self.0 {}
    }
}

impl Exchange for Cpu {
    fn free(&mut self, _: BufferId) {
        match self.0 {}
    }
    fn copy(&mut self, _: (BufferId, u64), _: (BufferId, u64), _: u64) {
        match self.0 {}
    }
}

impl Moves for Cpu {
    fn move_bytes(&mut self, _: &[Move]) {
        match self.0 {}
    }
}

impl Named for Cpu {
    fn label(&self, _: BufferId) -> &str {
        match self.0 {}
    }
    fn buffer_bytes(&self, _: BufferId) -> u64 {
        match self.0 {}
    }
}

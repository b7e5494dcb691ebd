//! WebGPU in a build without it: there is no value of these types, so whatever is done with one takes no code.

use std::convert::Infallible;

use crate::base::buffer::BufferId;
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::device::memory::{Exchange, Memory, Move, Moves, Named};
use crate::device::options::no_adapter;
use crate::device::recording::Recording;
use crate::kernels::choose::Caps;
use crate::kernels::face::VariantId;

pub use crate::device::options::GpuOptions;

/// A device that there is not.
pub struct Gpu {
    /// What it could do.
    pub caps: Caps,
    never: Infallible,
}

/// What it would replay.
pub struct Prepared(Infallible);

/// What it would have computed.
pub struct Ring(Infallible);

impl Gpu {
    /// `NoWebgpu`, or why another build has given it up.
    pub async fn request(options: GpuOptions) -> Result<Self> {
        Err(options.refused.unwrap_or_else(no_adapter))
    }
    pub fn bytes(&self) -> u64 {
        match self.never {}
    }
    pub fn check(&self) -> Result<()> {
        match self.never {}
    }
    pub fn check_timestamps(&self) -> Result<()> {
        match self.never {}
    }
    pub fn compile_ahead(&self, _: impl IntoIterator<Item = VariantId>) {
        match self.never {}
    }
    pub async fn compiled(&self, _: &Recording, _: &Cancel) -> Result<()> {
        match self.never {}
    }
    pub fn prepare(&self, _: &Recording) -> Prepared {
        match self.never {}
    }
    pub fn run(&self, _: &Prepared) {
        match self.never {}
    }
    pub fn encode_only(&self, _: &Prepared) {
        match self.never {}
    }
    pub async fn time(&self, _: &Prepared) -> Result<Vec<f64>> {
        match self.never {}
    }
    pub async fn read_at(&self, _: BufferId, _: u64, _: u64) -> Result<Vec<u8>> {
        match self.never {}
    }
    pub async fn read_pieces(&self, _: &[(BufferId, u64, u64)]) -> Result<Vec<u8>> {
        match self.never {}
    }
    pub async fn idle(&self) -> Result<()> {
        match self.never {}
    }
    pub fn ring(&self, _: usize, _: u64) -> Ring {
        match self.never {}
    }
    pub fn run_into(&self, _: &mut Ring, _: &[&Prepared], _: BufferId) -> Result<()> {
        match self.never {}
    }
    pub async fn result(&self, _: &mut Ring) -> Result<Vec<u8>> {
        match self.never {}
    }
}

impl Prepared {
    pub fn len(&self) -> usize {
        match self.0 {}
    }
    pub fn is_empty(&self) -> bool {
        match self.0 {}
    }
}

impl Ring {
    pub fn is_full(&self) -> bool {
        match self.0 {}
    }
    pub fn is_empty(&self) -> bool {
        match self.0 {}
    }
    pub fn clear(&mut self) {
        match self.0 {}
    }
}

impl Memory for Gpu {
    fn alloc(&mut self, _: &str, _: u64) -> Result<BufferId> {
        match self.never {}
    }
    fn write(&mut self, _: BufferId, _: u64, _: &[u8]) {
        match self.never {}
    }
    fn max_binding(&self) -> u64 {
        match self.never {}
    }
}

impl Exchange for Gpu {
    fn free(&mut self, _: BufferId) {
        match self.never {}
    }
    fn copy(&mut self, _: (BufferId, u64), _: (BufferId, u64), _: u64) {
        match self.never {}
    }
}

impl Moves for Gpu {
    fn move_bytes(&mut self, _: &[Move]) {
        match self.never {}
    }
}

impl Named for Gpu {
    fn label(&self, _: BufferId) -> &str {
        match self.never {}
    }
    fn buffer_bytes(&self, _: BufferId) -> u64 {
        match self.never {}
    }
}

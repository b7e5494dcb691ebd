//! Into how many stretches one token's attention is cut, each for a workgroup of its own.

/// From so many tokens before it on, so many stretches; the first begins at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts(&'static [(u32, u32)]);

impl Cuts {
    /// On graphics cards: a stretch is a tile or two of the kernel's while there are few, and later enough of them to
    /// keep every part of a large card busy.
    pub const CARD: Cuts = Cuts(&[(0, 1), (128, 8), (512, 16), (1024, 32), (4096, 64), (16_384, 128)]);
    /// Where two or a few cores compute.
    pub const CORES: Cuts = Cuts(&[(0, 1), (512, 16)]);

    /// Stretches for a token after `before` others.
    pub fn at(self, before: u32) -> u32 {
        self.step(before).1
    }

    /// The fewest tokens before it for which that many stretches are taken.
    pub fn from(self, before: u32) -> u32 {
        self.step(before).0
    }

    /// The beginnings of all steps up to so many tokens.
    pub fn all(self, most: u32) -> impl Iterator<Item = u32> {
        self.0.iter().map(|&(from, _)| from).filter(move |&from| from <= most)
    }

    fn step(self, before: u32) -> (u32, u32) {
        *self.0.iter().rfind(|&&(from, _)| from <= before).unwrap_or(&(0, 1))
    }
}

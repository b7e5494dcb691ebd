//! How one token's attention is shared out among workgroups.

/// From so many tokens before it on: how the cells and the heads are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    from: u32,
    /// Stretches that the cells are cut into, each for workgroups of its own.
    stretches: u32,
    /// The most query heads of a workgroup: they share what is read of the cache.
    heads: u32,
}

const fn step(from: u32, stretches: u32, heads: u32) -> Step {
    Step { from, stretches, heads }
}

/// The steps, of which the first begins at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts(&'static [Step]);

impl Cuts {
    /// On graphics cards: a stretch is a tile or two of the kernel's while there are few, and later enough of them to
    /// keep every part of a large card busy.
    pub const CARD: Cuts = Cuts(&[
        step(0, 1, 4),
        step(128, 8, 4),
        step(512, 16, 4),
        step(1024, 32, 4),
        step(4096, 64, 4),
        step(16_384, 128, 4),
    ]);
    /// On those of which an H200 was measured (`bench/results`): while there is little to read, it takes longer to attend
    /// head after head than to read the cache once for each.
    pub const LARGE_CARD: Cuts = Cuts(&[
        step(0, 1, 1),
        step(128, 8, 1),
        step(512, 16, 1),
        step(1024, 32, 2),
        step(4096, 64, 4),
        step(16_384, 128, 4),
    ]);
    /// Where two or a few cores compute.
    pub const CORES: Cuts = Cuts(&[step(0, 1, 4), step(512, 16, 4)]);

    /// Never in stretches.
    pub const WHOLE: Cuts = Cuts(&[step(0, 1, 4)]);

    /// Stretches for a token after `before` others.
    pub fn at(self, before: u32) -> u32 {
        self.step(before).stretches
    }

    /// The most query heads of a workgroup, for a token after `before` others.
    pub fn heads(self, before: u32) -> u32 {
        self.step(before).heads
    }

    /// The fewest tokens before it for which its attention is shared out alike.
    pub fn from(self, before: u32) -> u32 {
        self.step(before).from
    }

    /// The beginnings of all steps up to so many tokens.
    pub fn all(self, most: u32) -> impl Iterator<Item = u32> {
        self.0.iter().map(|step| step.from).filter(move |&from| from <= most)
    }

    fn step(self, before: u32) -> Step {
        *self.0.iter().rfind(|step| step.from <= before).unwrap_or(&step(0, 1, 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_cover_every_position() {
        for cuts in [Cuts::CARD, Cuts::LARGE_CARD, Cuts::CORES] {
            assert!(cuts.0[0].from == 0 && cuts.0.is_sorted_by(|a, b| a.from < b.from && a.stretches <= b.stretches));
            // What the kernels that take part can hold.
            assert!(cuts.0.iter().all(|step| (1..=128).contains(&step.stretches) && (1..=4).contains(&step.heads)));
        }
        assert_eq!([0, 127, 128, 1023, 5000].map(|before| Cuts::LARGE_CARD.heads(before)), [1, 1, 1, 1, 4]);
        assert_eq!([127, 128, 1023, 5000].map(|before| Cuts::CARD.from(before)), [0, 128, 512, 4096]);
    }
}

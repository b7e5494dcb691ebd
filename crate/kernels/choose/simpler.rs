//! What takes the place of a kernel that computes something else than it should: a choice that is simpler in one thing.

use super::{Choice, Cuts, ManyRows, Prefill, SingleRow};
use crate::kernels::table::choices::{Kv, Lanes, Reduce, X};

/// Each makes a choice simpler in one thing, or leaves it as it is; the first cost least.
const STEPS: &[fn(&mut Choice)] = &[
    // Apart, and not measured.
    |choice| choice.merge = None,
    |choice| choice.reduce = Reduce::Tree,
    |choice| choice.lanes = Lanes::Tree,
    |choice| {
        // The same bytes.
        if choice.kv == Kv::F16 {
            choice.kv = Kv::Pack16;
        }
    },
    |choice| choice.few = false,
    |choice| choice.post = false,
    |choice| {
        choice.planes = None;
        if choice.many == ManyRows::TileDot {
            choice.many = ManyRows::Tile;
        }
        if choice.single == SingleRow::SharedDot {
            choice.single = SingleRow::Shared;
        }
    },
    |choice| choice.cuts = Cuts::WHOLE,
    |choice| choice.prefill = Prefill::Row,
    |choice| choice.blocks = false,
    |choice| {
        choice.many = match choice.many {
            ManyRows::Owned(X::Direct) => ManyRows::Tile,
            _ => ManyRows::Owned(X::Direct),
        }
    },
    |choice| {
        choice.single = match choice.single {
            SingleRow::Owned(X::Quad | X::Octet) | SingleRow::Shared => SingleRow::Owned(X::Direct),
            _ => SingleRow::Shared,
        }
    },
    |choice| choice.single = SingleRow::Shared,
    |choice| choice.many = ManyRows::Tile,
];

impl Choice {
    /// This choice, simpler in one thing each; then, one after the other, in ever more.
    pub fn simpler(self) -> Vec<Choice> {
        let one = STEPS.iter().map(|step| {
            let mut choice = self;
            step(&mut choice);
            choice
        });
        let more = STEPS.iter().scan(self, |choice, step| {
            step(choice);
            Some(*choice)
        });
        let mut all: Vec<Choice> = Vec::new();
        for choice in one.chain(more) {
            if choice != self && !all.contains(&choice) {
                all.push(choice);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::precision::KvType;

    #[test]
    fn a_choice_becomes_simpler_in_each_thing_and_ends() {
        let choice = Choice {
            reduce: Reduce::Subgroup,
            lanes: Lanes::Subgroup,
            kv: Kv::F16,
            single: SingleRow::SharedDot,
            many: ManyRows::TileDot,
            few: true,
            post: true,
            prefill: Prefill::Tile,
            blocks: true,
            ..Choice::cpu(KvType::F16)
        };
        let all = choice.simpler();
        assert_eq!(all[0], Choice { reduce: Reduce::Tree, ..choice });
        assert!(all.contains(&Choice { prefill: Prefill::Row, ..choice }));
        let last = all.last().expect("a choice");
        assert!(last.reduce == Reduce::Tree && last.kv == Kv::Pack16 && !last.few && !last.post && !last.blocks);
        // The simplest of all has other ways to products, and no more.
        let simplest = Choice { kv: Kv::F32, cuts: Cuts::WHOLE, ..Choice::cpu(KvType::F32) };
        let products = |choice: &Choice| Choice { single: simplest.single, many: simplest.many, ..*choice };
        assert!(simplest.simpler().iter().all(|choice| products(choice) == simplest));
    }
}

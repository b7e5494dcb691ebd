//! Where runs of cells lie, and where they go: numbers alone. Runs are given in the order of their cells.

/// Neighbouring cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub first: u32,
    pub count: u32,
}

impl Run {
    /// The cell behind it.
    pub fn end(self) -> u32 {
        self.first + self.count
    }
}

/// Where a new run should start that wants `room` of all `cells`: its place in the order, and its first cell.
pub fn place(runs: impl Iterator<Item = Run>, cells: u32, room: u32) -> (usize, u32) {
    let (mut best, mut start) = ((0, 0, 0), 0);
    // Behind the last run there is one more gap.
    for (index, run) in runs.chain([Run { first: cells, count: 0 }]).enumerate() {
        let gap = run.first - start;
        if gap > best.2 {
            // No run grows into the gap before the first.
            let spare = if index == 0 { 0 } else { gap.saturating_sub(room) };
            best = (index, start + spare / 2, gap);
        }
        start = run.end();
    }
    (best.0, best.1)
}

/// Moves the runs so that all free cells lie behind the one at `index`. Gives what must be copied, run and new first
/// cell, in an order in which no copy overwrites what a later one reads.
pub fn gather(runs: &mut [Run], index: usize, cells: u32) -> Vec<(Run, u32)> {
    let mut moves = Vec::new();
    let mut shift = |run: &mut Run, first: u32| {
        if run.count > 0 && run.first != first {
            moves.push((*run, first));
        }
        run.first = first;
    };
    let (left, right) = runs.split_at_mut(index + 1);
    let mut start = 0;
    for run in left {
        shift(run, start);
        start = run.end();
    }
    let mut end = cells;
    for run in right.iter_mut().rev() {
        end -= run.count;
        shift(run, end);
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u32, count: u32) -> Run {
        Run { first, count }
    }

    #[test]
    fn a_new_run_leaves_room_for_the_one_before_it() {
        assert_eq!(place([].into_iter(), 100, 30), (0, 0));
        assert_eq!(place([run(0, 20)].into_iter(), 100, 30), (1, 45));
        assert_eq!(place([run(0, 20), run(45, 30)].into_iter(), 100, 5), (1, 30));
        // Before the first there is nobody who would grow.
        assert_eq!(place([run(60, 20)].into_iter(), 100, 30), (0, 0));
        // No gap is large enough: at the start of the largest.
        assert_eq!(place([run(0, 40), run(50, 45)].into_iter(), 100, 12), (1, 40));
        assert_eq!(place([run(0, 100)].into_iter(), 100, 1), (0, 0));
    }

    #[test]
    fn free_cells_gather_behind_a_run_and_no_copy_overwrites_what_a_later_one_reads() {
        let before = [run(5, 10), run(20, 10), run(40, 10), run(60, 30)];
        let after = |index| {
            let mut runs = before;
            let moves = gather(&mut runs, index, 100);
            let mut written = Vec::new();
            for (from, to) in moves {
                assert!(!written.iter().any(|w: &Run| w.first < from.end() && from.first < w.end()), "{index}");
                written.push(run(to, from.count));
            }
            runs
        };
        assert_eq!(after(0), [run(0, 10), run(50, 10), run(60, 10), run(70, 30)]);
        assert_eq!(after(1), [run(0, 10), run(10, 10), run(60, 10), run(70, 30)]);
        assert_eq!(after(3), [run(0, 10), run(10, 10), run(20, 10), run(30, 30)]);
    }
}

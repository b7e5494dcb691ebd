// How loops count. Chrome's compiler adds a counter of 64 bits to every loop whose end it does not see, and it sees the end
// only of those that count by one up to a constant: the others take a third longer. So a loop whose end is a variable goes
// up to MOST_TURNS, more than any takes, and breaks.
const MOST_TURNS: u32 = 0x100000u;

// How often a loop from `begin` to before `end` goes round, `step` at a time.
fn turns(begin: u32, end: u32, step: u32) -> u32 {
    return (max(begin, end) - begin + step - 1u) / step;
}

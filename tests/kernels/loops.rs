//! Loops as browsers compile them.

use sotto::kernels::table::KERNELS;

/// Kernels that run once a token, on numbers of tokens.
const SELDOM: &str = "sample";

/// What `shaders/shared/turns.wgsl` asks of loops.
#[test]
fn loops_count_by_one_up_to_a_constant() {
    for kernel in KERNELS.iter().filter(|kernel| !kernel.name.starts_with(SELDOM)) {
        let source = kernel.variants().next().expect("a variant").get().source(true);
        for line in source.lines().map(str::trim).filter(|line| line.starts_with("for ")) {
            let parts: Vec<&str> = line.split(';').collect();
            let end = parts.get(1).and_then(|condition| condition.split_once("< ")).map_or("", |(_, end)| end);
            let is_seen = line.ends_with("++) {") && end.starts_with(|c: char| c.is_ascii_digit() || c.is_uppercase());
            assert!(is_seen, "{}: {line}", kernel.name);
        }
    }
}

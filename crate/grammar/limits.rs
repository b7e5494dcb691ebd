//! How large a specification may be: beyond, it is refused before anything is built of it. Real ones stay far below.

use std::time::Duration;

use llguidance::api::ParserLimits;

/// Schemas in schemas, values in values. Each level takes some kB of stack while it is compiled.
pub const DEPTH: usize = 64;
/// Values of a schema, all levels together.
pub const VALUES: usize = 50_000;
/// Bytes of a pattern, a regular expression or a grammar.
pub const TEXT_BYTES: usize = 256 << 10;
/// Definitions of a grammar: one may lead to the next, each a few calls deep.
pub const RULES: usize = 2_000;
/// Groups in groups.
pub const NESTING: usize = 50;
/// `minLength` and `maxLength`, and repetitions in patterns and grammars.
pub const LENGTH: u64 = 100_000;
/// `minItems`, `maxItems`, `minProperties` and `maxProperties`.
pub const ITEMS: u64 = 10_000;
/// Numbers from here on are not told apart by readers of JSON that keep them as floats.
pub const NUMBER: f64 = 9_007_199_254_740_992.0;
/// Digits of a number that is being written: before its point, behind it, and of its exponent. More come only where the
/// schema asks for them.
pub const DIGITS: usize = 60;
/// See `DIGITS`.
pub const FRACTION_DIGITS: usize = 20;
/// See `DIGITS`.
pub const EXPONENT_DIGITS: usize = 3;
/// Rules that one rule stands for, written out.
pub const PARTS: usize = 10_000;
/// What all steps of a reply may take, unless each is `FAST` on average: ambiguous grammars take longer with each token.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// See `PATIENCE`.
pub const FAST: Duration = Duration::from_millis(10);
/// What a compilation may need of the stack, for the limits above.
#[cfg(not(target_arch = "wasm32"))]
pub const STACK_BYTES: usize = 32 << 20;

/// What a step may cost, and what a grammar may become.
pub fn parser() -> ParserLimits {
    // Without the text of the grammar, which would be in every message.
    ParserLimits {
        verbose_errors: false,
        initial_lexer_fuel: 500_000,
        // Each takes one or two kB.
        max_lexer_states: 60_000,
        ..ParserLimits::default()
    }
}

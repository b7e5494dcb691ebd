//! How large a specification may be: beyond, it is refused before anything is built of it. Real ones stay far below.

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
/// What a compilation may need of the stack, for the limits above.
#[cfg(not(target_arch = "wasm32"))]
pub const STACK_BYTES: usize = 32 << 20;

/// What a step may cost, and what a grammar may become.
pub fn parser() -> ParserLimits {
    // Without the text of the grammar, which would be in every message.
    ParserLimits { verbose_errors: false, ..ParserLimits::default() }
}

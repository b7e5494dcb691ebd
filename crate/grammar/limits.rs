//! How large a specification may be: beyond, it is refused before anything is built of it. Real ones stay far below.

use std::time::Duration;

use llguidance::api::ParserLimits;

/// Schemas in schemas, values in values. Each level takes some kB of stack while it is compiled.
pub const DEPTH: usize = 64;
/// Values of a schema, all levels together.
pub const VALUES: usize = 50_000;
/// Bytes of a pattern, a regular expression or a grammar.
pub const TEXT_BYTES: usize = 256 << 10;
/// Bytes of a grammar that was made of tools: much of it are names.
pub const TOOLS_BYTES: usize = 1 << 20;
/// Repetitions and choices of an expression or a grammar: what the next character may be is asked of each.
pub const REPEATS: usize = 4_000;
/// Definitions of a grammar: one may lead to the next, each a few calls deep.
pub const RULES: usize = 2_000;
/// Levels of schemas in schemas, of all that `$ref` leads to together: each may be compiled within the one before, which takes
/// 4 kB of stack a level.
pub const LEVELS: usize = 1_000;
/// Properties of an object that may be left out: each may come next, so each is looked at with every token.
pub const OPTIONAL: usize = 400;
/// Pairs of patterns in `patternProperties`, times the bytes of all: each pair is compared.
pub const PATTERN_PAIRS: u64 = 10_000_000;
/// Patterns and formats that one text must fit, in one `allOf`.
pub const PATTERNS_MET: usize = 10;
/// What all `multipleOf` of a schema may come to, without the point: each remainder is a state.
pub const MULTIPLE: u64 = 100_000;
/// Digits behind the point of a number's bound.
pub const BOUND_DIGITS: usize = 40;
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
/// Rules, repetitions and choices that one rule stands for, written out.
pub const PARTS: usize = 5_000;
/// What a compilation may take.
pub const COMPILE: Duration = Duration::from_secs(4);
/// So long it may be looked for where one failed, `COMPILE` and this together.
pub const SEARCH: Duration = Duration::from_secs(1);
/// Compilations that took longer and have not ended yet: with so many no other begins.
#[cfg(not(target_arch = "wasm32"))]
pub const LEFT: usize = 4;
/// What one step of a reply may take.
pub const STEP: Duration = Duration::from_secs(1);
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
        step_lexer_fuel: 500_000,
        // Steps can be called off, and the making of a parser cannot.
        precompute_large_lexemes: false,
        // Each takes one or two kB.
        max_lexer_states: 60_000,
        // The compiler cannot be called off either: what is let in ends by itself within some seconds.
        max_grammar_size: 300_000,
        ..ParserLimits::default()
    }
}

//! Rules that lead to themselves whatever way is taken: no text is ever whole by them, and a reply would not end.

use std::collections::{HashMap, HashSet};

use llguidance::earley::{CGrammar, CSymIdx};

/// Why a rule that `endless` finds is refused.
pub const ENDLESS: &str = "leads back to itself whatever way is taken, and never ends";

/// The name of a rule that gives no text though a text may lead to it.
pub fn endless(grammar: &CGrammar) -> Option<&str> {
    let reached = reached(grammar);
    // Of each rule, how many of its parts are not known to give a text; of each part, whose rules wait for it.
    let mut missing: Vec<(CSymIdx, usize)> = Vec::new();
    let mut waiting: HashMap<CSymIdx, Vec<usize>> = HashMap::new();
    let mut giving: HashSet<CSymIdx> = HashSet::new();
    let mut fresh: Vec<CSymIdx> = Vec::new();
    for &symbol in &reached {
        if gives(grammar, symbol) {
            giving.insert(symbol);
            fresh.push(symbol);
        }
        for rule in grammar.rules_of(symbol) {
            let (parts, ..) = grammar.rule_rhs(*rule);
            parts.iter().for_each(|part| waiting.entry(*part).or_default().push(missing.len()));
            missing.push((symbol, parts.len()));
        }
    }
    while let Some(symbol) = fresh.pop() {
        for rule in waiting.remove(&symbol).unwrap_or_default() {
            let (of, left) = &mut missing[rule];
            *left -= 1;
            if *left == 0 && giving.insert(*of) {
                fresh.push(*of);
            }
        }
    }
    // What comes first in the grammar is most likely what its writer knows by name.
    reached.into_iter().find(|symbol| !giving.contains(symbol)).map(|symbol| grammar.sym_name(symbol))
}

/// Whether it gives a text without other rules.
fn gives(grammar: &CGrammar, symbol: CSymIdx) -> bool {
    let data = grammar.sym_data(symbol);
    data.is_terminal
        || data.is_nullable
        || data.lexeme.is_some()
        || data.gen_grammar.is_some()
        || !data.cond_nullable.is_empty()
}

/// All symbols that texts may lead to, the nearest first.
fn reached(grammar: &CGrammar) -> Vec<CSymIdx> {
    let mut found = vec![grammar.start()];
    let mut known: HashSet<CSymIdx> = found.iter().copied().collect();
    let mut at = 0;
    while let Some(&symbol) = found.get(at) {
        for rule in grammar.rules_of(symbol) {
            let (parts, ..) = grammar.rule_rhs(*rule);
            found.extend(parts.iter().copied().filter(|part| known.insert(*part)));
        }
        at += 1;
    }
    found
}

//! Automata of the models' expressions. The build reads the expressions (`build/expressions.rs`) and leaves their structure:
//! to read them here would bring a parser and all tables of Unicode, a fifth of what a page loads first.

use std::sync::{Mutex, PoisonError};

use regex_automata::hybrid::dfa;
use regex_automata::hybrid::regex::{self, Cache, Regex};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::{Input, Match, MatchKind};
use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, Look, Repetition};

use crate::base::error::{Code, Error, Result};

/// Part of an expression.
enum Node {
    Text(&'static str),
    /// A character of one of these kinds, by index into [`table::CLASSES`].
    Class(usize),
    /// The end of the text.
    End,
    Repeat {
        min: u32,
        max: Option<u32>,
        of: &'static Node,
    },
    All(&'static [Node]),
    /// The first that matches.
    Any(&'static [Node]),
}

mod table {
    use super::Node::{self, All, Any, Class, End, Repeat, Text};

    include!(concat!(env!("OUT_DIR"), "/expressions.rs"));
}

/// Finds some patterns in texts, in a time that grows with the text alone.
pub struct Automaton {
    regex: Regex,
    /// The states that were needed so far.
    cache: Mutex<Cache>,
}

impl Automaton {
    pub fn new(patterns: &[&'static str]) -> Result<Automaton> {
        let broken = |what: &dyn std::fmt::Display| {
            Error::new(
                Code::Internal,
                format!("The pre-tokenizer's pattern {} is broken: {what}", patterns.join(" or ")),
            )
        };
        let mut parts = Vec::new();
        for pattern in patterns {
            let row = table::EXPRESSIONS.iter().find(|(known, _)| known == pattern);
            parts.push(hir(&row.ok_or_else(|| broken(&"the build does not know it"))?.1));
        }
        let automaton = |reverse, config: dfa::Config| {
            let directed = thompson::Config::new().reverse(reverse).which_captures(WhichCaptures::None);
            let nfa = NFA::compiler().configure(directed).build_many_from_hir(&parts).map_err(|e| broken(&e))?;
            dfa::Builder::new().configure(config).build_from_nfa(nfa).map_err(|e| broken(&e))
        };
        let forward = automaton(false, dfa::Config::new())?;
        // From where a match ends back to where it starts, as `Regex::new_many` makes it.
        let reverse = automaton(true, dfa::Config::new().match_kind(MatchKind::All))?;
        let regex = regex::Builder::new().build_from_dfas(forward, reverse);
        let cache = Mutex::new(regex.create_cache());
        Ok(Automaton { regex, cache })
    }

    /// The first match in `text` from the byte `from` on.
    pub fn find(&self, text: &str, from: usize) -> Option<Match> {
        // It would fail only at bytes at which it was told to, and there are none.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        self.regex.try_search(&mut cache, &Input::new(text).range(from..)).ok().flatten()
    }
}

fn hir(node: &Node) -> Hir {
    match node {
        Node::Text(text) => Hir::literal(text.as_bytes()),
        Node::Class(index) => Hir::class(Class::Unicode(ClassUnicode::new(ranges(table::CLASSES[*index])))),
        Node::End => Hir::look(Look::End),
        Node::Repeat { min, max, of } => {
            Hir::repetition(Repetition { min: *min, max: *max, greedy: true, sub: Box::new(hir(of)) })
        }
        Node::All(nodes) => Hir::concat(nodes.iter().map(hir).collect()),
        Node::Any(nodes) => Hir::alternation(nodes.iter().map(hir).collect()),
    }
}

/// The characters of these kinds. `table::RUNS` has all characters in order: how many follow of which kind.
fn ranges(kinds: &[u8]) -> Vec<ClassUnicodeRange> {
    let mut next = 0;
    let runs = table::LENGTHS.iter().zip(table::KINDS).map(|(length, kind)| {
        let first = next;
        next += u32::from(*length);
        (first, next - 1, kind)
    });
    let chosen = runs.filter(|(.., kind)| kinds.contains(kind));
    let range = |(first, last, _)| Some(ClassUnicodeRange::new(char::from_u32(first)?, char::from_u32(last)?));
    chosen.filter_map(range).collect()
}

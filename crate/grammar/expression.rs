//! What bounds the size of a regular expression.

use regex_syntax::ast::{self, Ast};

use crate::limits;

/// Bounds repetitions and choices; the error is the end of a sentence.
pub fn check_repeats(expression: &Ast) -> Result<(), String> {
    ast::visit(expression, Repeats(0))
}

struct Repeats(usize);

impl ast::Visitor for Repeats {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        if matches!(ast, Ast::Repetition(_) | Ast::Alternation(_)) {
            self.0 += 1;
            if self.0 > limits::REPEATS {
                return Err(format!("has more than {} repetitions and choices", limits::REPEATS));
            }
        }
        if let Ast::Repetition(repetition) = ast
            && let ast::RepetitionKind::Range(range) = &repetition.op.kind
        {
            let (ast::RepetitionRange::Exactly(most)
            | ast::RepetitionRange::AtLeast(most)
            | ast::RepetitionRange::Bounded(_, most)) = range;
            if u64::from(*most) > limits::LENGTH {
                return Err(format!("repeats something {most} times, of at most {}", limits::LENGTH));
            }
        }
        Ok(())
    }
}

//! Numbers end: JSON does not bound their digits, and a small model in doubt writes them without end.

use crate::limits;

/// How many digits stand in a row where JSON goes on, as it comes byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub struct Digits {
    in_text: bool,
    escaped: bool,
    place: Place,
    count: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Whole,
    Fraction,
    Exponent,
}

impl Digits {
    /// More of the JSON.
    pub fn read(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(*byte));
    }

    /// Whether these are as many as a number needs.
    pub fn are_many(&self) -> bool {
        let most = match self.place {
            Place::Whole => limits::DIGITS,
            Place::Fraction => limits::FRACTION_DIGITS,
            Place::Exponent => limits::EXPONENT_DIGITS,
        };
        !self.in_text && self.count >= most
    }

    fn byte(&mut self, byte: u8) {
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        let before = std::mem::take(&mut self.count);
        match byte {
            b'0'..=b'9' => self.count = before + 1,
            b'.' => self.place = Place::Fraction,
            b'e' | b'E' => self.place = Place::Exponent,
            b'+' | b'-' => {}
            _ => {
                self.place = Place::Whole;
                self.in_text = byte == b'"';
            }
        }
    }
}

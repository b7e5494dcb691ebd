//! Stop strings in streamed text, also where one spreads over several chunks.

/// Passes text on as it comes; holds back an end that may be the start of a stop string.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

/// What [`StopMatcher::push`] lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Text that is part of the reply for certain. The stop string itself is never in it.
    pub text: String,
    /// A stop string was found: the reply ends after `text`.
    pub stopped: bool,
}

impl StopMatcher {
    /// Empty stop strings are ignored.
    pub fn new(stops: impl IntoIterator<Item = String>) -> StopMatcher {
        StopMatcher {
            stops: stops.into_iter().filter(|stop| !stop.is_empty()).collect(),
            held: String::new(),
            stopped: false,
        }
    }

    /// The leftmost stop string ends the reply; of several at one place, any (they cut the same).
    pub fn push(&mut self, text: &str) -> Passed {
        if self.stopped {
            return Passed { text: String::new(), stopped: true };
        }
        self.held.push_str(text);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            self.stopped = true;
            return Passed { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Passed { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What is still held back, once no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The length of the longest end of `text` that starts `stop`, in bytes.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len() - 1);
    (1..=longest).rev().find(|&length| text.as_bytes().ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], chunks: &[&str]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops.iter().map(ToString::to_string));
        let mut out = String::new();
        let mut stopped = false;
        for chunk in chunks {
            let passed = matcher.push(chunk);
            out += &passed.text;
            stopped |= passed.stopped;
        }
        (out + &matcher.finish(), stopped)
    }

    #[test]
    fn every_cut_of_a_text_stops_at_the_same_place() {
        let (stops, text) = (["END", "ND!", "é🙂x"], "some EN text EéND é🙂é🙂x END ND!");
        let want = "some EN text EéND é🙂";
        for (first, _) in text.char_indices() {
            for (second, _) in text.char_indices().filter(|(at, _)| *at >= first) {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(run(&stops, &chunks), (want.to_string(), true), "{chunks:?}");
            }
        }
        let single: Vec<String> = text.chars().map(String::from).collect();
        let single: Vec<&str> = single.iter().map(String::as_str).collect();
        assert_eq!(run(&stops, &single), (want.to_string(), true));
    }

    #[test]
    fn the_leftmost_stop_string_wins() {
        assert_eq!(run(&["b", "abc"], &["xa", "bc"]), ("x".to_string(), true));
        assert_eq!(run(&["abc", "b"], &["xab"]), ("xa".to_string(), true));
    }

    #[test]
    fn text_held_back_comes_out_in_the_end() {
        assert_eq!(run(&["STOP"], &["no ST", "O"]), ("no STO".to_string(), false));
        assert_eq!(run(&[""], &["all", " of it"]), ("all of it".to_string(), false));
        assert_eq!(run(&[], &["all"]), ("all".to_string(), false));
    }

    #[test]
    fn nothing_comes_after_the_stop() {
        let mut matcher = StopMatcher::new(["x".to_string()]);
        assert_eq!(matcher.push("axb"), Passed { text: "a".into(), stopped: true });
        assert_eq!(matcher.push("c"), Passed { text: String::new(), stopped: true });
        assert_eq!(matcher.finish(), "");
    }
}

//! Requests come, wait in line for cells, have them, and go: by their priority, and among equals as they came. Where cells run
//! out, the last ones wait and read again later what they had: that is never an error. One that was shifted keeps its cells: its
//! text read again would give others.

use std::rc::Rc;

use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::model::store::SequenceId;
use crate::run::engine::Engine;
use crate::run::prefix;
use crate::run::request::Shared;

/// Tokens of a reply for which there should be room before its prompt is read.
const AHEAD: usize = 32;

/// So many tokens in common with a prompt that is being read are waited for: they need not be read twice.
const WORTH: usize = 16;

/// So often may be asked in vain before one that reads nothing of what was sampled for it gives up its cells.
const PATIENCE: u32 = 64;

impl Engine {
    /// Those that nobody reads any more are gone.
    pub(crate) fn purge(&mut self) {
        let gone: Vec<Shared> = self.live.iter().filter(|request| Rc::strong_count(request) == 1).cloned().collect();
        gone.iter().for_each(|request| self.leave(request));
    }

    /// What ends a request that begins now.
    pub(crate) fn part(&self) -> Cancel {
        self.whole.part()
    }

    /// From here on it is computed with the others.
    pub(crate) fn join(&mut self, request: &Shared) -> Result<()> {
        self.purge();
        let priority = request.borrow().priority;
        let place = self.live.partition_point(|other| other.borrow().priority <= priority);
        self.live.insert(place, request.clone());
        self.counts.requests += 1;
        // What a prompt may have shifted is made ready before a pass.
        if self.is_alone() && !request.borrow().to_shift { self.admit(request).map(drop) } else { Ok(()) }
    }

    /// It is over: what it did not fill of its cells is free again.
    pub(crate) fn leave(&mut self, request: &Shared) {
        let before = self.live.len();
        self.live.retain(|other| !Rc::ptr_eq(other, request));
        if self.live.len() == before {
            return;
        }
        if self.follows(request) {
            self.halt();
        }
        if let Some(sequence) = request.borrow().sequence {
            let store = self.model.kv_mut();
            store.hold(sequence, false);
            store.touch(sequence);
            store.trim(sequence);
            if request.borrow().primes {
                store.keep(sequence);
            }
        }
    }

    /// All requests are over.
    pub(super) fn end_all(&mut self) {
        for request in self.live.clone() {
            self.leave(&request);
        }
    }

    /// Whether it is under way: it is not once other work has begun.
    pub(crate) fn has(&self, request: &Shared) -> bool {
        self.live.iter().any(|other| Rc::ptr_eq(other, request))
    }

    /// Requests that have cells, and those that wait for some.
    pub fn under_way(&self) -> (usize, usize) {
        let running = self.live.iter().filter(|request| request.borrow().sequence.is_some()).count();
        (running, self.live.len() - running)
    }

    /// Whether there is no more than one request.
    pub(crate) fn is_alone(&self) -> bool {
        self.live.len() <= 1
    }

    /// Tokens of it whose keys and values are there.
    pub(crate) fn done(&self, request: &Shared) -> usize {
        let sequence = request.borrow().sequence;
        sequence.and_then(|id| self.model.kv().get(id).ok()).map_or(0, |sequence| sequence.tokens.len())
    }

    /// Gives it a sequence with room for its text, if there are cells for that and for some of its reply.
    pub(super) fn admit(&mut self, shared: &Shared) -> Result<bool> {
        let mut request = shared.borrow_mut();
        let store = self.model.kv_mut();
        let wanted = (request.text.len() + AHEAD.min(request.most)) as u32;
        let running = self.live.iter().filter(|other| !Rc::ptr_eq(other, shared) && other.borrow().sequence.is_some());
        let lent = match request.fresh {
            true => 0,
            false => prefix::lent(store, &request.text, &request.blend, request.cut),
        };
        if store.spare() + lent < wanted.min(store.cells)
            || !store.has_states_for(running.count() + 1)
            || !store.has_near_for(Some(wanted))
        {
            return Ok(false);
        }
        let id = match request.fresh {
            true => store.open_with(request.text.len() as u32, &request.blend, &mut self.device)?,
            false => prefix::take(store, &request.text, &request.blend, request.cut, &mut self.device)?,
        };
        if store.get(id)?.room() < request.text.len() as u32 {
            store.close(id);
            return Ok(false);
        }
        store.hold(id, true);
        request.sequence = Some(id);
        if request.text.len() == request.prompt && request.cached == 0 {
            request.cached = store.get(id)?.tokens.len();
        }
        Ok(true)
    }

    /// The next in line have cells, as long as there are some and a pass has rows for them.
    pub(super) fn admit_some(&mut self) -> Result<()> {
        for request in self.live.clone() {
            if request.borrow().sequence.is_some() || !request.borrow().is_ready() {
                continue;
            }
            let reading: Vec<Shared> = self.live.iter().filter(|other| self.reads(other)).cloned().collect();
            // Prompts of a higher number let it pass.
            let priority = request.borrow().priority;
            let before = reading.iter().filter(|other| other.borrow().priority <= priority);
            let rows: usize = before.map(|other| other.borrow().end() - self.done(other)).sum();
            let full = rows >= self.model.sizes.max_rows as usize;
            if full || reading.iter().any(|other| self.will_share(other, &request)) || !self.admit(&request)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether it has cells, and tokens that are to be read.
    fn reads(&self, request: &Shared) -> bool {
        let state = request.borrow();
        state.sequence.is_some() && state.is_ready() && self.done(request) < state.prompt
    }

    /// Whether one that is being read starts as this one does, and further than anything that is there.
    fn will_share(&self, reading: &Shared, request: &Shared) -> bool {
        let (other, request) = (reading.borrow(), request.borrow());
        let same = other.text.iter().zip(&request.text).take_while(|(a, b)| a == b).count();
        !request.fresh && request.blend == other.blend && same >= WORTH + self.done(reading)
    }

    /// Room in its sequence for all that is to be computed of it, for which others may lose their cells; `false` where it lost its
    /// own.
    pub(super) fn make_room_for(&mut self, request: &Shared) -> Result<bool> {
        loop {
            let (sequence, room) = (request.borrow().sequence, request.borrow().end() as u32);
            let Some(id) = sequence else { return Ok(false) };
            let store = self.model.kv_mut();
            if store.has_room(id, room) {
                store.reserve(id, room, &mut self.device)?;
                return Ok(true);
            }
            let last = self.last_to_spare().unwrap_or_else(|| request.clone());
            self.put_back(&last);
        }
    }

    /// Who can give up cells and get the same again: the last with any that was not shifted, nor is to be.
    pub(super) fn last_to_spare(&self) -> Option<Shared> {
        let context = self.model.sizes.context as usize;
        let mut holding = self.live.iter().rev().filter(|request| request.borrow().sequence.is_some());
        holding.find(|request| request.borrow().text.len() <= context && !self.was_shifted(request)).cloned()
    }

    fn was_shifted(&self, request: &Shared) -> bool {
        let sequence = request.borrow().sequence;
        sequence.and_then(|id| self.model.kv().get(id).ok()).is_some_and(|sequence| sequence.shifted.is_some())
    }

    /// Back in line: its cells are others'.
    pub(super) fn put_back(&mut self, request: &Shared) {
        let sequence: Option<SequenceId> = request.borrow_mut().sequence.take();
        if let Some(id) = sequence {
            self.close(id);
        }
    }

    /// Nothing could be computed, as everyone waits for someone to read what was sampled: at last he gives up his cells.
    pub(super) fn was_idle(&mut self) {
        self.idle += 1;
        let waits = self.live.iter().any(|request| request.borrow().is_ready() && request.borrow().sequence.is_none());
        if self.idle < PATIENCE || !waits {
            return;
        }
        self.idle = 0;
        let holds = |request: &&Shared| request.borrow().sequence.is_some() && !request.borrow().is_ready();
        // What was shifted goes only where everyone else would wait for it without end.
        let last = self.live.iter().rev().filter(holds).min_by_key(|request| self.was_shifted(request)).cloned();
        if let Some(last) = last {
            self.put_back(&last);
        }
    }
}

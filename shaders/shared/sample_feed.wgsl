// The end of a step, by one thread: the token becomes the step's result and the next step's input.
const GOING: u32 = 0u;
const STOPPED: u32 = 1u;
const FULL: u32 = 2u;
const BAD_LOGITS: u32 = 3u;
const ALL_BANNED: u32 = 4u;

fn feed(id: u32) {
    let n = state.n;
    // After the end, steps that were already submitted change nothing.
    if state.done != 0u || n > params.context {
        return;
    }
    state.token = id;
    if id >= params.n_vocab {
        state.status = select(ALL_BANNED, BAD_LOGITS, id == BAD);
        state.done = 1u;
        return;
    }
    if options.last_n > 0u {
        adjust[id].y += 1u;
        state.history[n] = id;
        if n >= options.last_n {
            adjust[state.history[n - options.last_n]].y -= 1u;
        }
    }
    state.step += 1u;
    state.n = n + 1u;
    var status = GOING;
    if ((options.bits[id / 32u] >> (id % 32u)) & 1u) == 1u {
        status = STOPPED;
    } else if n + 1u >= options.limit {
        status = FULL;
    }
    state.status = status;
    state.done = u32(status != GOING);
    // The cell of a token that ends the reply is no one's yet: steps after the end may write it.
    if n < params.context {
        batch[0] = vec4<u32>(id, n, state.table, 0u);
    }
}

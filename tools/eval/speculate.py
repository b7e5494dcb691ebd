"""Speculation by prompt lookup: whether replies are those of plain decoding, and what is gained.

    python3 tools/eval/speculate.py [--model MODEL.gguf] [--backend cpu|webgpu] [--prompts 34] [--tokens 48] [--rounds 1]
        [--modes off,auto,7] [--seed 1] [--binary target/release/sotto] [flags of sotto generate]

Made-up prompts of three kinds, so many of each: texts to be repeated with one word changed (edit), records whose facts are to
be listed (extract), and questions whose answers repeat nothing (free). Replies are greedy. Every mode answers the same prompts,
one by one, in turns; the first is what the others are compared with. Tells for each kind how many replies are the same to the
token, tokens a pass, how many guesses were right, and tokens/s after the first, in all rounds together.
"""

import argparse
import json
import pathlib
import random
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEOPLE = ["Anna Brown", "Peter Green", "Mary Hill", "Tom Baker", "Lucy King", "David Stone", "Emma Wood", "Paul Fisher"]
TOWNS = ["Lisbon", "Oslo", "Vienna", "Kyoto", "Leeds", "Quito", "Ghent", "Accra"]
THINGS = ["a brass telescope", "two wooden chairs", "a box of old maps", "six blue bowls", "a silver watch", "a bicycle"]
DEEDS = ["bought", "repaired", "sold", "lost", "found", "painted"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
SUBJECTS = ["the sea", "a good friend", "why bread rises", "the moon", "learning to swim", "old trains", "honey", "winter", "chess", "rain"]


def event(rng):
    who, what, where, day = rng.choice(PEOPLE), rng.choice(THINGS), rng.choice(TOWNS), rng.choice(DAYS)
    return f"On {day} {who} {rng.choice(DEEDS)} {what} in {where} for {rng.randrange(10, 990)} euros."


def edit(rng):
    text = " ".join(event(rng) for _ in range(3))
    return f"Write this text again, word for word, but with dollars instead of euros:\n\n{text}"


def extract(rng):
    text = "\n".join(event(rng) for _ in range(3))
    return f"List each of these records as \"person - thing - town - price\", one a line:\n\n{text}"


def free(rng):
    return f"Write a few sentences about {rng.choice(SUBJECTS)} for a child who is {rng.randrange(5, 15)} years old."


KINDS = {"edit": edit, "extract": extract, "free": free}


def prompts(kind, count, seed):
    rng = random.Random(f"{seed} {kind}")
    return [{"name": f"{kind}-{i}", "text": KINDS[kind](rng)} for i in range(count)]


def answer(args, mode, texts, rest):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(texts, file)
        file.flush()
        command = [args.binary, "generate", "--json", "--model", args.model, "--backend", args.backend]
        command += ["--batch", file.name, "--max-tokens", str(args.tokens), "--temperature", "0", "--speculate", mode, *rest]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def told(mode, replies, first):
    """A line of one kind and mode; `first`: the replies of the mode that it is compared with."""
    sum_of = lambda of: sum(of(reply) for reply in replies)
    tokens = sum_of(lambda reply: len(reply["tokens"]))
    drafted, accepted = (sum_of(lambda reply: reply["timings"][name]) for name in ("drafted_tokens", "accepted_tokens"))
    rate = lambda replies: len(replies) / sum(1 / reply["timings"]["decode_tps"] for reply in replies if reply["timings"]["decode_tps"])
    same = sum(reply["tokens"] == plain["tokens"] for reply, plain in zip(replies, first))
    return (
        f"  {mode:>5}: {same} of {len(replies)} replies the same; {tokens / (tokens - accepted):.2f} tokens a pass; "
        f"{accepted} of {drafted} guesses right; {rate(replies):.1f} tokens/s, {rate(replies) / rate(first):.2f} times"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--backend", default="cpu")
    parser.add_argument("--prompts", type=int, default=34)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--modes", default="off,auto,7")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", default=str(ROOT / "target/release/sotto"))
    args, rest = parser.parse_known_args()
    modes = args.modes.split(",")
    for kind in KINDS:
        texts = prompts(kind, args.prompts, args.seed)
        replies = {mode: [] for mode in modes}
        for _ in range(args.rounds):
            for mode in modes:
                replies[mode] += answer(args, mode, texts, rest)
        print(kind)
        for mode in modes:
            print(told(mode, replies[mode], replies[modes[0]]), flush=True)


main()

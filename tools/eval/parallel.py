"""Requests side by side, natively, by hand: the same eight questions, so many at a time, in turns; a table.

Run: cargo build --release --bin sotto, then python3 tools/eval/parallel.py [--model MODEL.gguf] [--backend cpu|webgpu] [--at-once 1,2,4,8]
    [--tokens 48] [--rounds 3] [flags of sotto generate]

Tells tokens/s together (prompts included; the median of the rounds), that to one after the other, the longest wait for a next
token of any request (the median and the worst of the rounds), processor seconds of the whole command, and whether each reply is that of one
after the other.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THINGS = ["bread", "the moon", "a bicycle", "rain", "a library", "salt", "the alphabet", "a bridge"]
LINE = re.compile(r"\[(\d+) tokens in ([\d.]+) s, .* the longest wait for a next token (\d+) ms\]")


def cpu_seconds():
    times = os.times()
    return times.children_user + times.children_system


def answer(args, batch, at_once, rest):
    binary = os.environ.get("SOTTO_BINARY", ROOT / "target/release/sotto")
    command = [binary, "generate", "--json", "--model", args.model, "--backend", args.backend, "--batch", batch]
    command += ["--parallel", str(at_once), "--max-tokens", str(args.tokens), "--temperature", "0", "--speculate", "off", *rest]
    before = cpu_seconds()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    tokens, seconds, slowest = map(float, LINE.search(done.stderr).groups())
    texts = [reply["tokens"] for reply in json.loads(done.stdout)]
    return {"rate": tokens / seconds, "slowest": slowest, "cpu": cpu_seconds() - before, "texts": texts}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))
    parser.add_argument("--backend", default="webgpu")
    parser.add_argument("--at-once", default="1,2,4,8")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    args, rest = parser.parse_known_args()
    counts = [int(count) for count in args.at_once.split(",")]
    runs = {count: [] for count in counts}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump([{"name": thing, "text": f"Write a long article about {thing}, where it comes from and what it is for."} for thing in THINGS], file)
        file.flush()
        for _ in range(args.rounds):
            for count in counts:
                runs[count].append(answer(args, file.name, count, rest))
    print("| at a time | tokens/s together | to one by one | the slowest token | CPU seconds | same replies |\n|---|---|---|---|---|---|")
    median = lambda count, of: statistics.median(run[of] for run in runs[count])
    first = runs[counts[0]][0]["texts"]
    for count in counts:
        same = sum(one == other for one, other in zip(runs[count][0]["texts"], first))
        worst = max(run["slowest"] for run in runs[count])
        ratio = median(count, "rate") / median(counts[0], "rate")
        print(
            f"| {count} | {median(count, 'rate'):.1f} | {ratio:.2f}× | {median(count, 'slowest'):.0f} ms (at worst {worst:.0f}) "
            f"| {median(count, 'cpu'):.1f} | {same} of {len(first)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

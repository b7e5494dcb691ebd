"""Tool calls on a sample of the Berkeley Function Calling Leaderboard's cases, by `sotto chat` and by llama.cpp.

    python3 tools/eval/bfcl.py MODEL.gguf [--binary target/release/sotto] [--cases 100] [--seed 1]
        [--engines sotto llama.cpp] [--show] [--backend cpu]

Cases come from PyPI's bfcl-eval, fetched into target/bfcl once: a quarter each of simple, multiple, parallel and
irrelevance, a seeded sample. A call is right where its name is and each argument is among the answers that the case
allows, by the leaderboard's rules (texts without case, spaces and punctuation; whole numbers where decimals are
wanted), restated in `matches`. A case is right where all its calls are; one of irrelevance, where there is none.

llama.cpp (npm's node-llama-cpp) goes on greedily from the same prompts, and its text is read kindly: JSON in the model's
documented `<tool_call>` tags, else in code fences, else the whole text.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORE = ROOT / "target" / "bfcl"
PACKAGES = ["bfcl-eval==2026.3.23", "jsonschema==4.25.1"]
DATA = "bfcl_eval/data/{}BFCL_v4_{}.json"
KINDS = ["simple_python", "multiple", "parallel", "irrelevance"]
TYPES = {"dict": "object", "float": "number", "tuple": "array"}
LIMIT = 512


def python():
    """An environment of its own with a validator of schemas, and the cases beside it."""
    binary = STORE / "venv" / "bin" / "python"
    if not binary.exists():
        subprocess.run([sys.executable, "-m", "venv", STORE / "venv"], check=True)
        subprocess.run([binary, "-m", "pip", "install", "-q", PACKAGES[1]], check=True)
        subprocess.run([binary, "-m", "pip", "download", "-q", "--no-deps", "-d", STORE, PACKAGES[0]], check=True)
    return binary


def schema(node):
    """A function's parameters as JSON Schema: the cases name types as Python does."""
    if isinstance(node, list):
        return [schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: value if key in ("enum", "default") else schema(value) for key, value in node.items()}
    if isinstance(out.get("type"), str):
        out["type"] = TYPES.get(out["type"], out["type"])
        if out["type"] == "any":
            del out["type"]
    return {key: value for key, value in out.items() if key not in ("default", "optional")}


def sampled(count, seed):
    (wheel,) = STORE.glob("bfcl_eval-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        rows = lambda name: [json.loads(line) for line in archive.read(name).decode().splitlines()]
        for kind in KINDS:
            answers = {}
            if kind != "irrelevance":
                answers = {row["id"]: row["ground_truth"] for row in rows(DATA.format("possible_answer/", kind))}
            cases = rows(DATA.format("", kind))
            for case in random.Random(seed).sample(cases, count // len(KINDS)):
                functions = [{**f, "name": f["name"].replace(".", "_"), "parameters": schema(f["parameters"])} for f in case["function"]]
                wanted = [{name.replace(".", "_"): values for name, values in call.items()} for call in answers.get(case["id"], [])]
                yield {"name": case["id"], "kind": kind, "messages": case["question"][0], "functions": functions, "wanted": wanted}


def request(case):
    tools = [{"type": "function", "function": function} for function in case["functions"]]
    return {"messages": case["messages"], "tools": tools, "temperature": 0, "max_completion_tokens": LIMIT}


def plain(value):
    if isinstance(value, str):
        return re.sub(r"[ ,./\-_*^]", "", value).lower().replace("'", '"')
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def allowed(value, options):
    for option in options:
        if isinstance(option, dict) and isinstance(value, dict):
            if arguments_match(value, option):
                return True
        elif isinstance(option, list) and isinstance(value, list) and any(isinstance(item, dict) for item in option):
            if len(option) == len(value) and all(isinstance(v, dict) and arguments_match(v, o) for v, o in zip(value, option)):
                return True
        elif isinstance(option, bool) or isinstance(value, bool):
            if option is value:
                return True
        elif plain(value) == plain(option):
            return True
    return False


def arguments_match(given, wanted):
    known = all(name in wanted and allowed(value, wanted[name]) for name, value in given.items())
    return known and all(name in given or "" in options for name, options in wanted.items())


def matches(calls, wanted):
    """Each wanted call by another one given, in any order, and none beside them."""
    if len(calls) != len(wanted):
        return False
    left = list(wanted)
    for name, arguments in calls:
        found = next((w for w in left if name in w and isinstance(arguments, dict) and arguments_match(arguments, w[name])), None)
        if found is None:
            return False
        left.remove(found)
    return True


def fits(call, functions):
    """Whether a call is one of these functions', its arguments valid by that one's schema."""
    import jsonschema

    name, arguments = call
    found = next((f for f in functions if f["name"] == name), None)
    return found is not None and jsonschema.Draft202012Validator(found["parameters"]).is_valid(arguments)


def parsed(arguments):
    try:
        return json.loads(arguments)
    except (TypeError, ValueError):
        return None


def by_sotto(binary, model, cases, flags):
    batch = STORE / "batch.json"
    batch.write_text(json.dumps([{"name": case["name"], "request": request(case)} for case in cases]))
    with subprocess.Popen([binary, "chat", "--model", model, "--batch", batch, *flags], stdout=subprocess.PIPE, text=True) as ran:
        for line in ran.stdout:
            row = json.loads(line)
            if "error" in row:
                yield row["name"], [], row["error"]["message"]
                continue
            message = row["response"]["choices"][0]["message"]
            calls = [(c["function"]["name"], parsed(c["function"]["arguments"])) for c in message.get("tool_calls", [])]
            yield row["name"], calls, message.get("content")


def read(text):
    """The calls in a reply: (name, arguments) each."""
    tagged = re.findall(r"<tool_call>\s*(\{.*?\})\s*</tool_call>", text, re.DOTALL)
    fenced = re.findall(r"```\w*\s*([\[{].*?)```", text, re.DOTALL)
    calls = []
    for part in tagged or fenced or [text]:
        value = parsed(part)
        for call in value if isinstance(value, list) else [value]:
            if isinstance(call, dict) and "name" in call:
                calls.append((call["name"], call.get("arguments")))
    return calls


def by_llama_cpp(binary, model, cases):
    batch = STORE / "template.json"
    rows = [{"name": c["name"], "messages": c["messages"], "tools": request(c)["tools"], "add_generation_prompt": True} for c in cases]
    batch.write_text(json.dumps(rows))
    shown = subprocess.run([binary, "template", "--model", model, "--batch", batch, "--json"], check=True, capture_output=True)
    (STORE / "prompts.json").write_bytes(shown.stdout)
    script = ROOT / "tools" / "eval" / "llama-cpp.mjs"
    with subprocess.Popen(["node", script, model, STORE / "prompts.json", str(LIMIT)], stdout=subprocess.PIPE, text=True) as ran:
        for line in ran.stdout:
            row = json.loads(line)
            yield row["name"], read(row["text"]), row["text"]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("model")
    options.add_argument("--binary", default=str(ROOT / "target" / "release" / "sotto"))
    options.add_argument("--cases", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--engines", nargs="+", choices=["sotto", "llama.cpp"], default=["sotto"])
    options.add_argument("--show", action="store_true", help="print what is wrong")
    options, flags = options.parse_known_args()
    cases = {case["name"]: case for case in sampled(options.cases, options.seed)}
    engines = {
        "sotto": lambda: by_sotto(options.binary, options.model, cases.values(), flags),
        "llama.cpp": lambda: by_llama_cpp(options.binary, options.model, cases.values()),
    }
    for engine in options.engines:
        right, calls_made, valid = dict.fromkeys(KINDS, 0), 0, 0
        for name, calls, text in engines[engine]():
            case = cases[name]
            good = matches(calls, case["wanted"])
            right[case["kind"]] += good
            calls_made += len(calls)
            valid += sum(fits(call, case["functions"]) for call in calls)
            if options.show and not good:
                print(f"{engine} · {name}: {calls or text!r}, wanted {case['wanted']}")
        each = options.cases // len(KINDS)
        table = ", ".join(f"{kind} {count}/{each}" for kind, count in right.items())
        print(f"{engine}: {table}; {sum(right.values())}/{len(cases)} right; {valid} of {calls_made} calls valid by their schema", flush=True)


if __name__ == "__main__":
    STORE.mkdir(parents=True, exist_ok=True)
    if sys.prefix == sys.base_prefix:
        sys.exit(subprocess.run([python(), *sys.argv]).returncode)
    main()

"""Renders the chat templates of llama.cpp's source package by Hugging Face's rules and by `sotto template`, and compares.

    python3 tests/golden/templates.py target/release/sotto [--templates FOLDER] [--list] [NAME…]

`node tools/fetch-templates.mjs` fetches the package's templates. Exit status: 0 at 99.5 % or more, 1 below, 2 where they
or jinja2 are not there. The rules are those of transformers 5.24 (utils/chat_template_utils.py), restated here with
jinja2 alone.
"""

import argparse
import collections
import copy
import datetime
import json
import pathlib
import subprocess
import sys

import chats

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "llama.cpp-templates"
STORE = ROOT / "target" / "templates"
NOW = 1_767_225_600 + 3661  # 1 January 2026, 01:01:01 UTC
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
REQUIRED = 0.995


def python():
    """An environment of its own with jinja2."""
    binary = STORE / "venv" / "bin" / "python"
    if not binary.exists():
        subprocess.run([sys.executable, "-m", "venv", STORE / "venv"], check=True)
    if subprocess.run([binary, "-c", "import jinja2"], capture_output=True).returncode != 0:
        subprocess.run([binary, "-m", "pip", "install", "-q", "jinja2>=3.1.6"], check=True)
    return binary


def environment():
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(jinja2.ext.Extension):
        """`{% generation %}` prints its body."""

        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return jinja2.nodes.CallBlock(self.call_method("_say"), [], [], body).set_lineno(line)

        def _say(self, caller):
            return caller()

    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = refuse
    clock = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc)
    env.globals["strftime_now"] = clock.strftime
    return env


def hugging_face(template, messages, options):
    """The text, or None where the template fails or refuses."""
    chat = []
    for message in copy.deepcopy(messages):
        message = {key: value for key, value in message.items() if value is not None}
        names = ("reasoning_content", "thinking", "reasoning")
        reasoning = next((message[name] for name in names if name in message), None)
        if reasoning is not None:
            message = {"thinking": reasoning, **message, "reasoning_content": reasoning}
        chat.append(message)
    variables = {"tools": None, "documents": None, **options, **SPECIAL}
    variables.update(variables.pop("variables", {}))
    try:
        return template.render(messages=chat, **copy.deepcopy(variables))
    except Exception:
        return None


def with_objects(messages):
    for message in messages:
        for call in message.get("tool_calls") or []:
            if isinstance(call["function"]["arguments"], str):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return messages


def with_texts(messages):
    for message in messages:
        if isinstance(message.get("content"), list):
            message["content"] = "".join(part["text"] for part in message["content"])
    return messages


def with_parts(messages):
    for message in messages:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return messages


def with_contents(messages):
    for message in messages:
        if message.get("content") is None:
            message["content"] = ""
    return messages


def with_systems(messages):
    for message in messages:
        if message["role"] == "developer":
            message["role"] = "system"
    return messages


def adapted(source, messages):
    """What a careful user would write in place of OpenAI's shape for this template, the likeliest first."""
    base = copy.deepcopy(messages)
    if "developer" not in source:
        base = with_systems(base)
    for content in (list, with_contents):
        for arguments in (with_objects, list):
            for form in (list, with_texts, with_parts):
                yield form(content(arguments(copy.deepcopy(base))))


def read_well(text, messages):
    """Whether what the messages say is there, and no list or dict printed as one."""
    if text is None or "{'" in text or '[{"type": "text"' in text:
        return False
    content = messages[-1].get("content") or ""
    parts = content if isinstance(content, list) else [{"text": content}]
    return all(part["text"].strip() in text for part in parts)


def reference(template, source, name, messages, options):
    if not name.startswith("openai"):
        return hugging_face(template, messages, options)
    texts = (hugging_face(template, variant, options) for variant in adapted(source, messages))
    return next((text for text in texts if read_well(text, messages)), None)


def compare(binary, path, listed):
    source = path.read_text()
    try:
        template = environment().from_string(source)
    except Exception as error:
        print(f"{path.stem}: the reference cannot read it: {error}")
        return []
    batch = list(chats.every())
    request = [
        {**options, "name": name, "messages": messages, "now": NOW, "variables": {**SPECIAL, **options.get("variables", {})}}
        for name, messages, options in batch
    ]
    file = STORE / "batch.json"
    file.write_text(json.dumps(request))
    ran = subprocess.run(
        [binary, "template", "--template", path, "--batch", file, "--json"], capture_output=True, text=True
    )
    if ran.returncode != 0:
        print(f"{path.stem}: {ran.stderr.strip()}")
        return [(path.stem, name, "refused whole") for name, _, _ in batch]
    rows = []
    for (name, messages, options), got in zip(batch, json.loads(ran.stdout)):
        want = reference(template, source, name, messages, options)
        if want is None:
            rows.append((path.stem, name, "reference fails" if "text" not in got else "ours alone"))
        elif got.get("text") == want:
            rows.append((path.stem, name, "same"))
        else:
            why = got["error"]["message"] if "error" in got else difference(want, got["text"])
            rows.append((path.stem, name, why))
            if listed:
                print(f"{path.stem} · {name}: {why}")
    return rows


def difference(want, got):
    at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
    return f"at {at}: {want[max(0, at - 20):at + 40]!r} but {got[max(0, at - 20):at + 40]!r}"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("binary")
    options.add_argument("names", nargs="*")
    options.add_argument("--templates", type=pathlib.Path, default=FOLDER)
    options.add_argument("--list", action="store_true")
    options = options.parse_args()
    STORE.mkdir(parents=True, exist_ok=True)
    paths = sorted(p for p in options.templates.glob("*.jinja") if not options.names or p.stem in options.names)
    if not paths:
        print(f"skipped: there are no templates in {options.templates}")
        return 2
    rows = [row for path in paths for row in compare(options.binary, path, options.list)]
    counts = collections.Counter(why if why in ("same", "reference fails", "ours alone") else "different" for _, _, why in rows)
    rendered = counts["same"] + counts["different"]
    share = counts["same"] / max(1, rendered)
    print(f"{len(paths)} templates, {len(rows)} renderings: {dict(counts)}; {share:.4%} of what the reference renders")
    return 0 if share >= REQUIRED else 1


if __name__ == "__main__":
    try:
        import jinja2  # noqa: F401
    except ImportError:
        try:
            STORE.mkdir(parents=True, exist_ok=True)
            sys.exit(subprocess.run([python(), *sys.argv]).returncode)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"skipped: jinja2 cannot be had ({error})")
            sys.exit(2)
    sys.exit(main())

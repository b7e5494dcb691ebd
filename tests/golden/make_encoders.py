"""Golden states of the tiny models of tests/tiny/encoders.rs: python make_encoders.py FOLDER, where FOLDER holds each as
NAME.gguf (`tiny-models encoders FOLDER`).

Of each the mean, the first and the last state of three texts of 1, 7 and 40 ids, as embeddings; the classifier's scores; and
for models that fill in masked words some logits of the middle one's. The reference computes in float64. What Hugging
Face's transformers 5 has is compared with it, in float64 too.
"""

import json
import sys
from pathlib import Path

import numpy as np
from encoder_reference import Encoder
from hf_encoders import hugging_face

LENGTHS = [1, 7, 40]
# Logits of words that are kept, one of so many.
STRIDE = 11


def digits(row):
    return [float(f"{v:.7g}") for v in row]


def texts(n_vocab):
    """(ids, types): the second half of the longest is of type 1."""
    state = 1
    for length in LENGTHS:
        ids = []
        for _ in range(length):
            state = (state * 1103515245 + 12345) % 2**31
            ids.append((state >> 8) % n_vocab)
        yield ids, [int(length == max(LENGTHS) and at >= length // 2) for at in range(length)]


def main():
    out = {}
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        model = Encoder(path)
        rows, worst, typed = [], 0.0, "token_types.weight" in model.w
        other = hugging_face(model)
        for ids, types in texts(model.n_vocab):
            if not typed:
                types = [0] * len(ids)
            states = model.states(ids, types)
            row = {"ids": ids, "types": types}
            for name, pooled in [("mean", states.mean(0)), ("cls", states[0]), ("last", states[-1])]:
                row[name] = digits(model.embedding(pooled))
            found = {"states": states}
            if "cls.output.weight" in model.w:
                found["scores"] = model.scores(states)
                row["scores"] = digits(found["scores"])
            if "output.bias" in model.w:
                found["words"] = model.words(states[len(ids) // 2])
                row["words"] = digits(found["words"][::STRIDE])
            for name, theirs in (other(ids, types) if other else {}).items():
                worst = max(worst, float(np.abs(theirs - found[name]).max()))
            rows.append(row)
        out[path.stem] = rows
        differs = f"differs by {worst:.1g}" if other else "has none"
        print(f"{path.stem}: states to {np.abs(states).max():.1f}, Hugging Face {differs}", flush=True)
    text = json.dumps(out, separators=(",", ":")).replace('],"', '],\n"')
    Path(__file__).with_name("encoders.json").write_text(text + "\n")


if __name__ == "__main__":
    main()

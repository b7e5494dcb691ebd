"""A small map of characters by SentencePiece: python make_charsmap.py writes tests/tiny/charsmap.bin."""

import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

# What becomes of what, in hexadecimal: wide letters, blanks, ligatures, marks in one piece, what vanishes, one into three.
RULES = {
    "FF21": "41", "FF22": "42", "FF41": "61", "3000": "20", "A0": "20", "9": "20", "A": "20", "D": "20", "2122": "54 4D",
    "FB01": "66 69", "BD": "31 2044 32", "65 301": "E9", "61 300": "E0", "212B": "C5", "41 30A": "C5", "AD": "", "200B": "",
    "1": "", "7F": "", "3D2": "3A5", "FF76 FF9E": "30AC", "FF76": "30AB", "2026": "2E 2E 2E", "AC00": "1100 1161",
}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        rules, corpus = Path(folder, "rules.tsv"), Path(folder, "corpus.txt")
        rules.write_text("".join(f"{one}\t{other}\n" for one, other in RULES.items()))
        corpus.write_text("hello world the quick brown fox jumps over the lazy dog\n" * 50)
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=f"{folder}/m", vocab_size=40, normalization_rule_tsv=str(rules), hard_vocab_limit=False)
        model = sentencepiece_model_pb2.ModelProto.FromString(Path(folder, "m.model").read_bytes())
    Path(__file__).parent.with_name("tiny").joinpath("charsmap.bin").write_bytes(model.normalizer_spec.precompiled_charsmap)

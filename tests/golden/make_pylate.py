"""Writes `tests/golden/pylate`: a tiny checkpoint that PyLate saved, and the vectors it gives.

Run where PyLate 1.6.0 is installed (it needs sentence-transformers 5.3), from the root:

    python tests/golden/make_pylate.py

What stands in git was written by pylate 1.6.0, sentence-transformers 5.3.0 and transformers 5.3.0.
"""

import json
import shutil
import string
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from pylate import models  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent / "pylate"

TEXTS = [
    "late interaction, retrieval!",
    "a",
    "token search of the index " * 9,
    "Zebra. (42)",
    "...",
    "unknown 東京, naïve café text",
]


def vocabulary() -> list[str]:
    letters = list(string.ascii_lowercase + string.digits)
    words = ["late", "interaction", "retrieval", "token", "search", "the", "index", "text"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return [*special, *string.punctuation, *letters, *("##" + x for x in letters), *words]


def base(folder: Path) -> None:
    pieces = {piece: i for i, piece in enumerate(vocabulary())}
    tokenizer = transformers.BertTokenizer(vocab=pieces, model_max_length=48)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(20)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=48,
        initializer_range=0.5,
    )
    transformers.BertModel(config).save_pretrained(folder)


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        base(Path(made))
        model = models.ColBERT(
            made, embedding_size=8, query_length=12, document_length=20, device="cpu"
        )
    shutil.rmtree(FOLDER, ignore_errors=True)
    model.save(str(FOLDER / "model"), create_model_card=False)
    loaded = models.ColBERT(str(FOLDER / "model"), device="cpu")
    queries = loaded.encode(TEXTS, is_query=True, show_progress_bar=False)
    documents = loaded.encode(TEXTS, is_query=False, show_progress_bar=False)
    named = {f"query_{i}": rows for i, rows in enumerate(queries)}
    named |= {f"document_{i}": rows for i, rows in enumerate(documents)}
    np.savez(FOLDER / "vectors.npz", **named)
    (FOLDER / "texts.json").write_text(json.dumps(TEXTS, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

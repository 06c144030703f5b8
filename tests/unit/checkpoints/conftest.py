"""Tiny models in the formats of the libraries that own them."""

import importlib
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WORDS = ["late", "interaction", "retrieval", "query", "token", "search", "the", "index", "text"]


def vocabulary() -> list[str]:
    letters = list(string.ascii_lowercase + string.digits)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]"]
    return [*special, *string.punctuation, *letters, *("##" + x for x in letters), *WORDS]


class Tiny:
    """Makes models of 32 coordinates and two layers, with a BERT tokenizer of 140 pieces."""

    def __init__(self) -> None:
        self.torch: Any = importlib.import_module("torch")
        self.transformers: Any = importlib.import_module("transformers")

    def tokenizer(self, **values: Any) -> Any:
        pieces = {piece: i for i, piece in enumerate(vocabulary())}
        return self.transformers.BertTokenizer(vocab=pieces, **{"model_max_length": 48, **values})

    def bert(self, head: str = "BertModel", *, n_tokens: int = 0, **values: Any) -> Any:
        """A BERT with weights large enough that its outputs differ."""
        self.torch.manual_seed(3)
        config = self.transformers.BertConfig(
            vocab_size=n_tokens or len(vocabulary()),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=48,
            initializer_range=0.4,
            **values,
        )
        return getattr(self.transformers, head)(config).eval()

    def save(self, folder: Path, model: Any, tokenizer: Any | None = None) -> Path:
        model.save_pretrained(folder)
        (tokenizer or self.tokenizer()).save_pretrained(folder)
        return folder


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture(scope="session")
def plain_bert(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT without a head, saved by transformers; not to be changed."""
    return tiny.save(tmp_path_factory.mktemp("plain"), tiny.bert())


@pytest.fixture
def parts() -> Callable[[str], Any]:
    """Gives a class of sentence-transformers by its name."""

    def part(name: str) -> Any:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(f"sentence_transformers.{module}"), attribute)

    return part

"""What might a text also have said?"""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
import xxhash

from lexmax.encoders.checkpoints.transformer import load_model, load_tokenizer
from lexmax.encoders.contract import SparseEncoder
from lexmax.encoders.sparse_model import Expansion, Queries
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch

_MAX_INPUT = 512
_MAX_KEPT = 1 << 17


class WrittenQueries:
    """Texts with queries behind them that a sequence-to-sequence model wrote (docT5query).

    Nogueira & Lin 2019: each token is drawn from the `top_k` most probable ones. What is written
    for a text depends on the text and the seed alone.
    """

    def __init__(self, values: Queries) -> None:
        """Loads the model.

        Raises:
            EncoderError: if the folder holds no such model, or a number is out of its range.
        """
        if min(values.n, values.top_k, values.max_tokens) < 1:
            raise EncoderError(
                f"expansion by {values.n} queries of {values.max_tokens} tokens, each of the "
                f"{values.top_k} most probable; expected numbers above zero"
            )
        self._values = values
        folder = Path(values.folder)
        self._tokenizer = load_tokenizer(folder)
        self._model = load_model(folder, head="AutoModelForSeq2SeqLM")
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text with its queries, between spaces; an empty one stays empty."""
        return [f"{text} {' '.join(self.queries(text))}" if text else text for text in texts]

    def queries(self, text: str) -> list[str]:
        """`n` queries, some of which may be equal."""
        given = self._tokenizer(text, truncation=True, max_length=_MAX_INPUT, return_tensors="pt")
        seed = xxhash.xxh3_64_intdigest(text.encode("utf-8", "replace"), self._values.seed)
        random: Any = torch.random
        with self._lock, torch.inference_mode(), random.fork_rng(devices=[]):
            random.manual_seed(seed & 0x7FFF_FFFF_FFFF_FFFF)
            drawn = self._model.generate(
                input_ids=given["input_ids"],
                attention_mask=given["attention_mask"],
                do_sample=True,
                top_k=self._values.top_k,
                num_return_sequences=self._values.n,
                max_new_tokens=self._values.max_tokens,
            )
        return [written.strip() for written in self._decoded(drawn)]

    def _decoded(self, drawn: Any) -> list[str]:
        return list(self._tokenizer.batch_decode(drawn, skip_special_tokens=True))


class AddedTerms:
    """Texts with the terms behind them that a sparse encoder weighs most (TILDEv2).

    Zhuang & Zuccon 2021: of the `n` heaviest terms those are added that the text has not, as
    whole words only, because a piece of a word cannot be written by itself.
    """

    def __init__(self, encoder: SparseEncoder, *, n: int) -> None:
        """Takes the encoder whose documents' weights say what is added."""
        if n < 1:
            raise EncoderError(f"expansion by {n} terms; expected 1 or more")
        self._encoder = encoder
        self._n = n

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text with its terms, heaviest first, between spaces; an empty one stays empty."""
        weights = self._encoder.encode_documents(texts)
        return [self._expanded(text, weights, i) for i, text in enumerate(texts)]

    def _expanded(self, text: str, weights: SparseBatch, i: int) -> str:
        term_ids, of_terms = weights.row(i)
        heaviest = term_ids[(-of_terms).argsort(kind="stable")[: self._n]]
        names = [self._encoder.term(int(term), [text]) for term in heaviest]
        present = set(text.lower().split())
        added = [name for name in names if name.isalnum() and name not in present]
        return " ".join([text, *added]) if text else text


class KeptExpansions:
    """The expansions of another, each made once while it is among the last ones asked for."""

    def __init__(self, expand: WrittenQueries | AddedTerms) -> None:
        """Takes what makes them."""
        self._expand = expand
        self._kept: dict[str, str] = {}

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text with its expansion."""
        if len(self._kept) + len(texts) > _MAX_KEPT:
            self._kept = {}
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        self._kept.update(zip(new, self._expand(new), strict=True))
        return [self._kept[text] for text in texts]


def open_expansion(expansion: Expansion, encoder: SparseEncoder | None = None) -> KeptExpansions:
    """What expands texts as a value says.

    Args:
        expansion: The value.
        encoder: For `Terms`, the encoder of its folder.

    Raises:
        EncoderError: if the folder holds no such model, or `Terms` come without their encoder.
    """
    if isinstance(expansion, Queries):
        return KeptExpansions(WrittenQueries(expansion))
    if encoder is None:
        raise EncoderError(f"{expansion.folder}: the encoder of added terms is not given")
    return KeptExpansions(AddedTerms(encoder, n=expansion.n))

import threading
from collections.abc import Sequence
from types import MappingProxyType

import pytest

from lexmax.encoders.splade import LaterSide, Splade
from lexmax.errors import EncoderError
from lexmax.types import SparseBatch


class Lengths:
    """A side that weighs term 1 by the length of the text."""

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        return SparseBatch.from_rows([{1: float(len(text))} for text in texts])


class Ones:
    """A side that weighs term 1 as one."""

    def encode(self, texts: Sequence[str]) -> SparseBatch:
        return SparseBatch.from_rows([{1: 1.0} for _ in texts])


NAMES = MappingProxyType({0: "a", 1: "##b"})


def test_each_side_encodes_its_own() -> None:
    encoder = Splade("splade:x", "f", Lengths(), Ones(), NAMES)
    assert encoder.encode_documents(["abc", ""]).weights.tolist() == [3]
    assert encoder.encode_queries(["abc"], None).weights.tolist() == [1]  # type: ignore[arg-type]


def test_terms_are_named_by_the_vocabulary() -> None:
    encoder = Splade("splade:x", "f", Lengths(), Ones(), NAMES)
    assert encoder.term(1, ["nothing of it"]) == "##b"
    assert encoder.vocabulary([]) == {0: "a", 1: "##b"}
    with pytest.raises(EncoderError, match="term 2 is none of the 2 pieces"):
        encoder.term(2, [])


def test_a_later_side_is_loaded_once_by_its_first_text() -> None:
    loads: list[int] = []

    def load() -> Lengths:
        loads.append(1)
        return Lengths()

    later = LaterSide(load)
    assert loads == []
    threads = [threading.Thread(target=later.encode, args=(["a"],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert later.encode(["abc"]).weights.tolist() == [3]
    assert loads == [1]


def test_a_later_side_is_asked_again_after_it_has_failed() -> None:
    outcomes: list[Lengths | None] = [None, Lengths()]

    def load() -> Lengths:
        found = outcomes.pop(0)
        if found is None:
            raise EncoderError("not there yet")
        return found

    later = LaterSide(load)
    with pytest.raises(EncoderError, match="not there yet"):
        later.encode(["a"])
    assert len(later.encode(["a"])) == 1

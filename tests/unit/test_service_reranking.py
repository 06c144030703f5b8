from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from starlette.requests import ClientDisconnect

from lexmax.encoders import Encoders
from lexmax.encoders.loading import Recipe
from lexmax.pipeline import rerank_texts
from lexmax.reranking import Deadline
from lexmax.service.calls import Call
from lexmax.service.problems import Refusal
from lexmax.service.reranking import PART_TOKENS, parts, scores_by_maxsim, scores_by_pairs
from lexmax.service.served_encoders import ServedEncoders


class Lengths:
    spec = fingerprint = "lengths"

    def __init__(self) -> None:
        self.call = Call()
        self.batches: list[int] = []

    def score(self, query: str, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(len(texts))
        self.call.gone = True  # the client leaves while the first part is scored
        return np.array([len(text) for text in texts], np.float32)


@pytest.fixture
def lengths() -> Lengths:
    return Lengths()


@pytest.fixture
def served(cheap_encoders: Encoders, lengths: Lengths) -> Iterator[ServedEncoders]:
    inner = Encoders(
        multivector={"minilm": Recipe({}, lambda v: cheap_encoders.multivector("minilm"))},
        pairs={"lengths": Recipe({}, lambda values: lengths)},
    )
    made = ServedEncoders(inner, batch_tokens=4096, cache_bytes=0)
    yield made
    made.close()


@pytest.mark.parametrize("costs", [[], [1], [5, 1, 9, 1, 1, 20, 3, 3, 3], [10] * 7])
def test_every_text_is_in_one_part_within_the_budget(costs: list[int]) -> None:
    found = parts(costs, 10)
    assert sorted(i for part in found for i in part) == list(range(len(costs)))
    for part in found:
        assert len(part) == 1 or sum(costs[i] for i in part) <= 10
    order = [costs[i] for part in found for i in part]
    assert order == sorted(order)


def test_maxsim_in_parts_is_maxsim(served: ServedEncoders) -> None:
    encoder = served.multivector("minilm")
    texts = [f"cat {'dog ' * (i % 900)}" for i in range(60)] + [""]
    found = scores_by_maxsim("a cat", texts, encoder=encoder, encoders=served, call=Call())
    np.testing.assert_allclose(found, rerank_texts("a cat", texts, encoder=encoder), atol=1e-5)
    assert found[-1] == -np.inf
    nothing = scores_by_maxsim("", texts, encoder=encoder, encoders=served, call=Call())
    assert (nothing == -np.inf).all()


def test_pairs_in_parts_keep_their_places(served: ServedEncoders, lengths: Lengths) -> None:
    texts = ["a" * n for n in (400, 3, 4000, 0, 7)]
    found = scores_by_pairs("q", texts, spec="lengths", encoders=served, call=Call())
    assert found.tolist() == [400, 3, 4000, 0, 7]


def test_between_two_parts_it_may_end(served: ServedEncoders, lengths: Lengths) -> None:
    texts = ["a" * PART_TOKENS] * 40
    with pytest.raises(ClientDisconnect):
        scores_by_pairs("q", texts, spec="lengths", encoders=served, call=lengths.call)
    assert len(lengths.batches) == 1
    late = Call(deadline=Deadline.within(0))
    with pytest.raises(Refusal, match="time was over"):
        scores_by_pairs("q", texts, spec="lengths", encoders=served, call=late)
    assert len(lengths.batches) == 1

"""What vectors stand for, and which terms stand in a text: what explanations say of encoders."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from lexmax.encoders import Bm25, Encoders
from lexmax.encoders.colbert import Expansion, TokenSide
from lexmax.encoders.contract import MultiVectorEncoder, NamesTokens, ReadsTerms
from lexmax.encoders.heads.projection import ProjectionShape
from lexmax.encoders.marked_texts import MarkedTexts
from lexmax.encoders.minilm import MiniLm
from lexmax.encoders.pooled_encoder import PooledEncoder
from lexmax.encoders.pooling import Count, Pooling
from lexmax.encoders.token_encoder import TokenEncoder, token_parts
from lexmax.encoders.token_model import TokenReading, without_markers
from lexmax.encoders.trunk import Trunk, open_trunk
from lexmax.errors import EncoderError
from lexmax.types import TokenBatch

TEXTS = ["the cat and the dog", "", "Vitamin D lowers the risk of falls! [SEP]", "unaffable"]


@pytest.fixture(scope="module")
def trunk(tiny_checkpoints: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Trunk:
    path = tiny_checkpoints.save_masked_lm(tmp_path_factory.mktemp("bert"), seed=3)
    return open_trunk(str(path))


def assert_aligned(encoder: MultiVectorEncoder) -> None:
    assert isinstance(encoder, NamesTokens)
    for queries in (False, True):
        encode = encoder.encode_queries if queries else encoder.encode_documents
        names = encoder.token_texts(TEXTS, queries=queries)
        assert [len(row) for row in names] == np.diff(encode(TEXTS).offsets).tolist()


@pytest.mark.parametrize("max_tokens", [256, 5])
def test_minilm_names_word_pieces(max_tokens: int) -> None:
    encoder = MiniLm(max_tokens=max_tokens)
    assert_aligned(encoder)
    names = encoder.token_texts(["Unaffable cats", ""], queries=False)
    assert names == [["una", "##ffa", "##ble", "cats"][: max_tokens - 2], []]


def test_a_trained_model_names_what_it_keeps(trunk: Trunk) -> None:
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8))
    encoder = TokenEncoder(parts, spec="here", fingerprint="these")
    assert_aligned(encoder)
    names = encoder.token_texts(["the cat"], queries=True)[0]
    assert names[:2] == ["the", "cat"]


@pytest.mark.parametrize("method", ["spacing", "tail", "kmeans", "ward"])
def test_pooled_vectors_have_the_names_of_their_tokens(trunk: Trunk, method: str) -> None:
    reading = without_markers(trunk.pieces, max_tokens=32)
    pooled = TokenReading(
        max_tokens=32, skipped=reading.skipped, pooling=Pooling(method, Count(factor=2))
    )
    parts = token_parts(trunk, ProjectionShape("linear", 32, 8), documents=pooled)
    encoder = TokenEncoder(parts, spec="here", fingerprint="these")
    assert_aligned(encoder)
    whole = encoder.token_texts(TEXTS, queries=True)
    for names, tokens in zip(encoder.token_texts(TEXTS, queries=False), whole, strict=True):
        said = [token for name in names for token in name.split("+")]
        if method in ("kmeans", "ward"):
            assert sorted(said) == sorted(tokens)
        else:
            assert said == (tokens[::2] if method == "spacing" else tokens[len(tokens) // 2 :])


def test_pooling_joins_names_of_each_cluster_by_hand() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], dtype=np.float32)
    batch = TokenBatch(np.array([0, 3, 5]), vectors)
    pooled = Pooling("ward", Count(tokens=2)).pool(batch)
    assert pooled.joined([["a", "b", "c"], ["d", "e"]]) == [["a+c", "b"], ["d", "e"]]
    nothing = Pooling("ward", Count(tokens=2)).pool(TokenBatch.from_rows([], 2))
    assert nothing.joined([]) == []


def test_an_encoder_behind_pooling_names_its_tokens(cheap_encoders: Encoders) -> None:
    words = cheap_encoders.multivector("minilm")
    both = Pooling("spacing", Count(factor=2))
    encoder = PooledEncoder(words, both, both)
    assert_aligned(encoder)
    assert encoder.token_texts(["a b c"], queries=True) == [["a", "c"]]
    whole = PooledEncoder(words, both)
    assert whole.token_texts(["a b c"], queries=True) == [["a", "b", "c"]]
    assert whole.token_texts(["a b c"], queries=False) == [["a", "c"]]


def test_pooling_cannot_name_what_its_encoder_does_not() -> None:
    encoder = PooledEncoder(Nameless(), Pooling("spacing", Count(factor=2)))
    with pytest.raises(EncoderError, match="nameless does not name its tokens"):
        encoder.token_texts(["a"], queries=False)


class Nameless:
    spec = fingerprint = "nameless"
    dim = 1

    def encode_documents(self, texts: Sequence[str]) -> TokenBatch:
        return TokenBatch.from_rows([np.ones((1, 1), np.float32) for _ in texts], 1)

    def encode_queries(self, texts: Sequence[str]) -> TokenBatch:
        return self.encode_documents(texts)


class Letters:
    """A piece for each letter; 100 and 101 around every text."""

    before, after = np.array([100]), np.array([101])
    names = {100: "[CLS]", 101: "[SEP]", 1: "a", 2: "b", 99: "[MASK]"}  # noqa: RUF012

    def first(self, text: str, limit: int) -> NDArray[np.int64]:
        return np.array([ord(x) - 96 for x in text if x.isalpha()][:limit], dtype=np.int64)


def test_masks_and_markers_have_names_and_skipped_tokens_none() -> None:
    texts = MarkedTexts(Letters(), 8)
    side = TokenSide(texts, Expansion(99, 6, scored=True), skipped=frozenset({2}))
    assert side.names(["abd", ""]) == [["[CLS]", "a", "#4", "[SEP]", "[MASK]"], []]


def test_terms_of_a_text_are_told_from_added_ones(
    tiny_checkpoints: ModuleType, tmp_path: Path
) -> None:
    bm25 = Bm25()
    batch = bm25.encode_documents(TEXTS)
    for i, own in enumerate(bm25.own_terms(TEXTS)):
        np.testing.assert_array_equal(own, batch.row(i)[0])
    source = tiny_checkpoints.save_masked_lm(tmp_path / "mlm")
    folder = tiny_checkpoints.save_sparse_encoder(tmp_path / "splade", source)
    splade = Encoders().sparse(f"splade:{folder}")
    assert isinstance(splade, ReadsTerms)
    found = splade.own_terms(["the cat the", ""])
    assert found is not None
    assert {splade.term(int(term), []) for term in found[0]} == {"the", "cat"}
    assert len(found[1]) == 0
    weighed = splade.encode_documents(["the cat the"]).row(0)[0]
    assert len(np.setdiff1d(weighed, found[0])) > 0

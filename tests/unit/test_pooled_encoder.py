from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexmax.building import Silent
from lexmax.collection import Collection
from lexmax.creating import IndexChoice
from lexmax.encoders import Encoders, MultiVectorEncoder
from lexmax.encoders.loading import Parameter, Recipe, poolable
from lexmax.encoders.pooled_encoder import PooledEncoder
from lexmax.encoders.pooling import Count, Pooling
from lexmax.errors import EncoderError, InputError
from lexmax.indexing import index_documents
from lexmax.types import Document

TEXT = "one two three four five six seven"


@pytest.fixture
def words(cheap_encoders: Encoders) -> MultiVectorEncoder:
    return cheap_encoders.multivector("minilm")


@pytest.fixture
def encoders(words: MultiVectorEncoder) -> Encoders:
    """Word vectors that can be pooled, as minilm's can."""
    recipe: Recipe[MultiVectorEncoder] = Recipe({}, lambda values: words)
    return Encoders(multivector={"minilm": poolable("minilm", recipe)})


def test_documents_are_pooled_and_queries_are_not(
    encoders: Encoders, words: MultiVectorEncoder
) -> None:
    encoder = encoders.multivector("minilm?pool=kmeans&ratio=0.5")
    assert isinstance(encoder, MultiVectorEncoder)
    assert encoder.dim == words.dim
    assert np.diff(encoder.encode_documents([TEXT, "", "one"]).offsets).tolist() == [3, 0, 1]
    queries = encoder.encode_queries([TEXT])
    np.testing.assert_array_equal(queries.vectors, words.encode_queries([TEXT]).vectors)


@pytest.mark.parametrize(
    ("spec", "vectors"),
    [
        ("pool=kmeans&tokens=5&query_tokens=4", (5, 4)),
        ("pool=kmeans&ratio=0.5&query_ratio=0.3", (3, 2)),
        ("pool=spacing&factor=2&query_factor=4", (4, 2)),
        ("pool=tail&tokens=2&query_tokens=1", (2, 1)),
    ],
)
def test_queries_are_pooled_where_the_spec_says_so(
    encoders: Encoders, spec: str, vectors: tuple[int, int]
) -> None:
    encoder = encoders.multivector(f"minilm?{spec}")
    assert len(encoder.encode_documents([TEXT]).vectors) == vectors[0]
    assert len(encoder.encode_queries([TEXT]).vectors) == vectors[1]


def test_without_pooling_the_encoder_itself_is_loaded(
    encoders: Encoders, words: MultiVectorEncoder
) -> None:
    assert encoders.multivector("minilm") is words


def test_other_parameters_reach_the_encoder(words: MultiVectorEncoder) -> None:
    seen: list[Any] = []

    def load(values: Any) -> MultiVectorEncoder:
        seen.append(dict(values))
        return words

    recipe = poolable("few", Recipe({"max_tokens": Parameter(int, 256)}, load))
    encoders = Encoders(multivector={"few": recipe})
    encoders.multivector("few?max_tokens=9&pool=tail&tokens=3")
    encoders.multivector("few")
    assert seen == [{"max_tokens": 9}, {"max_tokens": 256}]


@pytest.mark.parametrize(
    "spec",
    [
        "minilm?pool=ward&factor=2",
        "minilm?pool=spacing&factor=4&query_factor=2",
        "minilm?pool=kmeans&ratio=0.25&query_tokens=4",
        "minilm?pool=kmeans&tokens=32&seed=3",
    ],
)
def test_a_spec_gives_the_encoder_that_it_came_from(encoders: Encoders, spec: str) -> None:
    encoder = encoders.multivector(spec)
    assert encoders.multivector(encoder.spec) is encoder


def test_fingerprints_tell_poolings_apart(words: MultiVectorEncoder) -> None:
    poolings = [
        Pooling("ward", Count(factor=2)),
        Pooling("ward", Count(tokens=2)),
        Pooling("kmeans", Count(tokens=2)),
        Pooling("kmeans", Count(tokens=2), 1),
    ]
    made = [PooledEncoder(words, pooling) for pooling in poolings]
    made.append(PooledEncoder(words, poolings[0], poolings[0]))
    assert len({words.fingerprint, *(encoder.fingerprint for encoder in made)}) == 6
    assert made[0].fingerprint == f"{words.fingerprint}?pool=ward&factor=2&pooling_version=1"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("factor=2", "minilm: found factor without pool; expected pool as well, one of kmeans, s"),
        ("seed=2", "minilm: found seed without pool"),
        ("pool=max&factor=2", "minilm: no token pooling is called 'max'; expected one of kmeans"),
        ("pool=kmeans", "minilm: found no count; expected exactly one of tokens, ratio and factor"),
        ("pool=kmeans&tokens=8&ratio=0.5", "minilm: found tokens and ratio; expected exactly one"),
        ("pool=kmeans&ratio=2", "minilm: ratio is 2.0; expected above 0 and at most 1"),
        ("pool=ward&factor=0", "minilm: factor is 0; expected 1 or more"),
        ("pool=ward&factor=1.5", "minilm: factor is '1.5'; expected a whole number"),
        ("pool=spacing&tokens=8", "minilm: pool=spacing: found tokens=8; expected factor"),
        ("pool=ward&factor=2&query_tokens=0", "minilm: of queries: tokens is 0; expected 1"),
        ("pool=ward&factor=2&query_ratio=1&query_tokens=1", "minilm: of queries: found tokens and"),
        ("pool=spacing&factor=2&query_tokens=1", "minilm: pool=spacing: found tokens=1; expected"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_loaded(spec: str, message: str) -> None:
    def load(values: Any) -> MultiVectorEncoder:
        raise AssertionError("loaded")

    encoders = Encoders(multivector={"minilm": poolable("minilm", Recipe({}, load))})
    with pytest.raises(EncoderError) as caught:
        encoders.multivector(f"minilm?{spec}")
    assert str(caught.value).startswith(message)


def test_a_pooled_collection_is_searched_and_takes_pooled_documents_only(
    tmp_path: Path, encoders: Encoders
) -> None:
    spec = "minilm?pool=spacing&factor=3"
    documents = [Document("numbers", TEXT), Document("other", "eight nine ten eleven")]
    with Collection.create(tmp_path / "ix", multivector=spec, encoders=encoders) as collection:
        collection.add(documents)
        collection.flush()
    with Collection.open(tmp_path / "ix", encoders=encoders) as collection:
        result = collection.search("four", 2, pipeline="multivector-exact")
        assert [hit.doc_id for hit in result.hits] == ["numbers", "other"]
        assert result.hits[0].score == pytest.approx(1, abs=0.02)  # One that spacing keeps.
    choice = IndexChoice("bm25", "minilm")
    with pytest.raises(InputError, match=r"its multivector encoder is minilm\?pool=spacing"):
        index_documents(
            tmp_path / "ix",
            iter(documents),
            name=None,
            choice=choice,
            watcher=Silent(),
            encoders=encoders,
        )

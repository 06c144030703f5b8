"""A search's result as JSON is what the schema says, name by name."""

from types import MappingProxyType

import orjson
import pytest

from lexmax.results import Hit, Passage, SearchResult, StageReport
from lexmax.service.routes.search import search_reply
from lexmax.service.schemas import SearchReply
from lexmax.service.search_json import search_json

HITS = (
    Hit(
        1,
        "🐈/1",
        2.5,
        "a title",
        'a "text"\n\0',
        {"year": 1999, "tags": ["x", None]},
        {"bm25": 2.5},
    ),
    Hit(2, "b", -0.25, "", "", MappingProxyType({"deep": {"n": 1}}), {}, 0.5, Passage(0, 3, "abc")),
)
RESULTS = [
    SearchResult("q", "bm25", (), {}, 0),
    SearchResult("q", "hybrid", HITS, {"encode_ms": 0.1}, 7, (StageReport("encode", 1, 1, 0.1),)),
    SearchResult("q", "x", HITS[:1], {}, 1 << 40, (), 3, True, ("a stage was left out",)),
]


@pytest.mark.parametrize("result", RESULTS)
def test_it_is_what_the_schema_says(result: SearchResult) -> None:
    written = search_json(result)
    as_schema = search_reply(result)
    assert orjson.loads(written) == orjson.loads(as_schema.model_dump_json())
    assert SearchReply.model_validate_json(written) == as_schema


def test_names_stand_in_the_order_of_the_schema() -> None:
    written = orjson.loads(search_json(RESULTS[1]))
    assert list(written) == list(SearchReply.model_fields)


def test_what_json_has_not_is_an_error() -> None:
    odd = SearchResult("q", "x", (), {"encode_ms": object()}, 0)  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        search_json(odd)

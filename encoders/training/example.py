"""What is one example of relevance, and how is it written on a line?

As JSON, {"query", "pos", "neg"} with one text or several, and perhaps "pos_scores" and
"neg_scores"; or {"query", "docs", "scores"}, where the first document is the positive, and perhaps
"ranks". As a table, query, positive and negatives, separated by tabs.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, TypeAlias, cast

import orjson

ROLES = ("query", "pos", "neg", "docs", "pos_scores", "neg_scores", "scores", "ranks")
"""What members of a JSON line may stand for."""

UNRANKED = 0


class BadLineError(ValueError):
    """A line that gives no example; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document of an example: its text, or id where the source has a collection.

    `score` is a teacher's, NaN where it gave none; `rank` counts from 1 in the list that it was
    taken from, 0 where it was in none.
    """

    text: str
    score: float = math.nan
    rank: int = UNRANKED


@dataclass(frozen=True, slots=True)
class Example:
    """A query, at least one document that answers it, and documents that do not."""

    query: str
    positives: tuple[Candidate, ...]
    negatives: tuple[Candidate, ...] = ()

    def resolved(self, query: Callable[[str], str], document: Callable[[str], str]) -> "Example":
        """The example with the texts that its ids stand for."""

        def texts(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
            return tuple(replace(one, text=document(one.text)) for one in candidates)

        return Example(query(self.query), texts(self.positives), texts(self.negatives))


Parse: TypeAlias = Callable[[bytes], Example]


def from_json(content: bytes, fields: Mapping[str, str]) -> Example:
    """The example of a JSON line; `fields` gives the member's name of each role.

    Raises:
        BadLineError: if the line gives none.
    """
    members = _object(content)
    found = {role: members.get(fields.get(role, role)) for role in ROLES}
    query = _text(found["query"], fields.get("query", "query"))
    if found["docs"] is not None:
        return _listed(query, found)
    positives = _candidates(found["pos"], fields.get("pos", "pos"), found["pos_scores"])
    if not positives:
        raise BadLineError(f"no {fields.get('pos', 'pos')}, which is to hold the positive")
    negatives = _candidates(found["neg"], fields.get("neg", "neg"), found["neg_scores"])
    return _checked(Example(query, positives, negatives))


def from_columns(content: bytes) -> Example:
    """The example of a line of a table: query, positive, negatives.

    Raises:
        BadLineError: if the line gives none.
    """
    columns = [column.strip() for column in _decoded(content).split("\t")]
    if len(columns) < 2:
        raise BadLineError("1 column; expected query, positive and negatives, separated by tabs")
    query, positive, *negatives = columns
    found = [_text(query, "query"), _text(positive, "positive")]
    return _checked(
        Example(found[0], (Candidate(found[1]),), tuple(map(Candidate, filter(None, negatives))))
    )


def to_json(example: Example) -> bytes:
    """One line that `from_json` reads back: the first positive, then the negatives.

    The others of several positives are not written.
    """
    documents = (example.positives[0], *example.negatives)
    members: dict[str, Any] = {"query": example.query, "docs": [one.text for one in documents]}
    members["scores"] = [None if math.isnan(one.score) else one.score for one in documents]
    members["ranks"] = [one.rank or None for one in documents]
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


def text_of(members: Mapping[str, Any], names: Sequence[str] = ("text", "contents")) -> str | None:
    """Title and text of a document's members joined by a space, as BEIR does; None without."""
    parts = [members.get("title"), next((members[n] for n in names if n in members), None)]
    texts = [part for part in parts if isinstance(part, str)]
    return " ".join(texts).strip() or None


def _object(content: bytes) -> dict[str, Any]:
    try:
        members: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        _decoded(content)
        raise BadLineError(f"not JSON ({error}); expected one object a line") from error
    if not isinstance(members, dict):
        raise BadLineError("JSON, but not an object; expected one object a line")
    return cast("dict[str, Any]", members)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLineError(f"not UTF-8 at byte {error.start}; expected UTF-8 text") from error


def _listed(query: str, found: Mapping[str, Any]) -> Example:
    documents = _candidates(found["docs"], "docs", found["scores"], found["ranks"], empty=True)
    if not documents or not documents[0].text:
        raise BadLineError("docs begins with no text; expected the positive first")
    return _checked(Example(query, documents[:1], documents[1:]))


def _checked(example: Example) -> Example:
    """Without negatives that are empty or say the same as a positive."""
    known = {"", *(one.text for one in example.positives)}
    kept = tuple(one for one in example.negatives if one.text not in known)
    return replace(example, negatives=kept)


def _candidates(
    texts: Any, name: str, scores: Any, ranks: Any = None, *, empty: bool = False
) -> tuple[Candidate, ...]:
    if texts is None:
        return ()
    listed = _listed_values(texts)
    read = [_document(text, f"{name}[{i}]") for i, text in enumerate(listed)]
    scored = _numbers(scores, f"the scores of {name}", len(read), missing=math.nan)
    ranked = _numbers(ranks, f"the ranks of {name}", len(read), missing=UNRANKED)
    found = zip(read, scored, map(int, ranked), strict=True)
    return tuple(Candidate(*one) for one in found if one[0] or empty)


def _listed_values(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]  # pyright: ignore


def _document(value: Any, name: str) -> str:
    if isinstance(value, dict):
        value = text_of(cast("dict[str, Any]", value)) or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # an id
    if not isinstance(value, str):
        raise BadLineError(f"{name} is {type(value).__name__}; expected text")
    return value.strip()


def _text(value: Any, name: str) -> str:
    if value is None:
        raise BadLineError(f"no {name}")
    if not (text := _document(value, name)):
        raise BadLineError(f"{name} is empty")
    return text


def _numbers(values: Any, name: str, n: int, *, missing: float) -> Sequence[float]:
    if values is None:
        return list(repeat(missing, n))
    listed = _listed_values(values)
    if len(listed) != n:
        raise BadLineError(f"{name} are {len(listed)}; expected {n}, one a document")
    return [missing if value is None else _number(value, name) for value in listed]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadLineError(f"{name} hold {value!r:.40}; expected numbers")
    return float(value)

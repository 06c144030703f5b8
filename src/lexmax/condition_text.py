"""How is a filter written in a line? `year>=2020 and lang=en and not tag in (a, "b c")`.

Tests: FIELD = VALUE, !=, <, <=, >, >=, FIELD in (VALUE, ...), FIELD exists. They are joined by
and, or, not and brackets; `and` binds closer than `or`. What holds other characters than letters,
digits and _ . : + - / @ stands in quotes, as does a name or value that is one of these words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from lexmax.errors import FilterError
from lexmax.index.fields import Fields, FieldType
from lexmax.index.predicates import MAX_DEPTH, kind_of, too_deep

Conditions: TypeAlias = dict[str, Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>!=|>=|<=|==|=|<|>|\(|\)|,)
        |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
        |(?P<word>[^\s()<>=!,"']+))""",
    re.VERBOSE | re.DOTALL,
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_BOUNDS = {">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_WORDS = ("and", "or", "not", "in", "exists")
_EXAMPLE = "year>=2020 and lang=en and not tag in (a, b)"


@dataclass(frozen=True, slots=True)
class _Token:
    """A sign, a word in small letters, or a value; the last token is an empty sign."""

    text: str
    at: int
    is_value: bool = False


def read_text(text: str, fields: Fields) -> Conditions:
    """The conditions of a line, in the shape that `lexmax.conditions` reads from JSON.

    Raises:
        FilterError: if the line is no filter (says at which character), a field is not declared,
            or a value has another type than its field.
    """
    return _Reader(_tokens(text), fields).whole()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _wrong(at, "a character that begins nothing", "a name, a value or a sign")
        start, kind, content = match.start(match.lastgroup or 0), match.lastgroup, match[0].strip()
        if kind == "quoted":
            found.append(_Token(re.sub(r"\\(.)", r"\1", content[1:-1], flags=re.S), start, True))
        elif kind == "word" and content.lower() not in _WORDS:
            found.append(_Token(content, start, True))
        else:
            found.append(_Token(content.lower(), start))
        at = match.end()
    return [*found, _Token("", end)]


class _Reader:
    """Goes through the tokens once."""

    def __init__(self, tokens: list[_Token], fields: Fields) -> None:
        self._tokens, self._fields, self._place, self._depth = tokens, fields, 0, 0

    def whole(self) -> Conditions:
        found = self._either()
        if (left := self._next()).text or left.is_value:
            raise _wrong(left.at, _shown(left), "and, or, or the end")
        return found

    def _either(self) -> Conditions:
        return self._joined("or", "should", self._every)

    def _every(self) -> Conditions:
        return self._joined("and", "must", self._negated)

    def _joined(self, word: str, name: str, read: Callable[[], Conditions]) -> Conditions:
        clauses = [read()]
        while self._take(word):
            clauses.append(read())
        return clauses[0] if len(clauses) == 1 else {name: clauses}

    def _negated(self) -> Conditions:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        try:
            if self._take("not"):
                return {"must_not": [self._negated()]}
            if self._take("("):
                found = self._either()
                self._require(")")
                return found
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Conditions:
        name = self._next()
        if not name.is_value:
            raise _wrong(name.at, _shown(name), "the name of a field, not, or a bracket")
        kind, sign = kind_of(name.text, self._fields), self._next()
        clause: Conditions = {"field": name.text}
        match "" if sign.is_value else sign.text:
            case "=" | "==":
                return clause | {"match": self._value(kind)}
            case "!=":
                return {"must_not": [clause | {"match": self._value(kind)}]}
            case "in":
                return clause | {"any": self._list(kind)}
            case "not":
                self._require("in")
                return {"must_not": [clause | {"any": self._list(kind)}]}
            case "exists":
                return clause | {"exists": True}
            case bound if bound in _BOUNDS:
                return clause | {"range": {_BOUNDS[bound]: self._value(kind)}}
            case _:
                signs = "=, !=, <, <=, >, >=, in or exists"
                raise _wrong(sign.at, _shown(sign), signs)

    def _list(self, kind: FieldType) -> list[object]:
        self._require("(")
        values = [self._value(kind)]
        while self._take(","):
            values.append(self._value(kind))
        self._require(")")
        return values

    def _value(self, kind: FieldType) -> object:
        token = self._next()
        if not token.is_value:
            raise _wrong(token.at, _shown(token), "a value; put words such as `and` into quotes")
        try:
            return _READ[kind](token.text)
        except (ValueError, KeyError) as error:
            raise _wrong(token.at, "another value", f"a value of type {kind}") from error

    def _next(self) -> _Token:
        token = self._tokens[min(self._place, len(self._tokens) - 1)]
        self._place += 1
        return token

    def _take(self, text: str) -> bool:
        token = self._tokens[min(self._place, len(self._tokens) - 1)]
        is_next = token.text == text and not token.is_value
        self._place += is_next
        return is_next

    def _require(self, text: str) -> None:
        if not self._take(text):
            raise _wrong((found := self._next()).at, _shown(found), repr(text))


def _whole(text: str) -> int:
    if _WHOLE.fullmatch(text) is None:
        raise ValueError
    return int(text)


_READ: Mapping[FieldType, Callable[[str], object]] = {
    "keyword": str,
    "integer": _whole,
    "float": float,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "datetime": str,
}


def _shown(token: _Token) -> str:
    return "a value" if token.is_value else repr(token.text) if token.text else "the end"


def _wrong(at: int, found: str, expected: str) -> FilterError:
    return FilterError(
        f"filter, character {at + 1}: found {found}; expected {expected}; as in {_EXAMPLE!r}"
    )

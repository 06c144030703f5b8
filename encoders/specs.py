"""What does a spec say?

A spec is `name[:path][?parameters]`: "bm25?k1=1.2", "colbert:/models/colbertv2?pool=ward&factor=2".
The path is everything from the first colon to the first question mark, as it is; parameters are
joined by & and percent-decoded, as in an address of the web. Paths become absolute, because a
collection keeps the specs of its encoders and may be opened from any folder.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import parse_qsl, quote

from lexmax.errors import EncoderError

Value: TypeAlias = int | float | str | None
Values: TypeAlias = Mapping[str, Value]

PATH = "path"
"""Under this name a recipe finds the path among its values; no parameter may be called so."""

_NOUNS = {int: "a whole number", float: "a number", str: "a word"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter of an encoder may be: its type, and its value where none is given."""

    type: type[int] | type[float] | type[str]
    default: Value = None

    def read(self, text: str) -> Value:
        """The value that `text` writes.

        Raises:
            ValueError: if it is not one of the type.
        """
        return self.type(text)


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec in its parts.

    Attributes:
        name: Of the recipe.
        path: Of its folder, as written; None where there is no colon.
        parameters: What follows the question mark.
    """

    name: str
    path: str | None
    parameters: str

    @staticmethod
    def parse(text: str) -> "Spec":
        """The parts of `text`; every text has them."""
        before, _, parameters = text.partition("?")
        name, colon, path = before.partition(":")
        return Spec(name, path if colon else None, parameters)

    def values(self, parameters: Mapping[str, Parameter]) -> Values:
        """Every parameter's value: the one given, or its default.

        Raises:
            EncoderError: if a parameter is unknown, given twice, or not of its type.
        """
        values = {known: parameter.default for known, parameter in parameters.items()}
        read: set[str] = set()
        for given, text in self._given():
            if given in read:
                raise EncoderError(f"{self.name}: {given} is given twice; give it once")
            read.add(given)
            values[given] = self._value(given, text, parameters)
        return values

    def _value(self, given: str, text: str, parameters: Mapping[str, Parameter]) -> Value:
        parameter = parameters.get(given)
        if parameter is None:
            raise EncoderError(
                f"{self.name} has no parameter {given!r}; "
                f"expected {_one_of(parameters) if parameters else 'none'}"
            )
        try:
            return parameter.read(text)
        except ValueError as error:
            raise EncoderError(
                f"{self.name}: {given} is {text!r}; expected {_NOUNS[parameter.type]}"
            ) from error

    def _given(self) -> list[tuple[str, str]]:
        if not self.parameters:
            return []
        try:
            return parse_qsl(self.parameters, keep_blank_values=True, strict_parsing=True)
        except ValueError as error:
            raise EncoderError(
                f"{self.name}?{self.parameters}: {error}; "
                "expected parameters as name=value, joined by &"
            ) from error


def absolute(path: str | Path) -> str:
    """`path` from the root, `~` expanded; symbolic links stay what they are.

    Raises:
        EncoderError: if it holds a question mark, behind which parameters would begin.
    """
    # Of a user that there is not, `os.path` leaves the tilde, where `Path` would raise.
    whole = os.path.abspath(os.path.expanduser(path))
    if "?" in whole:
        raise EncoderError(
            f"{whole} holds a question mark; expected a path without, because parameters follow it "
            "in a spec; rename the folder, or make a symbolic link to it"
        )
    return whole


def written(name: str, path: str | Path | None = None, values: Values | None = None) -> str:
    """The spec that says this; values of None are left out.

    Raises:
        EncoderError: if the path cannot stand in a spec.
    """
    folder = "" if path is None else f":{absolute(path)}"
    given = [
        f"{parameter}={quote(str(value), safe='')}"
        for parameter, value in (values or {}).items()
        if value is not None
    ]
    return f"{name}{folder}{'?' if given else ''}{'&'.join(given)}"


def _one_of(names: Mapping[str, object]) -> str:
    return f"one of {', '.join(sorted(names))}"

"""Which of many searches can run together, and which of them cannot be answered?"""

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from lexmax.errors import InputError

T = TypeVar("T")


def by_filter(n_queries: int, filters: Sequence[Any] | None) -> list[tuple[Any, list[int]]]:
    """Which queries share a filter (HQI, arXiv 2304.01926, section 5), and which one."""
    if filters is None:
        return [(None, list(range(n_queries)))]
    groups: dict[str, tuple[Any, list[int]]] = {}
    for i, conditions in enumerate(filters):
        # As JSON, because 1, 1.0 and true are equal in Python.
        written = json.dumps(conditions, sort_keys=True)
        groups.setdefault(written, (conditions, []))[1].append(i)
    return list(groups.values())


def alike(values: Sequence[T]) -> list[tuple[T, list[int]]]:
    """Each value once, with the places where it stands, in the order of the first."""
    found: list[tuple[T, list[int]]] = []
    for place, value in enumerate(values):
        places = next((places for one, places in found if one == value), None)
        if places is None:
            found.append((value, [place]))
        else:
            places.append(place)
    return found


@contextmanager
def told_of(place: int) -> Generator[None, None, None]:
    """Whatever of a search cannot be used is said with its place among all, from 0, once."""
    try:
        yield
    except InputError as error:
        if str(error).startswith("searches["):
            raise
        raise type(error)(f"searches[{place}]: {error}") from error

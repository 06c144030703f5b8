"""How many may do this at one time? Counted on the event loop, where nothing waits for a place."""

from collections.abc import Generator
from contextlib import contextmanager

from lexmax.service.lanes import RETRY_AFTER
from lexmax.service.problems import OVERLOADED, Refusal


class Places:
    """So many places; who finds none is told so."""

    def __init__(self, most: int, *, who: str) -> None:
        """`who` takes them, as in "requests that stream documents"."""
        self.most, self.taken = most, 0
        self._who = who

    @contextmanager
    def taken_by_one(self) -> Generator[None, None, None]:
        """Hold one of them.

        Raises:
            Refusal: 503 if all are taken.
        """
        if self.taken >= self.most:
            raise Refusal(
                OVERLOADED,
                f"{self.taken} {self._who} are under way; expected fewer; try again later",
                headers=RETRY_AFTER,
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

"""How long may a request take, and is its client still there?"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from lexmax.reranking import Deadline
from lexmax.reranking.deadline import NEVER
from lexmax.service.problems import DEADLINE_EXCEEDED, INVALID_REQUEST, Refusal

TIMEOUT_HEADER = "x-request-timeout-ms"


@dataclass(slots=True)
class Call:
    """One request on its way through the service.

    Attributes:
        deadline: When its client no longer waits.
        arrived_at: Seconds of time.monotonic.
        receive: Tells that the client has left; None while the body has not been read.
        gone: Whether it has left.
        held_bytes: Of its body.
        waited_s: Seconds that it waited for a thread.
        timings_ms: What its stages took.
        elsewhere: Tells the collection that its alias means now, where its key may use that one;
            None where it names no alias.
    """

    deadline: Deadline = NEVER
    arrived_at: float = field(default_factory=time.monotonic)
    receive: Receive | None = None
    gone: bool = False
    held_bytes: int = 0
    waited_s: float = 0.0
    timings_ms: dict[str, float] = field(default_factory=dict[str, float])
    elsewhere: Callable[[], str | None] | None = None

    def ends_within(self, milliseconds: float | None) -> None:
        """Let it end so long after its arrival, if that is sooner; None changes nothing."""
        if milliseconds is not None:
            ends_at = min(self.deadline.ends_at, self.arrived_at + milliseconds / 1e3)
            self.deadline = Deadline(ends_at)

    def left_ms(self) -> float | None:
        """Milliseconds that are left, above 0; None for ever."""
        return max(self.deadline.left_s * 1e3, 0.001) if self.deadline.is_set else None

    def check(self) -> None:
        """Go on only where somebody waits for it.

        Raises:
            Refusal: if the deadline has passed.
            ClientDisconnect: if the client has left.
        """
        if self.gone:
            raise ClientDisconnect
        if self.deadline.is_set and self.deadline.left_s <= 0:
            raise too_late()


def too_late() -> Refusal:
    """What a request gets whose time was over before it was answered."""
    return Refusal(
        DEADLINE_EXCEEDED,
        "the request's time was over before its answer was there; expected more time or less "
        "work; allow more milliseconds, ask for less, or try again when there is less to do",
    )


def asked_timeout_ms(headers: Mapping[str, str], most: float) -> float | None:
    """The milliseconds that the request's header allows, None where it has none.

    Raises:
        Refusal: if it is no number above 0 and up to `most`.
    """
    said = headers.get(TIMEOUT_HEADER)
    if said is None:
        return None
    try:
        found = float(said)
    except ValueError:
        found = math.nan
    if not 0 < found <= most:
        raise Refusal(
            INVALID_REQUEST,
            f"the header {TIMEOUT_HEADER} cannot be used; expected milliseconds above 0 and up to "
            f"{most:g}; correct it",
        )
    return found

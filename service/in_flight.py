"""How much is under way? Requests and the bytes of their bodies, both bounded."""

from collections.abc import Generator
from contextlib import contextmanager

from lexmax.service.calls import Call
from lexmax.service.lanes import RETRY_AFTER
from lexmax.service.problems import OVERLOADED, Refusal


class InFlight:
    """Counts what is being answered; lanes say what may be worked at."""

    def __init__(self, most_requests: int, most_bytes: int) -> None:
        """Neither may be passed."""
        self._most_requests, self._most_bytes = most_requests, most_bytes
        self.requests, self.bytes = 0, 0

    @contextmanager
    def entered(self, call: Call) -> Generator[None, None, None]:
        """Count the request until it is answered.

        Raises:
            Refusal: 503 if there are too many.
        """
        if self.requests >= self._most_requests:
            raise _refusal(f"{self.requests} requests")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1
            self.bytes -= call.held_bytes
            call.held_bytes = 0

    def hold(self, call: Call, n_bytes: int) -> None:
        """Count bytes of the request's body until it is answered.

        Raises:
            Refusal: 503 if there are too many.
        """
        if self.bytes + n_bytes > self._most_bytes:
            raise _refusal(f"bodies of {self.bytes} bytes")
        self.bytes += n_bytes
        call.held_bytes += n_bytes


def _refusal(found: str) -> Refusal:
    detail = f"{found} are being read or answered; expected fewer; try again later"
    return Refusal(OVERLOADED, detail, headers=RETRY_AFTER)

"""Is it worth asking again, and when?"""

from dataclasses import dataclass

from lexmax.errors import ClientError

UNREACHABLE = "unreachable"
_TOO_MANY, _TOO_BUSY = 429, 503


@dataclass(frozen=True, slots=True)
class Retries:
    """How often what changes nothing if it is done twice is asked again, and after how long.

    Asked again is what the service had no room for (429, 503), and what never reached it. The waits
    double, and are spread so that clients that were turned away together do not come back together.

    Attributes:
        most: Times, beside the first.
        first_s: Seconds before the first of them, where the service names none.
        longest_s: Seconds that are waited at most; who is told to wait longer gives up.
    """

    most: int = 2
    first_s: float = 0.5
    longest_s: float = 20.0

    def wait_s(self, n_failed: int, failure: ClientError, *, chance: float) -> float | None:
        """Seconds until the next attempt; None if there is to be none.

        Args:
            n_failed: Attempts until now, from 1.
            failure: How the last one ended.
            chance: From 0 to 1, another one each time.
        """
        worth = failure.code == UNREACHABLE or failure.status in (_TOO_MANY, _TOO_BUSY)
        told = failure.retry_after_s
        if not worth or n_failed > self.most or (told is not None and told > self.longest_s):
            return None
        if told is not None:
            return told + self.first_s * chance
        return min(self.first_s * 2.0 ** (n_failed - 1), self.longest_s) * (1 + chance) / 2

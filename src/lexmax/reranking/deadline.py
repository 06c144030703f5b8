"""When must an answer be there?"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of a monotonic clock.

    Attributes:
        ends_at: Seconds of the clock; infinity for never.
        clock: Gives the seconds now.
    """

    ends_at: float = math.inf
    clock: Callable[[], float] = field(default=time.monotonic, compare=False, repr=False)

    @staticmethod
    def within(milliseconds: float) -> "Deadline":
        """The moment so many milliseconds from now."""
        return Deadline(time.monotonic() + milliseconds / 1e3)

    @property
    def is_set(self) -> bool:
        """Whether it comes at all."""
        return math.isfinite(self.ends_at)

    @property
    def left_s(self) -> float:
        """Seconds until then; 0 or less where it has passed."""
        return self.ends_at - self.clock()


NEVER = Deadline()

"""Which requests go through a model together? Those that wait while it is busy.

Nothing is held back to fill a batch: what has come while one batch ran is the next one, as far as
a budget goes. Each answer belongs to the request that it was computed for, whoever else was in the
batch and whoever left it.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Ask(Generic[A, B]):
    """One request's part.

    Attributes:
        group: Only asks of one group go together.
        said: What is asked.
        cost: What it takes of the budget, in tokens or the like.
        answer: Comes when it has been computed; cancelled before then, it is left out.
    """

    group: Hashable
    said: A
    cost: int
    answer: "Future[B]" = field(default_factory=lambda: Future())


def next_batch(waiting: Sequence[Ask[A, B]], budget: int) -> list[int]:
    """Places of those that go together: the first, and those of its group that fit behind it.

    The first goes however much it costs. Nobody of a group passes another of it.
    """
    taken: list[int] = []
    spent = 0
    for place, ask in enumerate(waiting):
        if taken and ask.group != waiting[taken[0]].group:
            continue
        if taken and spent + ask.cost > budget:
            break
        taken.append(place)
        spent += ask.cost
    return taken


class MicroBatcher(Generic[A, B]):
    """Gives what is asked to a function that answers many at once, on a thread of its own."""

    def __init__(
        self,
        name: str,
        run: Callable[[Sequence[A]], Sequence[B]],
        *,
        budget: int,
        ran: Callable[[str, int], None] = lambda name, n_asks: None,
    ) -> None:
        """`run` answers asks of one group, in their order; `ran` is told how many went together."""
        self.name = name
        self._run, self._budget, self._ran = run, budget, ran
        self._changed = threading.Condition()
        self._waiting: list[Ask[A, B]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def n_waiting(self) -> int:
        """Asks that no batch has taken yet."""
        return len(self._waiting)

    def submit(self, group: Hashable, said: A, *, cost: int) -> "Future[B]":
        """The answer to come. Cancelling it before its batch has begun leaves it out.

        Raises:
            RuntimeError: if the batcher is closed.
        """
        ask: Ask[A, B] = Ask(group, said, cost)
        with self._changed:
            if self._closed:
                raise RuntimeError(f"{self.name}: asked after it was closed")
            self._waiting.append(ask)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._serve, name=f"lexmax-{self.name}", daemon=True
                )
                self._thread.start()
            self._changed.notify()
        return ask.answer

    def close(self) -> None:
        """Finish the batch that runs; what waits is cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while batch := self._taken():
            self._ran(self.name, len(batch))
            self._answer(batch)

    def _taken(self) -> list[Ask[A, B]]:
        """The next batch, without those that were cancelled; empty once closed."""
        with self._changed:
            while not self._closed:
                self._waiting = [ask for ask in self._waiting if not ask.answer.cancelled()]
                places = set(next_batch(self._waiting, self._budget))
                taken = [ask for i, ask in enumerate(self._waiting) if i in places]
                self._waiting = [ask for i, ask in enumerate(self._waiting) if i not in places]
                running = [ask for ask in taken if ask.answer.set_running_or_notify_cancel()]
                if running:
                    return running
                if not self._waiting:
                    self._changed.wait()
            for ask in self._waiting:
                ask.answer.cancel()
            self._waiting = []
        return []

    def _answer(self, batch: list[Ask[A, B]]) -> None:
        try:
            answers = list(self._run([ask.said for ask in batch]))
            if len(answers) != len(batch):
                raise RuntimeError(f"{self.name}: {len(answers)} answers for {len(batch)} asks")
        except BaseException as error:
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            for ask in batch:  # what one of them is at fault for, the others are not told
                self._answer([ask])
            return
        for ask, answer in zip(batch, answers, strict=True):
            ask.answer.set_result(answer)

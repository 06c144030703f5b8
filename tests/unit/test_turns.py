import threading

from lexmax.encoders.turns import Turns


def test_turns_go_in_the_order_of_asking() -> None:
    turns, order = Turns(), list[int]()

    def take(i: int) -> None:
        with turns:
            order.append(i)

    threads = [threading.Thread(target=take, args=(i,)) for i in range(5)]
    with turns:
        for n_waiting, thread in enumerate(threads, start=1):
            thread.start()
            while len(turns._queue) <= n_waiting:  # Until it stands in line.
                threading.Event().wait(0.001)
        assert order == []
    for thread in threads:
        thread.join(timeout=10)
    assert order == [0, 1, 2, 3, 4]


def test_a_failure_inside_passes_the_turn_on() -> None:
    turns = Turns()
    for _ in range(2):
        try:
            with turns:
                raise RuntimeError
        except RuntimeError:
            pass
    with turns:
        pass


def test_a_waiter_that_is_interrupted_leaves_the_line() -> None:
    turns = Turns()
    outcome: list[str] = []

    def interrupted() -> None:
        turns._condition.wait_for = raise_interrupt  # type: ignore[method-assign]
        try:
            turns.__enter__()
        except KeyboardInterrupt:
            outcome.append("interrupted")
        del turns._condition.wait_for

    with turns:
        thread = threading.Thread(target=interrupted)
        thread.start()
        thread.join(timeout=10)
    assert outcome == ["interrupted"]
    with turns:
        pass


def raise_interrupt(*_: object) -> bool:
    raise KeyboardInterrupt

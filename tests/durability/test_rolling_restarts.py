"""Two of the restarts that `make rolling-restarts` does a hundred times."""

from pathlib import Path

from rolling_restarts import restarted


def test_no_accepted_request_is_dropped_by_restarts(tmp_path: Path) -> None:
    summary = restarted(2, tmp_path, seed=0, told=lambda line: None)
    assert summary.problems == []
    assert summary.restarts == 2
    assert summary.answered > 20

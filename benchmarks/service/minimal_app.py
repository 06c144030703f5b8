"""What does a search cost behind the least HTTP service that can be written? The same for all.

python minimal_app.py SYSTEM PORT THREADS [what the system needs]

FastAPI and uvicorn (httptools, uvloop), one route, the search on one of THREADS threads; replies
hold ids and scores. A system is a module of `peers/` with `opened(arguments)`, which gives a
function of a query's terms, weights and k. Runs in the system's own environment.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Found: TypeAlias = "list[tuple[str, float]]"
Search: TypeAlias = Callable[[Sequence[int], Sequence[float], int], Found]


def main() -> None:
    """Serve until the process is told to stop."""
    import uvicorn

    system, port, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    search = importlib.import_module(f"peers.served_{system}").opened(sys.argv[4:])
    sys.setswitchinterval(0.001)  # as `lexmax serve` has it
    uvicorn.run(_app(search, threads), port=port, access_log=False, log_level="warning")


def read_query(text: str) -> tuple[list[int], list[float]]:
    """Terms and weights of `term^weight term^weight ...`."""
    pairs = [token.split("^") for token in text.split()]
    return [int(term) for term, _ in pairs], [float(weight) for _, weight in pairs]


def _app(search: Search, threads: int) -> Any:
    import anyio
    import orjson
    from fastapi import FastAPI, Response
    from pydantic import BaseModel

    class Asked(BaseModel):
        query: str
        k: int

    app = FastAPI()
    room: list[anyio.CapacityLimiter] = []

    @app.get("/ready")
    async def ready() -> str:
        return "ready"

    @app.post("/search")
    async def answer(body: Asked) -> Response:
        if not room:
            room.append(anyio.CapacityLimiter(threads))

        def found() -> bytes:
            hits = search(*read_query(body.query), body.k)
            return orjson.dumps(
                {"hits": [{"doc_id": name, "score": score} for name, score in hits]}
            )

        reply = await anyio.to_thread.run_sync(found, limiter=room[0])
        return Response(reply, media_type="application/json")

    # Local classes and postponed annotations do not go together: none are postponed here.
    return app


if __name__ == "__main__":
    main()

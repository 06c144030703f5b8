"""How is a collection kept in order? Statistics, fields, flush and merge."""

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter

from lexmax.collection import Collection
from lexmax.inventory import inventory
from lexmax.merging import COMPACT, TIERED, MergeReport
from lexmax.service.lanes import RETRY_AFTER
from lexmax.service.parts import Parts, Service
from lexmax.service.problems import NOT_READY, Refusal
from lexmax.service.schemas import CollectionName
from lexmax.service.strict_json import StrictRoute
from lexmax.service.upkeep_schemas import (
    FieldsReply,
    FlushReply,
    MergeReply,
    MergeRequest,
    NewFields,
    SegmentStatistics,
    StatisticsReply,
)

router = APIRouter(tags=["collections"], route_class=StrictRoute)

T = TypeVar("T")


@router.get("/v1/collections/{name}/statistics")
async def read_statistics(name: CollectionName, service: Parts) -> StatisticsReply:
    """What the collection consists of: documents, terms, token vectors and bytes by segment."""
    found = await service.read(name, inventory)
    return StatisticsReply(
        name=name,
        generation=found.generation,
        n_docs=found.n_docs,
        n_deleted=found.n_deleted,
        n_pending=found.n_pending,
        n_unseen=found.n_unseen,
        n_tokens=found.n_tokens,
        bytes=found.bytes,
        segments=[SegmentStatistics.model_validate(one) for one in found.segments],
    )


@router.put("/v1/collections/{name}/fields")
async def declare_fields(name: CollectionName, body: NewFields, service: Parts) -> FieldsReply:
    """Let filters name these entries of the metadata; fields that are declared already stay.

    Each segment gets columns for them, for which all its documents are read: searches go on,
    writes wait.
    """

    def declare(collection: Collection) -> FieldsReply:
        n_segments = collection.declare_fields(body.fields)
        return FieldsReply(fields=dict(collection.fields), n_segments=n_segments)

    return await service.write(name, declare)


@router.post("/v1/collections/{name}/flush")
async def flush(name: CollectionName, service: Parts) -> FlushReply:
    """Make segments of pending documents now, rather than when there are thousands.

    Searches find pending documents all the same. If the request's time ends, what was built stays.
    """
    watching = _Watching(service)
    work = watching.stoppable(lambda collection: collection.flush(watching))
    return FlushReply(n_segments=await service.write(name, work))


@router.post("/v1/collections/{name}/merge")
async def merge(
    name: CollectionName, service: Parts, body: MergeRequest | None = None
) -> MergeReply:
    """Make many segments few and drop deleted documents; the service does so by itself as well.

    Searches and writes go on. If the request's time ends, finished merges stay.
    """
    policy = COMPACT if body is not None and body.everything else TIERED
    watching = _Watching(service)

    def merged(collection: Collection) -> MergeReport:
        if body is not None and body.neighbours is not None:
            collection.writer.keep_neighbours(body.neighbours)
        return collection.merge(watching, policy=policy)

    work = watching.stoppable(merged)
    return MergeReply.model_validate(await service.write(name, work))


class _Watching:
    """Stops long work of which nobody waits for the end, or that the service's end waits for."""

    def __init__(self, service: Service) -> None:
        self._call, self._readiness = service.call, service.readiness

    def advance(self, stage: str, done: int, total: int) -> None:
        """Nobody is told."""

    def stopped(self) -> bool:
        """Whether the request's time is over, or the service's."""
        deadline = self._call.deadline
        over = self._call.gone or (deadline.is_set and deadline.left_s <= 0)
        return over or self._readiness.stopping

    def stoppable(self, work: Callable[[Collection], T]) -> Callable[[Collection], T]:
        """`work`, which ends as a request does whose time is over."""

        def stoppable(collection: Collection) -> T:
            try:
                return work(collection)
            except KeyboardInterrupt:
                self._call.check()
                raise Refusal(
                    NOT_READY,
                    "the service is stopping; what was finished by now is kept; try again when it "
                    "has started",
                    headers=RETRY_AFTER,
                ) from None

        return stoppable

"""What is in a collection? Store, read and delete documents."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from lexmax.collection import Collection
from lexmax.service.document_lines import document_of
from lexmax.service.document_stream import MEDIA_TYPE, DocumentsOrLinesRoute
from lexmax.service.limits import check_count
from lexmax.service.parts import Parts
from lexmax.service.problems import DOCUMENT_NOT_FOUND, Refusal
from lexmax.service.schemas import (
    CollectionName,
    DeletedReply,
    DocumentReply,
    NewDocuments,
    StoredReply,
)
from lexmax.service.strict_json import DocumentsRoute
from lexmax.service.upkeep_schemas import DocumentsToDelete

router = APIRouter(tags=["documents"], route_class=DocumentsRoute)


Wait = Annotated[
    bool, Query(description="Answer when searches find it; else when it is on the disk")
]
AS_LINES: dict[str, Any] = {
    "requestBody": {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
}

storing = APIRouter(tags=["documents"], route_class=DocumentsOrLinesRoute)


@storing.post("/v1/collections/{name}/documents", openapi_extra=AS_LINES)
async def store_documents(
    name: CollectionName, body: NewDocuments, service: Parts, wait: Wait = True
) -> StoredReply:
    """Store a batch, or a stream of documents; what is acknowledged survives a power cut.

    With `wait` it is searchable too, by every search that begins afterwards. A stream,
    `application/x-ndjson`, has a document a line and is answered with a line a batch; its
    `on_error` is stop or skip: docs/ingestion.md.
    """
    limit = service.settings.max_batch_documents
    check_count("documents", len(body.documents), limit, unit="documents")

    def store(collection: Collection) -> StoredReply:
        # All are checked before the first is stored.
        documents = [document_of(document) for document in body.documents]
        count = collection.writer.add(documents, wait=wait)
        return StoredReply(added=count.added, replaced=count.replaced, unchanged=count.unchanged)

    return await service.write(name, store)


router.include_router(storing)


@router.post("/v1/collections/{name}/documents/delete")
async def delete_documents(
    name: CollectionName, body: DocumentsToDelete, service: Parts
) -> DeletedReply:
    """Delete documents by their ids, or all that a filter allows; then searches miss them."""
    doc_ids, conditions = body.doc_ids, body.filter
    limit = service.settings.max_batch_documents
    check_count("doc_ids", len(doc_ids or ()), limit, unit="ids")

    def delete(collection: Collection) -> int:
        if conditions is not None:
            return collection.delete_matching(conditions)
        return collection.delete(doc_ids or ())

    return DeletedReply(deleted=await service.write(name, delete))


@router.get("/v1/collections/{name}/documents/{doc_id:path}")
async def read_document(name: CollectionName, doc_id: str, service: Parts) -> DocumentReply:
    """One document as it was stored. Slashes in its id may stand as they are."""
    document = (await service.read(name, lambda collection: collection.get([doc_id])))[0]
    if document is None:
        raise _no_document()
    return DocumentReply.model_validate(document, from_attributes=True)


@router.delete("/v1/collections/{name}/documents/{doc_id:path}")
async def delete_document(name: CollectionName, doc_id: str, service: Parts) -> DeletedReply:
    """Delete one document."""
    deleted = await service.write(name, lambda collection: collection.delete([doc_id]))
    if not deleted:
        raise _no_document()
    return DeletedReply(deleted=deleted)


def _no_document() -> Refusal:
    return Refusal(
        DOCUMENT_NOT_FOUND,
        "the collection has no document with this id; expected one that was stored; "
        "percent-encode the id in the path",
    )

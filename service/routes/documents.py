"""What is in a collection? Store, read and delete documents."""

from fastapi import APIRouter

from lexmax.collection import Collection
from lexmax.service.limits import check_count
from lexmax.service.parts import Parts
from lexmax.service.problems import DOCUMENT_NOT_FOUND, Refusal
from lexmax.service.schemas import (
    CollectionName,
    DeletedReply,
    DocumentIds,
    DocumentReply,
    NewDocument,
    NewDocuments,
    StoredReply,
)
from lexmax.service.strict_json import DocumentsRoute
from lexmax.types import Document

router = APIRouter(tags=["documents"], route_class=DocumentsRoute)


@router.post("/v1/collections/{name}/documents")
async def store_documents(name: CollectionName, body: NewDocuments, service: Parts) -> StoredReply:
    """Store a batch; when the reply comes it survives a power cut and is searchable."""
    limit = service.settings.max_batch_documents
    check_count("documents", len(body.documents), limit, unit="documents")

    def store(collection: Collection) -> StoredReply:
        # All are checked before the first is stored.
        count = collection.add([_document(document) for document in body.documents])
        return StoredReply(added=count.added, replaced=count.replaced, unchanged=count.unchanged)

    return await service.write(name, store)


@router.post("/v1/collections/{name}/documents/delete")
async def delete_documents(name: CollectionName, body: DocumentIds, service: Parts) -> DeletedReply:
    """Delete documents by their ids; searches no longer find them when the reply comes."""
    limit = service.settings.max_batch_documents
    check_count("doc_ids", len(body.doc_ids), limit, unit="ids")
    deleted = await service.write(name, lambda collection: collection.delete(body.doc_ids))
    return DeletedReply(deleted=deleted)


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


def _document(new: NewDocument) -> Document:
    return Document(new.doc_id, new.text, new.title, new.metadata)


def _no_document() -> Refusal:
    return Refusal(
        DOCUMENT_NOT_FOUND,
        "the collection has no document with this id; expected one that was stored; "
        "percent-encode the id in the path",
    )

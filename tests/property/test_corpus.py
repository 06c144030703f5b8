import gzip
import io
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import orjson
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lexmax.corpus import Reject, read_documents
from lexmax.types import Document

COMPRESS = st.sampled_from([bytes, gzip.compress, zstandard.ZstdCompressor().compress])
TEXTS = st.text(max_size=40)
IDS = st.text(
    alphabet=st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]),
    min_size=1,
    max_size=20,
)
METADATA = st.dictionaries(
    st.sampled_from(["year", "tags", "lang", "été"]),
    st.one_of(st.integers(-(2**53), 2**53), TEXTS, st.none(), st.lists(TEXTS, max_size=2)),
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    metadata: Any = draw(METADATA)
    return Document(draw(IDS), draw(TEXTS), draw(TEXTS), metadata)


def read(content: bytes) -> tuple[list[Document], list[Reject]]:
    rejects: list[Reject] = []
    with mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(content))):
        return list(read_documents(["-"], on_reject=rejects.append)), rejects


def as_lines(all_documents: list[Document]) -> Iterator[bytes]:
    for document in all_documents:
        fields = {"_id": document.doc_id, "title": document.title, "text": document.text}
        yield orjson.dumps({**fields, "metadata": document.metadata}) + b"\n"


@given(st.lists(documents(), max_size=8), COMPRESS)
def test_what_was_written_is_read(all_documents: list[Document], compress: type[bytes]) -> None:
    assert read(compress(b"".join(as_lines(all_documents)))) == (all_documents, [])


@given(st.binary(max_size=200).filter(lambda b: not b.startswith((b"\x1f\x8b", b"\x28\xb5"))))
def test_any_bytes_give_a_document_or_a_reject_for_each_line(content: bytes) -> None:
    found, rejects = read(content)
    body = content.removeprefix(b"\xef\xbb\xbf")
    assert len(found) + len(rejects) == sum(bool(line.strip()) for line in body.split(b"\n"))


@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b" ")), max_size=6))
def test_bad_lines_never_hide_good_ones(bad: list[bytes]) -> None:
    good = b'{"_id": "good", "text": "t"}'
    found, rejects = read(b"\n".join([good, *bad, good]))
    assert [document.doc_id for document in found if document.doc_id == "good"] == ["good"] * 2
    assert all(reject.reason and len(reject.line) <= 200 for reject in rejects)

"""Writes the CIFF files of this folder with a tool of others, ciff-toolkit 0.2.2 (protobuf 4.25.9).

Run in an environment of its own: pip install ciff-toolkit==0.2.2, then python this file.
"""

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

ciff: Any = import_module("ciff_toolkit.ciff_pb2")
CiffWriter: Any = import_module("ciff_toolkit.write").CiffWriter

HERE = Path(__file__).parent
DOCUMENTS = {
    "tide": "the tide comes in and the tide goes out",
    "moon": "the moon pulls the sea and the sea becomes a tide",
    "élan/7": "élan of the sea wind",
    "nothing": "",
}


def write_file(name: str, vectors: dict[str, dict[str, int]]) -> None:
    """One CIFF of {doc_id: {term: impact}}."""
    terms = sorted({term for vector in vectors.values() for term in vector})
    lengths = [sum(vector.values()) for vector in vectors.values()]
    header = ciff.Header(
        version=1,
        num_postings_lists=len(terms),
        num_docs=len(vectors),
        total_postings_lists=len(terms),
        total_docs=len(vectors),
        total_terms_in_collection=sum(lengths),
        average_doclength=sum(lengths) / len(lengths),
        description="made for a test",
    )
    with CiffWriter(HERE / name) as writer:
        writer.write_header(header)
        writer.write_postings_lists(_posting_list(term, vectors) for term in terms)
        writer.write_documents(
            ciff.DocRecord(docid=i, collection_docid=doc_id, doclength=length)
            for i, (doc_id, length) in enumerate(zip(vectors, lengths, strict=True))
        )


def _posting_list(term: str, vectors: dict[str, dict[str, int]]) -> Any:
    found = [(i, vector[term]) for i, vector in enumerate(vectors.values()) if term in vector]
    before = [0, *(i for i, _ in found[:-1])]
    postings = [
        ciff.Posting(docid=i - last, tf=tf) for (i, tf), last in zip(found, before, strict=True)
    ]
    return ciff.PostingsList(
        term=term, df=len(found), cf=sum(tf for _, tf in found), postings=postings
    )


if __name__ == "__main__":
    write_file("words.ciff", {d: dict(Counter(text.split())) for d, text in DOCUMENTS.items()})
    # Long lists, gaps and impacts of one to three bytes, a document that no list names.
    write_file(
        "numbers.ciff.gz",
        {
            f"n{i}": {
                f"mod{m}": 1 + i * i * i % 70_000 for m in (1, 2, 7, 300) if i % m == 0 and i != 5
            }
            for i in range(700)
        },
    )

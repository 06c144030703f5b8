"""Write a dataset with the first documents of another, and all that are relevant to a query.

python benchmarks/limit_subset.py DATASET_DIR N FOLDER

So LIMIT can be measured at sizes between its 46 relevant documents and all 50,000.
"""

import argparse
import json
import shutil
from pathlib import Path

from lexmax.corpus import read_documents
from lexmax.eval import load_dataset


def main() -> None:
    """Write FOLDER in BEIR layout."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dataset", type=Path, help="BEIR folder")
    parser.add_argument("n", type=int, help="documents to take from the beginning")
    parser.add_argument("folder", type=Path, help="a new folder")
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} is there already; expected a new folder; name another")
    qrels = load_dataset(given.dataset, split="test").qrels.values()
    relevant = {doc_id for grades in qrels for doc_id, grade in grades.items() if grade > 0}
    (given.folder / "qrels").mkdir(parents=True)
    shutil.copy(given.dataset / "qrels" / "test.tsv", given.folder / "qrels")
    shutil.copy(given.dataset / "queries.jsonl", given.folder)
    n_written = 0
    with (given.folder / "corpus.jsonl").open("w", encoding="utf-8") as file:
        documents = read_documents([str(given.dataset)], on_reject=print)
        for i, document in enumerate(documents):
            if i < given.n or document.doc_id in relevant:
                row = {"_id": document.doc_id, "title": document.title, "text": document.text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                n_written += 1
    print(f"{n_written:,} documents in {given.folder}")


if __name__ == "__main__":
    main()

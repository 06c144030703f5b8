"""How do ids with spaces stand in a run, whose fields spaces separate? Percent-encoded, all of it.

A percent sign becomes %25, white space and what UTF-8 cannot store too; everything else stays. So
ids without these are the same bytes, and what was encoded can be read back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from lexmax.errors import EvaluationError
from lexmax.eval.files import check_ids
from lexmax.eval.qrels import Qrels
from lexmax.eval.runs.run import Run

_ODD = re.compile(r"[%\s]")


def encoded_id(name: str) -> str:
    """The id with percent signs and white space encoded."""
    return _ODD.sub(lambda match: quote(match[0], safe=""), name)


def decoded_id(name: str) -> str:
    """The id that `encoded_id` made this of."""
    return unquote(name, errors="strict")


def needs_encoding(run: Run) -> bool:
    """Whether an id of a run cannot stand in a TREC file as it is."""
    return not all(map(_is_plain, [list(run.doc_ids), *run.doc_ids.values()]))


def encoded_ids(run: Run) -> Run:
    """The run with all ids percent-encoded."""
    return replace(
        run,
        doc_ids={encoded_id(q): list(map(encoded_id, ids)) for q, ids in run.doc_ids.items()},
        scores={encoded_id(q): scores for q, scores in run.scores.items()},
    )


def decoded_ids(run: Run) -> Run:
    """The run that `encoded_ids` made this of.

    Raises:
        EvaluationError: if an id is not percent-encoded UTF-8.
    """
    try:
        return replace(
            run,
            doc_ids={decoded_id(q): list(map(decoded_id, ids)) for q, ids in run.doc_ids.items()},
            scores={decoded_id(q): scores for q, scores in run.scores.items()},
        )
    except UnicodeDecodeError as error:
        raise EvaluationError(
            f"run {run.name!r}: an id is not percent-encoded UTF-8 ({error}); expected ids that "
            "lexmax has encoded; read the run as it is"
        ) from error


def encoded_qrels(qrels: Qrels) -> Mapping[str, Mapping[str, int]]:
    """Judgements with the ids of an encoded run."""
    return {
        encoded_id(query_id): {encoded_id(doc_id): grade for doc_id, grade in judged.items()}
        for query_id, judged in qrels.items()
    }


def _is_plain(ids: Sequence[str]) -> bool:
    try:
        check_ids(ids)
    except EvaluationError:
        return False
    return True

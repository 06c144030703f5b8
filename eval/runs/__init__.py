"""What did a system answer to each query, in which order?

The order of a run that was read is that of trec_eval: score descending, held as a 32-bit float;
equal scores by doc_id descending, byte by byte; the rank column is not looked at. A run that is
written has strictly descending 32-bit scores, or ranks, so that no program can put it in another
order.
"""

from lexmax.eval.runs.reading import read_run
from lexmax.eval.runs.run import Run
from lexmax.eval.runs.writing import RunFormat, descending, write_run

__all__ = ["Run", "RunFormat", "descending", "read_run", "write_run"]

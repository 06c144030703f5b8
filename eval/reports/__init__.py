"""How do results of an experiment look to people? As one HTML file, as Markdown, as JSON.

Reports read results.json and the files beside it; the texts of queries and documents are read from
the collections, if they are still where they were.
"""

from lexmax.eval.reports.report import Report, report_of, write_report

__all__ = ["Report", "report_of", "write_report"]

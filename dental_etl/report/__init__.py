"""The report of a run: built from the ledger's values, rendered as JSON, text or one HTML file."""

from dental_etl.report.advice import NextStep, next_steps
from dental_etl.report.contents import Outcome, RunReport, build
from dental_etl.report.data import to_json
from dental_etl.report.page import to_html
from dental_etl.report.text import to_text, to_title
from dental_etl.report.wording import headline

__all__ = [
    "NextStep",
    "Outcome",
    "RunReport",
    "build",
    "headline",
    "next_steps",
    "to_html",
    "to_json",
    "to_text",
    "to_title",
]

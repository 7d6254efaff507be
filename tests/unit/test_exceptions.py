"""Codes are what operators, Flower and tests see; they must not collide."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dental_etl import exceptions
from dental_etl.exceptions import RETRYABLE, ETLPipelineError, ValidationError


def tree(kind: type[ETLPipelineError] = ETLPipelineError) -> Iterator[type[ETLPipelineError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.__dict__.get("code") for kind in tree()]

    assert None not in codes
    assert len(set(codes)) == len(codes)


def test_docstring_draws_every_error() -> None:
    drawn = set(re.findall(r"\b\w+Error\b", exceptions.__doc__ or ""))

    assert {kind.__name__ for kind in tree()} <= drawn


def test_a_refused_statement_is_not_tried_again() -> None:
    assert not issubclass(exceptions.DatabaseQueryError, RETRYABLE)


def test_all_problems_are_listed_at_once() -> None:
    message = str(ValidationError(["A is not set", "B is not set"]))

    assert "2 problem(s)" in message
    assert "  - A is not set\n  - B is not set" in message

"""What leaves a task that went wrong."""

from __future__ import annotations

import logging

import pytest
from celery import Celery

from dental_etl.exceptions import DataLoadingError
from workers.task_class import DiscreetTask, TaskFailedError

PATIENT = "Doe, Jane 555-0100"


@pytest.fixture
def app() -> Celery:
    return Celery("discreet", set_as_current=False, broker="memory://")


def failure(app: Celery, error: Exception) -> TaskFailedError:
    @app.task(base=DiscreetTask, name="raises", shared=False)
    def raises(run_id: str) -> None:
        raise error

    with pytest.raises(TaskFailedError) as caught:
        raises("r1")
    return caught.value


def test_an_unexpected_error_leaves_as_a_code(app: Celery) -> None:
    assert failure(app, ValueError(PATIENT)).args == ("E_INTERNAL", "r1")


def test_our_own_error_leaves_as_its_code(app: Celery) -> None:
    assert failure(app, DataLoadingError("column Note is too long", table="patient")).args == ("E_LOAD", "r1")


def test_the_original_error_is_not_even_the_context(app: Celery) -> None:
    failed = failure(app, ValueError(PATIENT))
    assert (failed.__context__, failed.__cause__) == (None, None)


def test_the_log_says_where_but_not_what(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        failure(app, ValueError(PATIENT))
    assert "unexpected ValueError at" in caplog.text
    assert PATIENT not in caplog.text

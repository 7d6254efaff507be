"""The outbox, delivered to real listeners."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import Settings
from dental_etl.config.settings import NotifySettings
from dental_etl.connections import connect
from dental_etl.notify import deliver_due
from dental_etl.run import Severity
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TOKEN = "xoxb-secret-token"


class Listener:
    """An HTTP sink that remembers what it was sent, and can refuse."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []
        self.status = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                listener.bodies.append(json.loads(self.rfile.read(length)))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_address[1]}/{TOKEN}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def outbox(analytics: Connection, sandbox_settings: Settings) -> Iterator[Connection]:
    analytics.close()
    migrate(sandbox_settings.analytics)
    with connect(sandbox_settings.analytics) as connection:
        yield connection


def to(settings: Settings, *urls: str) -> Settings:
    return replace(settings, notify=NotifySettings(critical=urls))


def say(outbox: Connection, severity: Severity = Severity.CRITICAL) -> None:
    ledger.add_notification(outbox, None, severity, "Night failed", "1 of 2 tables failed.", NOW)
    outbox.commit()


def row(outbox: Connection) -> tuple[object, ...]:
    statement = text("SELECT sent_at IS NOT NULL, attempts, error_code, delivered FROM etl.notification")
    return tuple(outbox.execute(statement).one())


def test_a_message_reaches_its_channel(
    outbox: Connection, sandbox_settings: Settings, listener: Listener
) -> None:
    say(outbox)
    assert deliver_due(to(sandbox_settings, listener.url), NOW) == 1
    assert (listener.bodies[0]["title"], listener.bodies[0]["message"]) == (
        "Night failed",
        "1 of 2 tables failed.",
    )


def test_a_message_is_sent_once(outbox: Connection, sandbox_settings: Settings, listener: Listener) -> None:
    say(outbox)
    deliver_due(to(sandbox_settings, listener.url), NOW)
    deliver_due(to(sandbox_settings, listener.url), NOW + timedelta(days=1))
    assert len(listener.bodies) == 1


def test_a_file_takes_one_line_a_message(
    outbox: Connection, sandbox_settings: Settings, tmp_path: Path
) -> None:
    say(outbox)
    file = tmp_path / "a folder" / "notifications.jsonl"
    deliver_due(to(sandbox_settings, file.as_uri()), NOW)
    (line,) = file.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["title"] == "Night failed"


def test_a_channel_that_refuses_is_tried_again(
    outbox: Connection, sandbox_settings: Settings, listener: Listener
) -> None:
    say(outbox)
    listener.status = 500
    settings = to(sandbox_settings, listener.url)
    assert deliver_due(settings, NOW) == 0
    listener.status = 200
    assert deliver_due(settings, NOW + timedelta(minutes=2)) == 1


def test_channels_that_have_it_do_not_get_it_again(
    outbox: Connection, sandbox_settings: Settings, listener: Listener, tmp_path: Path
) -> None:
    say(outbox)
    listener.status = 500
    file = tmp_path / "notifications.jsonl"
    settings = to(sandbox_settings, listener.url, file.as_uri())
    deliver_due(settings, NOW)
    deliver_due(settings, NOW + timedelta(minutes=2))
    assert (len(listener.bodies), len(file.read_text(encoding="utf-8").splitlines())) == (2, 1)


def test_a_message_that_nobody_takes_for_a_day_is_given_up(
    outbox: Connection, sandbox_settings: Settings
) -> None:
    say(outbox)
    deliver_due(to(sandbox_settings, "json://127.0.0.1:1/"), NOW + timedelta(hours=25))
    assert row(outbox)[:3] == (True, 0, "given_up")


def test_without_a_channel_the_message_is_marked_so(outbox: Connection, sandbox_settings: Settings) -> None:
    say(outbox)
    assert deliver_due(to(sandbox_settings), NOW) == 0
    assert row(outbox)[:3] == (True, 0, "no_channel")


def test_a_warning_does_not_go_to_the_critical_channel(
    outbox: Connection, sandbox_settings: Settings, listener: Listener
) -> None:
    say(outbox, Severity.WARNING)
    deliver_due(to(sandbox_settings, listener.url), NOW)
    assert listener.bodies == []


def test_a_missing_outbox_stops_nobody(analytics: Connection, sandbox_settings: Settings) -> None:
    assert deliver_due(sandbox_settings, NOW) == 0


@pytest.mark.parametrize("url", ["nonsense", f"slack://{TOKEN}", f"json://127.0.0.1:1/{TOKEN}"])
def test_a_channels_secret_is_never_logged(
    outbox: Connection, sandbox_settings: Settings, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    say(outbox)
    with caplog.at_level(logging.DEBUG):
        deliver_due(to(sandbox_settings, url), NOW)
    assert "Not taken by" in caplog.text
    assert TOKEN not in caplog.text

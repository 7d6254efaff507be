"""Channels are judged before a night, by their form alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dental_etl.config import DictConfigProvider, load_settings
from dental_etl.config.settings import NotifySettings
from dental_etl.notify import unusable_channels

SECRET = "xoxb-secret-token"


def findings(*critical: str) -> tuple[str, ...]:
    provider = DictConfigProvider(
        {
            "ETL_ENVIRONMENT": "test",
            **{
                f"TEST_{prefix}_{name}": f"test_{prefix.lower()}"
                for prefix in ("OPENDENTAL_SOURCE", "MYSQL_REPLICATION", "POSTGRES_ANALYTICS")
                for name in ("HOST", "DB", "USER", "PASSWORD")
            },
        }
    )
    settings = replace(load_settings(provider), notify=NotifySettings(critical=critical))
    return tuple(finding.message for finding in unusable_channels(settings))


@pytest.mark.parametrize(
    "url",
    [
        "file:///var/log/dental_etl/messages.jsonl",
        "slack://TokenA/TokenB/TokenC/#etl",
        "mailtos://user:word@example.com",
        "json://127.0.0.1:8080/path",
    ],
)
def test_a_channel_that_can_be_sent_to_is_no_finding(url: str) -> None:
    assert findings(url) == ()


@pytest.mark.parametrize(
    "url", [f"slak://{SECRET}/B/C", SECRET, f"pagerduty://{SECRET}"], ids=["misspelled", "no URL", "half"]
)
def test_a_channel_that_cannot_be_sent_to_is_named_without_its_token(url: str) -> None:
    (message,) = findings("file:///somewhere", url)
    assert message.startswith("NOTIFY_CRITICAL: its channel ")
    assert ":2 " in message
    assert SECRET not in message

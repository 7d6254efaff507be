"""Reports and artifacts in a bucket, on a local server that speaks S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3.session
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import Connection

from dental_etl import pipeline, preflight
from dental_etl.config import Settings
from dental_etl.exceptions import ArtifactsError, TransformError
from dental_etl.maintenance import prune_artifacts
from dental_etl.run import RunKind, Severity
from dental_etl.store import FolderStore, Store, bucket, open_store
from dental_etl.tracking import ledger
from dental_etl.tracking.migrations import migrate
from dental_etl.transform import artifacts, state
from dental_etl.transform.selection import Step

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
OLD, YOUNG = "20250101T030000-1f9c2a", "20260130T030000-1f9c2a"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables by which boto3 finds the server, and an empty bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    session.client("s3").create_bucket(Bucket="night")
    bucket = session.resource("s3").Bucket("night")
    bucket.objects.all().delete()


@pytest.fixture
def settings(sandbox_settings: Settings, tmp_path: Path, aws: None) -> Settings:
    """A host whose artifacts go to the bucket."""
    return _host(sandbox_settings, tmp_path / "one")


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Settings:
    """Another host with the same bucket."""
    return _host(settings, tmp_path / "two")


def test_a_file_reaches_another_host(settings: Settings, other: Settings) -> None:
    _make(settings, "r1/report.html", "<p>")
    open_store(settings).publish("r1/report.html")
    found = open_store(other).fetch("r1/report.html")
    assert found == other.artifacts_folder / "r1" / "report.html"
    assert found.read_text() == "<p>"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("AWS_ENDPOINT_URL_S3", "minio:9000", "must look like https://host:port"),
        ("AWS_PROFILE", "nosuch", "no such AWS_PROFILE"),
        ("AWS_DEFAULT_REGION", "no such", "AWS_REGION"),
    ],
)
def test_a_slip_in_amazons_variables_costs_no_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(name, value)
    found = [one for one in preflight.validate(settings, NOW) if one.check == "artifacts"]
    assert [one.severity for one in found] == [Severity.WARNING]
    assert remedy in found[0].message


def test_a_report_opens_as_a_page(settings: Settings) -> None:
    _make(settings, "r1/report.html", "<p>")
    open_store(settings).publish("r1/report.html")
    head = boto3.session.Session().client("s3").head_object(Bucket="night", Key="clinic/r1/report.html")
    assert head["ContentType"] == "text/html"


def test_a_file_that_is_not_there_is_none(settings: Settings) -> None:
    assert open_store(settings).fetch("r1/report.html") is None
    assert not settings.artifacts_folder.exists()


def test_both_stores_find_the_same_files_newest_first(settings: Settings) -> None:
    store: Store = open_store(settings)
    keys = [f"dbt/{run}/{step}/run_results.json" for run in (OLD, YOUNG) for step in ("build", "list")]
    for key in (*keys, f"dbt/{OLD}/build/context.json", f"dbt/{OLD}/build/deep/run_results.json"):
        _make(settings, key, "{}")
        store.publish(key)
    for one in (store, FolderStore(settings.artifacts_folder)):
        found = one.find("dbt/*/*/run_results.json")
        assert {file.key for file in found} == set(keys)
        assert [file.modified_at for file in found] == sorted((f.modified_at for f in found), reverse=True)


def test_artifacts_of_old_runs_are_pruned_on_the_host_and_in_the_bucket(settings: Settings) -> None:
    bucket_store = open_store(settings)
    for folder in (OLD, YOUNG, f"dbt/{OLD}/build", f"dbt/{YOUNG}/build", "dbt/last_success"):
        _make(settings, f"{folder}/manifest.json", "{}")
        bucket_store.publish(f"{folder}/manifest.json")
    assert prune_artifacts(settings, NOW - timedelta(days=90)) == 4
    stores: tuple[Store, ...] = (bucket_store, FolderStore(settings.artifacts_folder))
    assert [store.folders("dbt") for store in stores] == [(YOUNG, "last_success")] * 2
    assert [store.folders("") for store in stores] == [(YOUNG, "dbt")] * 2


def test_more_files_than_one_request_takes_are_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_MOST_KEYS", 2)
    store = open_store(settings)
    for number in range(5):
        _make(settings, f"{OLD}/{number}", "")
        store.publish(f"{OLD}/{number}")
    store.remove(OLD)
    assert store.folders("") == ()


def test_what_dbt_made_is_published_without_what_it_compiled(settings: Settings) -> None:
    for name in ("manifest.json", "run_results.json", "compiled/models/m.sql", "partial_parse.msgpack"):
        _make(settings, f"dbt/r1/build/{name}", "{}")
    assert artifacts.publish(settings, "r1") == "s3://night/clinic/dbt/r1"
    found = {file.key for file in open_store(settings).find("dbt/r1/*/*")}
    assert found == {"dbt/r1/build/manifest.json", "dbt/r1/build/run_results.json"}


def test_a_failed_build_of_another_host_can_be_gone_on_with(settings: Settings, other: Settings) -> None:
    folder = settings.artifacts_folder / "dbt" / "r1" / "build"
    state.write_context(folder, _context(settings))
    _make(settings, "dbt/r1/build/run_results.json", json.dumps({"results": [{"status": "error"}]}))
    artifacts.publish(settings, "r1")
    assert state.unfinished_build(other, None) == _context(settings)


def test_the_last_green_build_is_known_to_every_host(settings: Settings, other: Settings) -> None:
    with pytest.raises(TransformError, match="no green build"):
        state.last_success(other)
    for name in ("build/manifest.json", "build/context.json", "freshness/sources.json"):
        _make(settings, f"dbt/r1/{name}", f'"{name}"')
    state.mark_success(settings, _context(settings))
    artifacts.publish(settings, "r1", is_last_success=True)
    folder = state.last_success(other)
    assert {path.name for path in folder.iterdir()} == {"manifest.json", "context.json", "sources.json"}
    assert folder.is_relative_to(other.artifacts_folder)


def test_a_bucket_that_takes_files_is_in_order(settings: Settings) -> None:
    open_store(settings).check()
    assert open_store(settings).find("*") == ()


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        pytest.param("s3://nosuch/x", {}, "NoSuchBucket|404.*Create the bucket", id="no bucket"),
        pytest.param(
            "s3://night/x",
            {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"},
            "EndpointConnectionError.*See the way",
            id="nobody there",
        ),
        pytest.param(
            "s3://night/x",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
            "NoCredentialsError.*Give the host a role",
            id="no credentials",
        ),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named_with_its_remedy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ArtifactsError, match=said):
        open_store(replace(settings, artifacts_url=url)).check()


def test_a_bucket_that_is_away_is_a_warning_before_the_night(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    found = [one for one in preflight.validate(settings, NOW) if one.check == "artifacts"]
    assert [one.severity for one in found] == [Severity.WARNING]


def test_a_report_is_kept_in_the_bucket(settings: Settings, other: Settings, analytics: Connection) -> None:
    analytics.commit()
    migrate(settings.analytics)
    ledger.open_run(
        analytics, run_id=YOUNG, kind=RunKind.NIGHTLY, run_date=NOW.date(), now=NOW, deadline=None
    )
    analytics.commit()
    pipeline.report_run(settings, YOUNG, NOW)
    assert pipeline.report_page(other, YOUNG) == f"s3://night/clinic/{YOUNG}/report.html"
    page = open_store(other).fetch(f"{YOUNG}/report.html")
    assert page is not None
    assert YOUNG in page.read_text(encoding="utf-8")


def test_a_bucket_that_is_away_leaves_the_artifacts_on_the_host(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(settings, "dbt/r1/build/manifest.json", "{}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert artifacts.publish(settings, "r1") == str(settings.artifacts_folder / "dbt" / "r1")


def _host(settings: Settings, folder: Path) -> Settings:
    return replace(settings, artifacts_url="s3://night/clinic", artifacts_workspace=folder)


def _make(settings: Settings, key: str, content: str) -> None:
    path = settings.artifacts_folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _context(settings: Settings) -> state.BuildContext:
    return state.BuildContext(
        run_id="r1",
        as_of_date=NOW.date(),
        project=state.project_fingerprint(settings.dbt_project_dir),
        step=Step(name="build"),
        is_whole=True,
    )

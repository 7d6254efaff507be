"""A bucket of Amazon S3, or of anything that speaks its protocol.

Credentials, region and endpoint are boto3's own business: the role of an EC2 host, or the usual AWS_*
variables. What the bucket does with its files at rest (encryption, versions) is the bucket's setting.
"""

from __future__ import annotations

import fnmatch
import mimetypes
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dental_etl.exceptions import ArtifactsError
from dental_etl.store.stored_file import StoredFile

#: A store that is away must not hold up a night for long.
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
_ABSENT = frozenset({"404", "NoSuchKey"})
_REMEDIES = {
    "NoSuchBucket": "Create the bucket, or name another in ARTIFACTS_URL",
    "404": "Create the bucket, or name another in ARTIFACTS_URL",
    "AccessDenied": "Allow s3:ListBucket, GetObject, PutObject and DeleteObject on it",
    "403": "Allow s3:ListBucket, GetObject, PutObject and DeleteObject on it",
    "NoCredentialsError": "Give the host a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "EndpointConnectionError": "See the way to it: network, AWS_REGION, AWS_ENDPOINT_URL_S3",
    "ValueError": "AWS_ENDPOINT_URL_S3 must look like https://host:port, and AWS_REGION like us-east-1",
    "ProfileNotFound": "There is no such AWS_PROFILE on this host",
}
_MOST_KEYS = 1000  # of one delete request


class BucketStore:
    """Keeps copies of files in a bucket, below a prefix."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urlsplit(url)
        self._name = parts.netloc
        self._prefix = f"{path}/" if (path := parts.path.strip("/")) else ""
        self._folder = folder

    @cached_property
    def _client(self) -> Any:
        """What speaks to the bucket; made where `_errors` sees what boto3 thinks of its AWS_* variables."""
        try:
            # A session of its own: the default one must not be shared with forked processes.
            return boto3.session.Session().client("s3", config=_CONFIG)
        except ValueError:  # an endpoint or a region that is none
            raise self._refused("ValueError") from None

    def location(self, key: str) -> str:
        return f"s3://{self._name}/{self._prefix}{key}"

    def publish(self, key: str) -> None:
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        with self._errors(), (self._folder / key).open("rb") as file:
            self._client.put_object(**self._at(key), Body=file, ContentType=kind)

    def fetch(self, key: str) -> Path | None:
        path = self._folder / key
        partial = path.with_name(f".{path.name}.partial")
        try:
            with self._errors():
                body = self._client.get_object(**self._at(key))["Body"]
                path.parent.mkdir(parents=True, exist_ok=True)
                with partial.open("wb") as file:
                    shutil.copyfileobj(body, file)
        except _AbsentError:
            return None
        return partial.replace(path)

    def find(self, pattern: str) -> tuple[StoredFile, ...]:
        fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
        depth = pattern.count("/")
        files = [
            StoredFile(key=key, modified_at=entry["LastModified"])
            for entry in self._entries(fixed)
            if (key := entry["Key"].removeprefix(self._prefix)).count("/") == depth
            and fnmatch.fnmatchcase(key, pattern)
        ]
        return tuple(sorted(files, key=lambda file: file.modified_at, reverse=True))

    def folders(self, parent: str) -> tuple[str, ...]:
        above = f"{self._prefix}{parent}/" if parent else self._prefix
        with self._errors():
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=above, Delimiter="/"
            )
            found = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", ())]
        return tuple(sorted(name.removeprefix(above).rstrip("/") for name in found))

    def remove(self, folder: str) -> None:
        keys = [entry["Key"] for entry in self._entries(f"{folder}/")]
        for start in range(0, len(keys), _MOST_KEYS):
            some = [{"Key": key} for key in keys[start : start + _MOST_KEYS]]
            with self._errors():
                answer = self._client.delete_objects(
                    Bucket=self._name, Delete={"Objects": some, "Quiet": True}
                )
            for error in answer.get("Errors", ())[:1]:
                raise self._refused(error["Code"])

    def check(self) -> None:
        key = f"{self._prefix}.check"
        with self._errors():
            self._client.head_bucket(Bucket=self._name)
            self._client.put_object(Bucket=self._name, Key=key, Body=b"")
            self._client.get_object(Bucket=self._name, Key=key)
            self._client.delete_object(Bucket=self._name, Key=key)

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._name, "Key": f"{self._prefix}{key}"}

    def _entries(self, prefix: str) -> Iterator[dict[str, Any]]:
        with self._errors():
            paginator = self._client.get_paginator("list_objects_v2")
            pages = paginator.paginate(Bucket=self._name, Prefix=f"{self._prefix}{prefix}")
            yield from [entry for page in pages for entry in page.get("Contents", ())]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn boto3's errors into ours; their texts may hold keys of access."""
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in _ABSENT and error.operation_name == "GetObject":
                raise _AbsentError from None
            raise self._refused(code) from None
        except BotoCoreError as error:
            raise self._refused(type(error).__name__) from None

    def _refused(self, code: str) -> ArtifactsError:
        remedy = _REMEDIES.get(code, "See ARTIFACTS_URL and the AWS_* variables")
        return ArtifactsError(f"The bucket s3://{self._name} did not do its part ({code}). {remedy}.")


class _AbsentError(Exception):
    """There is no such file."""

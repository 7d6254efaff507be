"""Where reports and dbt's artifacts are kept: a folder, or a bucket that all hosts share.

Everything is made in a folder of this host first. A folder as store needs nothing more; a bucket gets
every file that is to outlive the host, under the same key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from dental_etl.config import Settings
from dental_etl.store.folder import FolderStore
from dental_etl.store.stored_file import StoredFile

__all__ = ["FolderStore", "Store", "StoredFile", "is_bucket", "open_store"]


class Store(Protocol):
    """Files by key: a path with slashes, relative to the folder in which they are made."""

    def location(self, key: str) -> str:
        """Return where a person finds a file."""

    def publish(self, key: str) -> None:
        """Hand a file of this host over; the whole of it is seen at once."""

    def fetch(self, key: str) -> Path | None:
        """Bring a file to this host; None when there is none."""

    def find(self, pattern: str) -> tuple[StoredFile, ...]:
        """Return the files whose key matches, newest first; a ``*`` stands for one part of a path."""

    def folders(self, parent: str) -> tuple[str, ...]:
        """Return the names of the folders in a folder; "" is the top."""

    def remove(self, folder: str) -> None:
        """Remove a folder with everything in it."""

    def check(self) -> None:
        """Write, read and remove a small file.

        Raises:
            ArtifactsError: One of it failed; the message says what to do.
        """


def is_bucket(settings: Settings) -> bool:
    return "://" in settings.artifacts_url


def open_store(settings: Settings) -> Store:
    """Return the store that ARTIFACTS_URL names; connects to nothing yet.

    Methods of the returned store raise ArtifactsError.
    """
    if not is_bucket(settings):
        return FolderStore(settings.artifacts_folder)
    from dental_etl.store.bucket import BucketStore  # a third of a second, for few

    return BucketStore(settings.artifacts_url, settings.artifacts_folder)

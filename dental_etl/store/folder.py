"""A folder as store: what is made in it is kept in it."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from dental_etl.exceptions import ArtifactsError
from dental_etl.store.stored_file import StoredFile


class FolderStore:
    """Keeps files where they were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def location(self, key: str) -> str:
        return str(self._folder / key)

    def publish(self, key: str) -> None:
        """Do nothing: it is there."""

    def fetch(self, key: str) -> Path | None:
        path = self._folder / key
        return path if path.exists() else None

    def find(self, pattern: str) -> tuple[StoredFile, ...]:
        files = [
            StoredFile(
                key=path.relative_to(self._folder).as_posix(),
                modified_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
            )
            for path in self._folder.glob(pattern)
        ]
        return tuple(sorted(files, key=lambda file: file.modified_at, reverse=True))

    def folders(self, parent: str) -> tuple[str, ...]:
        folder = self._folder / parent
        if not folder.is_dir():
            return ()
        return tuple(sorted(one.name for one in folder.iterdir() if one.is_dir() and not one.is_symlink()))

    def remove(self, folder: str) -> None:
        shutil.rmtree(self._folder / folder)

    def check(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise ArtifactsError(
                f"{self._folder} cannot be written ({error.strerror}). Give it to the account that runs "
                f"dental_etl, or name another folder in ARTIFACTS_URL or, for a bucket, in ARTIFACTS_FOLDER."
            ) from None

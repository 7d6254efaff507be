"""What a person may ask of a run beyond its tables."""

from __future__ import annotations

import pytest

from dental_etl.run import RefreshMode


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("confirms_deletes", [False, True])
def test_both_wishes_are_kept(full: bool, confirms_deletes: bool) -> None:  # noqa: FBT001  # cases
    mode = RefreshMode.of(full=full, confirms_deletes=confirms_deletes)
    assert (mode.is_full, mode.confirms_deletes) == (full, confirms_deletes)

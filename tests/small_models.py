"""A dbt project of a few models with the settings and macros of the real one: parsed in a moment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

_REAL_PROJECT = Path(__file__).parents[1] / "dbt_dental_models"
_SOURCES = """
version: 2
sources:
  - name: opendental
    schema: "{{ var('raw_schema', 'raw') }}"
    config:
      loaded_at_query: >
        select max(last_loaded) from {{ this.schema }}.etl_load_status where table_name = '{{ this.identifier }}'
      freshness: {warn_after: {count: 24, period: hour}}
    tables: [{name: patient}, {name: provider}]
"""
MODELS: Mapping[str, str] = {
    "staging/stg_patient.sql": """select "PatNum" as patient_id from {{ source('opendental', 'patient') }}""",
    "staging/stg_provider.sql": """select "ProvNum" as provider_id from {{ source('opendental', 'provider') }}""",
    # Fails while there is no patient.
    "marts/share_of_one.sql": "select 1 / count(*) as share from {{ ref('stg_patient') }}",
    "intermediate/int_patient.sql": "select patient_id from {{ ref('stg_patient') }}",
    "marts/providers_counted.sql": "select count(*) as providers from {{ ref('stg_provider') }}",
}


def write_project(root: Path, models: Mapping[str, str] = MODELS) -> None:
    """Write the project below a project root.

    Args:
        root: Gets the folder ``dbt_dental_models``.
        models: SQL by the path below ``models``; sources are tables patient and provider.
    """
    project = root / "dbt_dental_models"
    shutil.copytree(_REAL_PROJECT / "macros", project / "macros")
    (project / "macros" / "labels.sql").unlink()
    for name in ("dbt_project.yml", "profiles.yml", "packages.yml"):
        shutil.copy(_REAL_PROJECT / name, project)
    for name, text in {"staging/_sources.yml": _SOURCES, **models}.items():
        path = project / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings = project / "dbt_project.yml"
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("        +group: core", ""), encoding="utf-8"
    )

"""Copy one table with dlt, by the fastest way that it documents; run by dlt's own environment."""

from __future__ import annotations

import sys

import dlt  # type: ignore[import-not-found, unused-ignore]  # installed only in its own environment
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found, unused-ignore]  # see above


def main(source: str, target: str, table: str) -> None:
    pipeline = dlt.pipeline(
        pipeline_name="benchmark", destination=dlt.destinations.postgres(target), dataset_name="benchmark"
    )
    rows = sql_table(
        credentials=source, table=table, backend="connectorx", reflection_level="full_with_precision"
    )
    pipeline.run(rows, loader_file_format="csv", write_disposition="replace").raise_on_failed_jobs()


if __name__ == "__main__" and len(sys.argv) > 1:
    main(*sys.argv[1:])

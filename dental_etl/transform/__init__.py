"""Transform: run dbt over what has been loaded, node by node, as a process that can be stopped."""

from dental_etl.transform.build import build, data_dictionary, docs, freshness, retry, unfinished_run

__all__ = ["build", "data_dictionary", "docs", "freshness", "retry", "unfinished_run"]

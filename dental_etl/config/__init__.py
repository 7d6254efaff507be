"""Configuration: the environment's settings and the tables' configuration."""

from dental_etl.config.providers import ConfigProvider, DictConfigProvider, FileConfigProvider
from dental_etl.config.settings import DatabaseSettings, Environment, Role, Settings, load_settings
from dental_etl.config.tables import Column, TableConfig, Tables, TableSchema, TablesMetadata
from dental_etl.config.tables_file import (
    read_generated_tables,
    read_overrides,
    read_tables,
    require_matched,
    with_added,
    write_tables,
)

__all__ = [
    "Column",
    "ConfigProvider",
    "DatabaseSettings",
    "DictConfigProvider",
    "Environment",
    "FileConfigProvider",
    "Role",
    "Settings",
    "TableConfig",
    "TableSchema",
    "Tables",
    "TablesMetadata",
    "load_settings",
    "read_generated_tables",
    "read_overrides",
    "read_tables",
    "require_matched",
    "with_added",
    "write_tables",
]

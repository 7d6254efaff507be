"""Views that stand on a raw table: taken down and put up again around a change of its columns.

PostgreSQL refuses to change the type of a column that a view reads, and dbt's staging views read
every raw table. Everything here happens in the caller's transaction, so readers see the views as
they were or as they are afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy.exc
from sqlalchemy import Connection, text

from dental_etl.config import Role
from dental_etl.connections import translate
from dental_etl.exceptions import DatabaseConnectionError, DatabaseTransactionError
from dental_etl.load.statements import execute
from dental_etl.wire.names import postgres


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A view or materialized view, and what makes it again."""

    #: ``schema.name`` for messages.
    name: str
    drop: str
    #: In order: the view, its indexes, grants, comments, and its owner last.
    restore: tuple[str, ...]


#: Views on the table, on those views, and so on; a view after everything it stands on. Reads the
#: catalog only.
_DEPENDENTS = text("""
    WITH RECURSIVE dependent (oid, depth) AS (
        SELECT CAST(:table AS regclass)::oid, 0
        UNION
        SELECT rule.ev_class, dependent.depth + 1
        FROM dependent
        JOIN pg_depend AS link
          ON link.refobjid = dependent.oid
         AND link.refclassid = 'pg_class'::regclass
         AND link.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite AS rule ON rule.oid = link.objid AND rule.ev_class <> dependent.oid
    )
    SELECT relation.oid, namespace.nspname, relation.relname, relation.relkind,
           pg_get_viewdef(relation.oid) AS definition,
           array_to_string(relation.reloptions, ', ') AS options,
           relation.relispopulated,
           pg_get_userbyid(relation.relowner) AS owner
    FROM (SELECT oid, max(depth) AS depth FROM dependent WHERE depth > 0 GROUP BY oid) AS found
    JOIN pg_class AS relation ON relation.oid = found.oid AND relation.relkind IN ('v', 'm')
    JOIN pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    ORDER BY found.depth, namespace.nspname, relation.relname
""")

#: Rights on a view, and on single columns of it (then with the column's name).
_GRANTS = text("""
    SELECT acl.privilege_type, acl.is_grantable, granted.attname,
           CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
    FROM (
        SELECT relacl AS acl, NULL::name AS attname, relowner FROM pg_class WHERE oid = :oid
        UNION ALL
        SELECT attribute.attacl, attribute.attname, relation.relowner
        FROM pg_attribute AS attribute JOIN pg_class AS relation ON relation.oid = attribute.attrelid
        WHERE attribute.attrelid = :oid AND attribute.attnum > 0
    ) AS granted
    CROSS JOIN LATERAL aclexplode(granted.acl) AS acl
    WHERE acl.grantee <> granted.relowner
    ORDER BY granted.attname NULLS FIRST, grantee, acl.privilege_type
""")

#: Comments as literals; a comment is documentation, yet it may hold anything, so the server quotes it.
_COMMENTS = text("""
    SELECT attribute.attname, quote_literal(comment.description) AS comment
    FROM pg_description AS comment
    LEFT JOIN pg_attribute AS attribute
      ON attribute.attrelid = comment.objoid AND attribute.attnum = comment.objsubid AND comment.objsubid > 0
    WHERE comment.objoid = :oid AND comment.classoid = 'pg_class'::regclass
    ORDER BY comment.objsubid
""")

_INDEXES = text("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = :oid ORDER BY indexrelid")

#: Rights that the schema's default privileges gave a view that was just made.
_DEFAULT_GRANTEES = text("""
    SELECT DISTINCT CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END
    FROM pg_class AS relation CROSS JOIN LATERAL aclexplode(relation.relacl) AS acl
    WHERE relation.oid = CAST(:name AS regclass) AND acl.grantee <> relation.relowner
""")

# With no schema on the path, definitions spell every name in full.
_SEARCH_PATH = text("SELECT set_config('search_path', :path, true)")


def dependents(connection: Connection, qualified: str) -> tuple[SavedView, ...]:
    """Return every view that depends on a table, directly or through other views.

    Args:
        connection: Analytics, in the caller's transaction.
        qualified: The table, quoted.

    Returns:
        The views in the order in which `put_up` makes them again.
    """
    path = str(connection.execute(text("SELECT current_setting('search_path')")).scalar_one())
    connection.execute(_SEARCH_PATH, {"path": "pg_catalog"})
    found = tuple(
        _saved_view(connection, row) for row in connection.execute(_DEPENDENTS, {"table": qualified}).all()
    )
    connection.execute(_SEARCH_PATH, {"path": path})
    return found


def take_down(connection: Connection, qualified: str) -> tuple[SavedView, ...]:
    """Drop every view that depends on a table; takes and returns the same as `dependents`."""
    saved = dependents(connection, qualified)
    for view in reversed(saved):
        execute(connection, view.drop)
    return saved


def put_up(connection: Connection, saved: tuple[SavedView, ...]) -> tuple[str, ...]:
    """Make the views again; one that no longer fits stays dropped.

    Returns:
        What could not be made, in words for the report.
    """
    return tuple(
        f"view {view.name} no longer fits and was dropped; `dental-etl dbt build` makes dbt's views again"
        for view in saved
        if not _is_restored(connection, view)
    )


def _is_restored(connection: Connection, view: SavedView) -> bool:
    create, *rest = view.restore
    try:
        with connection.begin_nested():
            execute(connection, create)
            _revoke_defaults(connection, view.name)
            for statement in rest:
                execute(connection, statement)
    except sqlalchemy.exc.DBAPIError as error:
        problem = translate(error, Role.ANALYTICS)
        if isinstance(problem, DatabaseConnectionError | DatabaseTransactionError):
            raise
        return False
    return True


def _revoke_defaults(connection: Connection, name: str) -> None:
    """Take back what default privileges gave: nobody may see more of a patient than before."""
    for (grantee,) in connection.execute(_DEFAULT_GRANTEES, {"name": name}).all():
        execute(connection, f"REVOKE ALL ON {name} FROM {grantee}")


def _saved_view(connection: Connection, row: sqlalchemy.Row[tuple[object, ...]]) -> SavedView:
    name = f"{postgres(str(row.nspname))}.{postgres(str(row.relname))}"
    is_materialized = row.relkind == "m"
    kind = "MATERIALIZED VIEW" if is_materialized else "VIEW"
    options = f" WITH ({row.options})" if row.options else ""
    # pg_get_viewdef ends with a semicolon, and WITH NO DATA must come before it.
    body = str(row.definition).rstrip().rstrip(";")
    suffix = " WITH NO DATA" if is_materialized and not row.relispopulated else ""
    return SavedView(
        name=name,
        drop=f"DROP {kind} {name}",
        restore=(
            f"CREATE {kind} {name}{options} AS {body}{suffix}",
            *(str(index) for (index,) in connection.execute(_INDEXES, {"oid": row.oid}).all()),
            *_grants(connection, name, row.oid),
            *_comments(connection, kind, name, row.oid),
            f"ALTER {kind} {name} OWNER TO {postgres(str(row.owner))}",
        ),
    )


def grants(connection: Connection, qualified: str) -> tuple[str, ...]:
    """Return what gives people the rights again that they have on a table and on its columns now."""
    oid: int = connection.execute(
        text("SELECT CAST(:table AS regclass)::oid"), {"table": qualified}
    ).scalar_one()
    return _grants(connection, qualified, oid)


def _grants(connection: Connection, name: str, oid: int) -> tuple[str, ...]:
    return tuple(
        f"GRANT {grant.privilege_type}"
        + (f" ({postgres(grant.attname)})" if grant.attname else "")
        + f" ON {name} TO {grant.grantee}"
        + (" WITH GRANT OPTION" if grant.is_grantable else "")
        for grant in connection.execute(_GRANTS, {"oid": oid}).all()
    )


def _comments(connection: Connection, kind: str, name: str, oid: int) -> tuple[str, ...]:
    return tuple(
        f"COMMENT ON COLUMN {name}.{postgres(row.attname)} IS {row.comment}"
        if row.attname
        else f"COMMENT ON {kind} {name} IS {row.comment}"
        for row in connection.execute(_COMMENTS, {"oid": oid}).all()
    )

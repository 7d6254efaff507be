{#- dbt swaps a rebuilt relation in: the old one becomes __dbt_backup, the new one takes its name, and the backup
    is dropped with CASCADE. Views that read the old one went with it: every intermediate view outside a partial
    selection, and whatever an analyst had put on a mart. So in the same transaction they are pointed at the new
    relation first. That keeps their owners, grants and comments, and needs no column of theirs to change.

    Two swaps that a view reads from must not wait for each other, hence the lock before the first rename; most
    marts have no reader and take none. -#}
{% macro postgres__rename_relation(from_relation, to_relation) -%}
    {%- if to_relation.identifier.endswith('__dbt_backup') and views_on(from_relation) -%}
        {%- call statement('wait_for_other_swaps') -%}
            select pg_advisory_xact_lock(hashtext('dental_etl: views change hands'))
        {%- endcall -%}
    {%- endif -%}
    {%- if from_relation.identifier.endswith('__dbt_tmp') -%}
        {{ swap_in(from_relation, to_relation, make_backup_relation(to_relation, 'view')) }}
    {%- else -%}
        {{ default__rename_relation(from_relation, to_relation) }}
    {%- endif -%}
{%- endmacro %}


{% macro swap_in(new_relation, target_relation, backup_relation) -%}
    {%- call statement('swap_in') -%}
do $swap$
declare
    backup constant regclass := to_regclass({{ as_literal(backup_relation) }});
    path constant text := current_setting('search_path');
    readers regclass[];
    definitions text[] := '{}';
    reader regclass;
begin
    if backup is not null then
        -- What views say names the relation as it is called now; with no path, in full.
        readers := array(
            select distinct cast(rule.ev_class as regclass)
            from pg_depend as link
            inner join pg_rewrite as rule on rule.oid = link.objid and rule.ev_class <> link.refobjid
            inner join pg_class as relation on relation.oid = rule.ev_class and relation.relkind = 'v'
            where link.refobjid = backup
                and link.refclassid = cast('pg_class' as regclass)
                and link.classid = cast('pg_rewrite' as regclass)
        );
        execute format('alter table %s rename to %I', backup, {{ as_name(target_relation) }});
        perform set_config('search_path', 'pg_catalog', true);
        foreach reader in array readers loop
            definitions := definitions || format('create or replace view %s as %s', reader, pg_get_viewdef(reader));
        end loop;
        perform set_config('search_path', path, true);
        execute format('alter table %s rename to %I', backup, {{ as_name(backup_relation) }});
    end if;
    alter table {{ new_relation.render() }} rename to {{ adapter.quote(target_relation.identifier) }};
    for number in 1 .. cardinality(definitions) loop
        begin
            execute definitions[number];
        exception
            when invalid_table_definition or undefined_column or undefined_function or datatype_mismatch
                or insufficient_privilege then
                null;  -- it stays on the backup, is named below and goes with it
        end;
    end loop;
end
$swap$
    {%- endcall -%}
    {%- set lost = views_on(backup_relation) -%}
    {%- if lost -%}
        {{ exceptions.warn(
            'dental_etl: these views no longer fit what they read, or belong to another role, and were dropped: '
            ~ lost | map(attribute='name') | join(', ')
            ~ '. Those of the project come back with: dental-etl dbt build --select ' ~ target_relation.identifier ~ '+'
        ) }}
    {%- endif -%}
    {%- set kept = views_on(target_relation) -%}
    {%- if kept -%}
        {#- dbt's own memory still believes that they go with the backup. -#}
        {%- do adapter.cache_dropped(backup_relation) -%}
        {%- for view in kept -%}
            {%- do adapter.cache_added(api.Relation.create(
                database=target_relation.database, schema=view['schema'], identifier=view['identifier'], type='view'
            )) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{#- Every view that reads a relation, directly or through other views. -#}
{% macro views_on(relation) -%}
    {%- set query -%}
with recursive reader (oid) as (
    select cast(to_regclass({{ as_literal(relation) }}) as oid)
    union
    select rule.ev_class
    from reader
    inner join pg_depend as link
        on link.refobjid = reader.oid
        and link.refclassid = cast('pg_class' as regclass)
        and link.classid = cast('pg_rewrite' as regclass)
    inner join pg_rewrite as rule on rule.oid = link.objid and rule.ev_class <> reader.oid
)
select namespace.nspname, relation.relname
from reader
inner join pg_class as relation on relation.oid = reader.oid
inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
where relation.oid <> to_regclass({{ as_literal(relation) }})
order by 1, 2
    {%- endset -%}
    {%- set found = [] -%}
    {%- for row in run_query(query) -%}
        {%- do found.append({'schema': row[0], 'identifier': row[1], 'name': row[0] ~ '.' ~ row[1]}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{% macro as_literal(relation) -%}
    '{{ relation.include(database=false).render() | replace("'", "''") }}'
{%- endmacro %}


{% macro as_name(relation) -%}
    '{{ relation.identifier | replace("'", "''") }}'
{%- endmacro %}

{#- The day that "today" means, as a date. Never current_date: see dbt_project.yml.
    dental_etl hands it over in the environment, read only when SQL is made: as a variable, a new day would make
    dbt parse the whole project anew every night. The variable goes first, for people and for unit tests. -#}
{% macro as_of_date() -%}
    {%- set day = var('as_of_date', none) or (env_var('AS_OF_DATE', '') if execute else '') -%}
    {%- if not day and execute and flags.WHICH not in ['parse', 'list', 'compile', 'docs', 'generate'] -%}
        {{ exceptions.raise_compiler_error(
            "as_of_date is not set. Run dbt through `dental-etl dbt build`, or pass --vars '{as_of_date: 2026-01-31}'."
        ) }}
    {%- endif -%}
    cast('{{ day or "2000-01-01" }}' as date)
{%- endmacro %}

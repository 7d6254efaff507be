{#- Open Dental writes values where other programs write NULL; staging turns them back. -#}

{#- 0001-01-01 means "no date". -#}
{% macro clinic_date(column) -%}
    nullif(cast({{ column }} as date), date '0001-01-01')
{%- endmacro %}

{% macro clinic_timestamp(column) -%}
    nullif(cast({{ column }} as timestamp), timestamp '0001-01-01 00:00:00')
{%- endmacro %}

{#- 0 in a foreign key means "none". -#}
{% macro foreign_key(column) -%}
    nullif(cast({{ column }} as bigint), 0)
{%- endmacro %}

{#- -1 means "not entered" in estimates and overrides. -#}
{% macro money_or_null(column) -%}
    nullif(cast({{ column }} as numeric), -1)
{%- endmacro %}

{#- A ledger needs a date for every row: rows without one are as old as can be. -#}
{% macro ledger_date(column) -%}
    coalesce({{ column }}, date '0001-01-01')
{%- endmacro %}

{#- Days, weeks, months and years, one byte each. -#}
{% macro packed_interval(column) -%}
    make_interval(
        years => cast({{ column }} >> 24 & 255 as integer),
        months => cast({{ column }} >> 16 & 255 as integer),
        weeks => cast({{ column }} >> 8 & 255 as integer),
        days => cast({{ column }} & 255 as integer)
    )
{%- endmacro %}

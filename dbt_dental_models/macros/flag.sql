{#- MySQL keeps booleans in tinyints. -#}
{% macro flag(column) -%}
    coalesce({{ column }}, 0) <> 0
{%- endmacro %}

{#- Whether a key is in a list that a preference keeps as text: "1,2,3". -#}
{% macro is_listed(key, list) -%}
    ',' || {{ list }} || ',' like '%,' || {{ key }} || ',%'
{%- endmacro %}

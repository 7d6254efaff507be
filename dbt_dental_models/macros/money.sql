{#- Doubles become exact decimals with the 15 digits that a double really holds (0.1 + 0.2 is 0.3). -#}
{% macro money(column) -%}
    cast({{ column }} as numeric)
{%- endmacro %}

{#- What a mart shows. -#}
{% macro cents(expression) -%}
    cast(round({{ expression }}, 2) as numeric(14, 2))
{%- endmacro %}

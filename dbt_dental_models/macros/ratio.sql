{#- A share or an average; NULL where nothing stands below the line. -#}
{% macro ratio(numerator, denominator) -%}
    cast(
        case when {{ denominator }} > 0 then round(cast({{ numerator }} as numeric) / ({{ denominator }}), 4) end
        as numeric(14, 4)
    )
{%- endmacro %}

{#- What a clinic's codes mean: one join per code against the list in seeds/code_labels.csv, where the list is
    found under the table's name and the column's. A code without a label stays, with NULL: no row is lost.
    The list is unique and indexed, so PostgreSQL leaves the join out where nobody asks for the label. -#}
{% macro labels(table) -%}
{%- for column, code in kwargs.items() -%}
left join {{ ref('code_labels') }} as {{ column }}
    on {{ column }}.table_name = '{{ table }}'
    and {{ column }}.column_name = '{{ column }}'
    and {{ column }}.code = cast({{ code }} as text)
{% endfor -%}
{%- endmacro %}

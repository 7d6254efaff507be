{#- Every code has a label in seeds/code_labels.csv; new releases of Open Dental bring new codes. -#}
{% test known_code(model, column_name) %}
select {{ column_name }} as code, count(*) as row_count
from {{ model }}
where {{ column_name }} is not null
    and {{ column_name }}_label is null
group by {{ column_name }}
{% endtest %}

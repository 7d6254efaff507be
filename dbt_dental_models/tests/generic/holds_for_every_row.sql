{#- An equation between columns of one row. -#}
{% test holds_for_every_row(model, equation) %}
select *
from {{ model }}
where not coalesce({{ equation }}, false)
{% endtest %}

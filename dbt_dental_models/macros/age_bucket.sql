{#- The four ages that aging reports show; NULL for days still to come. -#}
{% macro age_bucket(days) -%}
    case
        when {{ days }} between 0 and 30 then '0-30'
        when {{ days }} between 31 and 60 then '31-60'
        when {{ days }} between 61 and 90 then '61-90'
        when {{ days }} > 90 then 'over 90'
    end
{%- endmacro %}

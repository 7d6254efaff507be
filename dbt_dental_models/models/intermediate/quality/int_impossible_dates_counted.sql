{{ config(tags=['quality', 'date_relative']) }}

{#- table, column, what cannot be -#}
{%- set today = as_of_date() %}
{%- set dates = [
    ('patient', 'birth_date', 'birth_date > ' ~ today ~ " or birth_date < date '1900-01-01'"),
    ('procedurelog', 'procedure_date', 'procedure_status = 2 and (procedure_date is null or procedure_date > '
        ~ today ~ " or procedure_date < date '1980-01-01')"),
    ('appointment', 'appointment_at', "appointment_status in (1, 2, 5) and (appointment_at is null "
        ~ "or appointment_at < timestamp '1980-01-01' or appointment_at > " ~ today ~ " + interval '5 years')"),
    ('appointment', 'dismissed_at', 'dismissed_at < arrived_at'),
    ('claim', 'received_date', 'received_date < sent_date or received_date > ' ~ today),
    ('claimproc', 'posted_date', 'claim_procedure_status in (1, 4, 5, 7) and (posted_date is null or posted_date > '
        ~ today ~ ')'),
    ('paysplit', 'payment_date', 'payment_date is null or payment_date > ' ~ today),
    ('adjustment', 'adjustment_date', 'adjustment_date is null or adjustment_date > ' ~ today),
    ('commlog', 'communicated_at', 'cast(communicated_at as date) > ' ~ today),
    ('recall', 'due_date', "due_date < previous_date"),
] %}

{% for table, column, condition in dates -%}
select
    'impossible_date' as check_kind,
    '{{ table }}' as table_name,
    '{{ column }}' as column_name,
    count(*) as rows_checked,
    count(*) filter (where {{ condition }}) as rows_found
from {{ ref('stg_opendental__' ~ table) }}
{{ 'union all' if not loop.last }}
{% endfor %}

{{ config(tags=['quality']) }}

{#- Every code has a label in seeds/code_labels.csv, or somebody's version of Open Dental knows more than we. -#}
{%- set codes = [
    ('patient', 'patient_status'),
    ('patient', 'gender'),
    ('appointment', 'appointment_status'),
    ('procedurelog', 'procedure_status'),
    ('claim', 'claim_status'),
    ('claim', 'claim_type'),
    ('claimproc', 'claim_procedure_status'),
    ('payplancharge', 'charge_type'),
    ('refattach', 'referral_direction'),
    ('treatplan', 'treatment_plan_status'),
    ('histappointment', 'change_action'),
    ('commlog', 'communication_mode'),
    ('schedule', 'schedule_type'),
    ('feesched', 'fee_schedule_type'),
] %}

{% for table, column in codes -%}
select
    'unknown_code' as check_kind,
    '{{ table }}' as table_name,
    '{{ column }}' as column_name,
    count({{ column }}) as rows_checked,
    count(*) filter (where {{ column }} is not null and {{ column }}_label is null) as rows_found
from {{ ref('stg_opendental__' ~ table) }}
{{ 'union all' if not loop.last }}
{% endfor %}

{{ config(tags=['quality']) }}

{#- child table, column, parent table, the parent's key -#}
{%- set links = [
    ('patient', 'guarantor_id', 'patient', 'patient_id'),
    ('appointment', 'patient_id', 'patient', 'patient_id'),
    ('procedurelog', 'patient_id', 'patient', 'patient_id'),
    ('procedurelog', 'procedure_code_id', 'procedurecode', 'procedure_code_id'),
    ('procedurelog', 'provider_id', 'provider', 'provider_id'),
    ('claim', 'patient_id', 'patient', 'patient_id'),
    ('claim', 'insurance_plan_id', 'insplan', 'insurance_plan_id'),
    ('claimproc', 'claim_id', 'claim', 'claim_id'),
    ('claimproc', 'procedure_id', 'procedurelog', 'procedure_id'),
    ('claimproc', 'claim_payment_id', 'claimpayment', 'claim_payment_id'),
    ('paysplit', 'payment_id', 'payment', 'payment_id'),
    ('paysplit', 'patient_id', 'patient', 'patient_id'),
    ('paysplit', 'procedure_id', 'procedurelog', 'procedure_id'),
    ('paysplit', 'payment_plan_id', 'payplan', 'payment_plan_id'),
    ('adjustment', 'patient_id', 'patient', 'patient_id'),
    ('adjustment', 'procedure_id', 'procedurelog', 'procedure_id'),
    ('payplancharge', 'payment_plan_id', 'payplan', 'payment_plan_id'),
    ('insplan', 'carrier_id', 'carrier', 'carrier_id'),
    ('recall', 'patient_id', 'patient', 'patient_id'),
] %}

{% for table, column, parent_table, key in links -%}
select
    'orphan' as check_kind,
    '{{ table }}' as table_name,
    '{{ column }}' as column_name,
    count(child.{{ column }}) as rows_checked,
    count(*) filter (where child.{{ column }} is not null and parent.{{ key }} is null) as rows_found
from {{ ref('stg_opendental__' ~ table) }} as child
left join {{ ref('stg_opendental__' ~ parent_table) }} as parent on child.{{ column }} = parent.{{ key }}
{{ 'union all' if not loop.last }}
{% endfor %}

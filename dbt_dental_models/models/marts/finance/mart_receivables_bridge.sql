{{ config(tags=['financial', 'date_relative']) }}

{%- set differences = [
    'write_off_basis', 'capitation_dates', 'capitated_claims', 'insurance_dates', 'insurance_without_cheque',
    'insurance_not_posted', 'insurance_on_plans', 'insurance_on_incomplete', 'write_offs_on_incomplete',
    'unearned_income', 'discount_splits', 'payments_on_plans', 'payment_plans', 'without_family'
] %}

with amounts as (
    select
        cast(date_trunc('month', activity_date) as date) as activity_month,
        provider_id,
        clinic_id,
        item,
        sum(amount) as amount
    from {{ ref('int_receivables_bridged') }}
    group by 1, 2, 3, 4
),

pivoted as (
    select
        activity_month,
        provider_id,
        clinic_id,
        {% for item in [
            'production', 'capitation', 'adjustment', 'write_off', 'patient_income', 'insurance_income', 'receivables'
        ] + differences -%}
        coalesce(sum(amount) filter (where item = '{{ item }}'), 0) as {{ item }},
        {% endfor -%}
        coalesce(sum(amount) filter (where item <> 'receivables'), 0) as explained
    from amounts
    group by activity_month, provider_id, clinic_id
)

select
    activity_month,
    provider_id,
    clinic_id,
    {{ cents('production + capitation') }} as gross_production,
    {{ cents('adjustment') }} as adjustments,
    {{ cents('-write_off') }} as insurance_write_offs,
    {{ cents('-patient_income') }} as patient_income,
    {{ cents('-insurance_income') }} as insurance_income,
    {{ cents('production + capitation + adjustment + write_off + patient_income + insurance_income') }}
        as production_less_income,
    {% for item in differences -%}
    {{ cents(item) }} as difference_{{ item }},
    {% endfor -%}
    {{ cents('receivables') }} as receivables_change,
    {{ cents('receivables - explained') }} as unexplained
from pivoted

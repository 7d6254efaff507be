{{ config(tags=['financial', 'critical', 'date_relative']) }}

with families as (
    select distinct guarantor_id as family_id
    from {{ ref('stg_opendental__patient') }}
    where guarantor_id is not null
),

guarantors as (
    select patient_id as family_id, clinic_id, primary_provider_id
    from {{ ref('stg_opendental__patient') }}
),

balances as (
    select * from {{ ref('int_family_balances_bucketed') }}
),

estimates as (
    select family_id, sum(insurance_estimate + write_off_estimate) as insurance_estimate
    from {{ ref('int_ledger_entries') }}
    where entry_type = 'insurance_estimate'
    group by family_id
),

plans as (
    select * from {{ ref('int_payment_plans_due') }}
),

rules as (
    select is_aging_lifo from {{ ref('int_accounting_rules_resolved') }}
),

joined as (
    select
        families.family_id,
        coalesce(guarantors.clinic_id, 0) as clinic_id,
        coalesce(guarantors.primary_provider_id, 0) as provider_id,
        {% for amount in [
            'balance_total', 'balance_as_of', 'balance_0_30', 'balance_31_60', 'balance_61_90',
            'balance_over_90', 'unused_credit'
        ] -%}
        round(coalesce(balances.{{ amount }}, 0), 2) as {{ amount }},
        {% endfor -%}
        round(coalesce(estimates.insurance_estimate, 0), 2) as insurance_estimate,
        round(coalesce(plans.payment_plan_due, 0), 2) as payment_plan_due,
        rules.is_aging_lifo
    from families
    cross join rules
    left join guarantors using (family_id)
    left join balances using (family_id)
    left join estimates using (family_id)
    left join plans using (family_id)
)

select
    {{ as_of_date() }} as as_of_date,
    family_id,
    clinic_id,
    provider_id,
    {{ cents('balance_total') }} as balance_total,
    {{ cents('balance_as_of') }} as balance_as_of,
    {{ cents('balance_0_30') }} as balance_0_30,
    {{ cents('balance_31_60') }} as balance_31_60,
    {{ cents('balance_61_90') }} as balance_61_90,
    {{ cents('balance_over_90') }} as balance_over_90,
    {{ cents('unused_credit') }} as unused_credit,
    {{ cents('insurance_estimate') }} as insurance_estimate,
    {{ cents('balance_total - insurance_estimate') }} as estimated_patient_portion,
    {{ cents('payment_plan_due') }} as payment_plan_due,
    is_aging_lifo
from joined

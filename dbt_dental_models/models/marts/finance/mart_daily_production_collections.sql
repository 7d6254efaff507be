{{ config(tags=['financial', 'critical']) }}

with rules as (
    select write_off_basis from {{ ref('int_accounting_rules_resolved') }}
),

amounts as (
    select * from {{ ref('int_production_classified') }}
    union all
    select * from {{ ref('int_income_classified') }}
),

-- Rounded measure by measure, so that the sums below are true to the cent.
measured as (
    select
        activity_date,
        provider_id,
        clinic_id,
        {% for measure in [
            'production', 'capitation', 'adjustment', 'write_off_by_payment', 'write_off_by_procedure',
            'write_off_by_claim', 'patient_income', 'unearned_income', 'insurance_income', 'insurance_posted'
        ] -%}
        round(coalesce(sum(amount) filter (where measure = '{{ measure }}'), 0), 2) as {{ measure }},
        {% endfor -%}
        round(coalesce(sum(amount) filter (where measure = 'adjustment' and amount > 0), 0), 2) as adjustment_up
    from amounts
    group by activity_date, provider_id, clinic_id
),

chosen as (
    select
        measured.*,
        case rules.write_off_basis
            when 0 then write_off_by_payment
            when 1 then write_off_by_procedure
            else write_off_by_claim
        end as write_off
    from measured
    cross join rules
)

select
    activity_date,
    provider_id,
    clinic_id,
    {{ cents('production - capitation') }} as gross_production,
    {{ cents('adjustment') }} as adjustments,
    {{ cents('adjustment_up') }} as positive_adjustments,
    {{ cents('adjustment - adjustment_up') }} as negative_adjustments,
    {{ cents('write_off') }} as insurance_write_offs,
    {{ cents('production - capitation + adjustment - write_off') }} as net_production,
    {{ cents('patient_income') }} as patient_income,
    {{ cents('insurance_income') }} as insurance_income,
    {{ cents('patient_income + insurance_income') }} as collections,
    {{ cents('unearned_income') }} as unearned_income,
    {{ cents('insurance_posted') }} as insurance_posted,
    {{ cents('capitation') }} as capitation_write_offs,
    {{ cents('write_off_by_payment') }} as write_offs_by_payment_date,
    {{ cents('write_off_by_procedure') }} as write_offs_by_procedure_date,
    {{ cents('write_off_by_claim') }} as write_offs_by_claim_date
from chosen

{{ config(tags=['insurance', 'system_b', 'date_relative']) }}

with estimates as (
    select * from {{ ref('int_insurance_estimates_dated') }}
),

plans as (
    select insurance_plan_id, carrier_id from {{ ref('stg_opendental__insplan') }}
),

aged as (
    select
        estimates.patient_id,
        coalesce(plans.carrier_id, 0) as carrier_id,
        coalesce(estimates.provider_id, 0) as provider_id,
        coalesce(estimates.clinic_id, 0) as clinic_id,
        {% for bucket in ['0-30', '31-60', '61-90', 'over 90'] -%}
        round(coalesce(sum(insurance_estimate) filter (
            where {{ age_bucket('estimates.age_days') }} = '{{ bucket }}'
        ), 0), 2) as estimate_{{ bucket | replace('-', '_') | replace(' ', '_') }},
        {% endfor -%}
        count(*) as claim_procedures
    from estimates
    left join plans using (insurance_plan_id)
    group by 1, 2, 3, 4
)

select
    {{ as_of_date() }} as as_of_date,
    patient_id,
    carrier_id,
    provider_id,
    clinic_id,
    claim_procedures,
    {{ cents('estimate_0_30') }} as estimate_0_30,
    {{ cents('estimate_31_60') }} as estimate_31_60,
    {{ cents('estimate_61_90') }} as estimate_61_90,
    {{ cents('estimate_over_90') }} as estimate_over_90,
    {{ cents('estimate_0_30 + estimate_31_60 + estimate_61_90 + estimate_over_90') }} as estimate_total
from aged

{{ config(tags=['insurance', 'date_relative']) }}

-- One row per patient with insurance: is the eligibility of the first plan known from the last months?
with rules as (
    select
        coalesce(
            max(case when trim(value) ~ '^\d{1,4}$' then cast(trim(value) as integer) end), 90
        ) as days
    from {{ ref('stg_opendental__preference') }}
    where lower(preference_name) = 'insverifybenefiteligibilitydays'
),

coverages as (
    select distinct on (patient_id) patient_id, patient_plan_id
    from {{ ref('stg_opendental__patplan') }}
    where patient_id is not null
    order by patient_id, ordinal, patient_plan_id
),

-- Type 2 verifies one patient's place in a plan, type 1 the plan's benefits.
verified as (
    select verified_id as patient_plan_id, max(last_verified_date) as last_verified_date
    from {{ ref('stg_opendental__insverify') }}
    where verification_type = 2
    group by verified_id
)

select
    coverages.patient_id,
    coverages.patient_plan_id,
    verified.last_verified_date,
    coalesce(verified.last_verified_date >= {{ as_of_date() }} - rules.days, false) as is_verified
from coverages
cross join rules
left join verified using (patient_plan_id)

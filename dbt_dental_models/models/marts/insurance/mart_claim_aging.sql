{{ config(tags=['insurance', 'system_b', 'critical', 'date_relative']) }}

with claims as (
    select * from {{ ref('int_claims_opened') }}
),

patients as (
    select patient_id, guarantor_id as family_id from {{ ref('stg_opendental__patient') }}
),

plans as (
    select insurance_plan_id, carrier_id, group_name from {{ ref('stg_opendental__insplan') }}
),

carriers as (
    select carrier_id, carrier_name from {{ ref('stg_opendental__carrier') }}
)

select
    {{ as_of_date() }} as as_of_date,
    claims.claim_id,
    claims.patient_id,
    patients.family_id,
    coalesce(claims.treating_provider_id, 0) as provider_id,
    coalesce(claims.clinic_id, 0) as clinic_id,
    coalesce(claims.insurance_plan_id, 0) as insurance_plan_id,
    coalesce(plans.carrier_id, 0) as carrier_id,
    carriers.carrier_name,
    plans.group_name,
    claims.claim_type,
    claims.service_date,
    claims.sent_date,
    claims.first_sent_date,
    claims.age_days,
    coalesce({{ age_bucket('claims.age_days') }}, 'no date') as age_bucket,
    claims.age_days_first_sent,
    claims.age_days_service,
    cast(claims.open_procedures as integer) as open_procedures,
    {{ cents('claims.claim_fee') }} as claim_fee,
    {{ cents('claims.expected_payment') }} as expected_payment,
    {{ cents('claims.expected_write_off') }} as expected_write_off,
    claims.sent_date > claims.first_sent_date as is_sent_again
from claims
left join patients using (patient_id)
left join plans using (insurance_plan_id)
left join carriers using (carrier_id)

{{ config(tags=['insurance', 'system_b', 'financial', 'date_relative']) }}

with claims as (
    select
        *,
        -- Sent and not answered; a preauthorisation only asks.
        coalesce(claim_status = 's' and claim_type <> 'preauth', false) as is_open
    from {{ ref('stg_opendental__claim') }}
),

plans as (
    select insurance_plan_id, carrier_id from {{ ref('stg_opendental__insplan') }}
),

procedures as (
    select
        claim_id,
        count(*) filter (where procedure_id is not null) as procedures,
        sum(fee_billed) as fee_billed,
        sum(insurance_estimate) filter (where claim_procedure_status = 0) as expected_payment,
        sum(write_off) filter (where claim_procedure_status = 0) as expected_write_off,
        sum(insurance_paid) filter (where claim_procedure_status in (1, 4, 5)) as insurance_paid,
        sum(write_off) filter (where claim_procedure_status in (1, 4, 5)) as write_off
    from {{ ref('stg_opendental__claimproc') }}
    where claim_id is not null
    group by claim_id
)

select
    claims.claim_id,
    coalesce(claims.patient_id, 0) as patient_id,
    coalesce(claims.insurance_plan_id, 0) as insurance_plan_id,
    coalesce(plans.carrier_id, 0) as carrier_id,
    coalesce(claims.treating_provider_id, 0) as treating_provider_id,
    coalesce(claims.billing_provider_id, 0) as billing_provider_id,
    coalesce(claims.clinic_id, 0) as clinic_id,
    claims.claim_status,
    claims.claim_status_label,
    claims.claim_type,
    claims.claim_type_label,
    claims.service_date,
    claims.first_sent_date,
    claims.sent_date,
    claims.received_date,
    cast(coalesce(procedures.procedures, 0) as integer) as procedures,
    {{ cents('claims.claim_fee') }} as claim_fee,
    {{ cents('coalesce(procedures.fee_billed, 0)') }} as fee_billed,
    {{ cents('coalesce(procedures.expected_payment, 0)') }} as expected_payment,
    {{ cents('coalesce(procedures.expected_write_off, 0)') }} as expected_write_off,
    {{ cents('coalesce(procedures.insurance_paid, 0)') }} as insurance_paid,
    {{ cents('coalesce(procedures.write_off, 0)') }} as write_off,
    claims.is_open,
    coalesce(claims.claim_type = 'preauth', false) as is_preauthorisation,
    case when claims.is_open then {{ as_of_date() }} - claims.sent_date end as open_days,
    case when claims.claim_status = 'r' then claims.received_date - claims.sent_date end as days_to_answer
from claims
left join plans using (insurance_plan_id)
left join procedures using (claim_id)

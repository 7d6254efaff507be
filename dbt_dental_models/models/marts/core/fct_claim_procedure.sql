{{ config(tags=['insurance', 'system_b', 'financial']) }}

with claim_procedures as (
    select * from {{ ref('stg_opendental__claimproc') }}
),

plans as (
    select insurance_plan_id, carrier_id from {{ ref('stg_opendental__insplan') }}
),

procedures as (
    select procedure_id, procedure_code_id from {{ ref('stg_opendental__procedurelog') }}
),

payments as (
    select claim_payment_id, check_date from {{ ref('stg_opendental__claimpayment') }}
)

select
    claim_procedures.claim_procedure_id,
    claim_procedures.claim_id,
    claim_procedures.procedure_id,
    claim_procedures.claim_payment_id,
    coalesce(claim_procedures.patient_id, 0) as patient_id,
    coalesce(claim_procedures.provider_id, 0) as provider_id,
    coalesce(claim_procedures.clinic_id, 0) as clinic_id,
    coalesce(procedures.procedure_code_id, 0) as procedure_code_id,
    coalesce(claim_procedures.insurance_plan_id, 0) as insurance_plan_id,
    coalesce(plans.carrier_id, 0) as carrier_id,
    claim_procedures.claim_procedure_status,
    claim_procedures.claim_procedure_status_label,
    claim_procedures.procedure_date,
    claim_procedures.posted_date,
    payments.check_date,
    {{ cents('claim_procedures.fee_billed') }} as fee_billed,
    {{ cents('claim_procedures.deductible_applied') }} as deductible_applied,
    -- What a person entered goes before what the program worked out.
    {{ cents('coalesce(claim_procedures.insurance_estimate_override, claim_procedures.insurance_estimate)') }}
        as insurance_estimate,
    {{ cents(
        'coalesce(claim_procedures.write_off_estimate_override, claim_procedures.write_off_estimate, 0)'
    ) }} as write_off_estimate,
    {{ cents('claim_procedures.insurance_paid') }} as insurance_paid,
    {{ cents('claim_procedures.write_off') }} as write_off,
    coalesce(claim_procedures.claim_procedure_status in (1, 4, 5, 7), false) as is_posted,
    coalesce(claim_procedures.claim_procedure_status in (0, 6, 8), false) as is_estimate,
    claim_procedures.procedure_id is null as is_by_total,
    -- Money that came without a cheque yet.
    coalesce(
        claim_procedures.claim_payment_id is null
        and claim_procedures.insurance_paid <> 0
        and claim_procedures.claim_procedure_status in (1, 4, 5)
        and not claim_procedures.is_transfer,
        false
    ) as is_unfinalized
from claim_procedures
left join plans using (insurance_plan_id)
left join procedures using (procedure_id)
left join payments using (claim_payment_id)

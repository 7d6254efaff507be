{{ config(tags=['financial']) }}

select
    cast("ClaimProcNum" as bigint) as claim_procedure_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"ClaimNum"') }} as claim_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ foreign_key('"ClaimPaymentNum"') }} as claim_payment_id,
    {{ foreign_key('"PayPlanNum"') }} as payment_plan_id,
    cast("Status" as integer) as claim_procedure_status,
    {{ clinic_date('"ProcDate"') }} as procedure_date,
    {{ clinic_date('"DateCP"') }} as posted_date,
    {{ money('"InsPayEst"') }} as insurance_estimate,
    {{ money('"InsPayAmt"') }} as insurance_paid,
    {{ money('"WriteOff"') }} as write_off,
    {{ money_or_null('"InsEstTotalOverride"') }} as insurance_estimate_override,
    {{ money_or_null('"WriteOffEst"') }} as write_off_estimate,
    {{ money_or_null('"WriteOffEstOverride"') }} as write_off_estimate_override,
    {{ money('"FeeBilled"') }} as fee_billed,
    {{ flag('"IsTransfer"') }} as is_transfer,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claimproc') }}

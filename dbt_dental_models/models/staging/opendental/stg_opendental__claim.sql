{{ config(tags=['financial']) }}

select
    cast("ClaimNum" as bigint) as claim_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ foreign_key('"ProvTreat"') }} as treating_provider_id,
    {{ foreign_key('"ProvBill"') }} as billing_provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    lower("ClaimStatus") as claim_status,
    lower("ClaimType") as claim_type,
    {{ clinic_date('"DateService"') }} as service_date,
    {{ clinic_date('"DateSent"') }} as sent_date,
    {{ clinic_date('"DateSentOrig"') }} as first_sent_date,
    {{ clinic_date('"DateReceived"') }} as received_date,
    {{ money('"ClaimFee"') }} as claim_fee,
    {{ money('"InsPayEst"') }} as insurance_estimate,
    {{ money('"InsPayAmt"') }} as insurance_paid,
    {{ money('"WriteOff"') }} as write_off,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claim') }}

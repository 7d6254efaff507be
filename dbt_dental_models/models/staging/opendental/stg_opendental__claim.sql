{{ config(tags=['financial']) }}

select
    cast("ClaimNum" as bigint) as claim_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ foreign_key('"ProvTreat"') }} as treating_provider_id,
    {{ foreign_key('"ProvBill"') }} as billing_provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    lower("ClaimStatus") as claim_status,
    claim_status.label as claim_status_label,
    lower("ClaimType") as claim_type,
    claim_type.label as claim_type_label,
    {{ clinic_date('"DateService"') }} as service_date,
    {{ clinic_date('"DateSent"') }} as sent_date,
    {{ clinic_date('"DateSentOrig"') }} as first_sent_date,
    {{ clinic_date('"DateReceived"') }} as received_date,
    {{ money('"ClaimFee"') }} as claim_fee,
    {{ money('"InsPayEst"') }} as insurance_estimate,
    {{ money('"InsPayAmt"') }} as insurance_paid,
    {{ money('"WriteOff"') }} as write_off,
    {{ foreign_key('"InsSubNum"') }} as insurance_subscription_id,
    {{ foreign_key('"PlanNum2"') }} as other_insurance_plan_id,
    {{ clinic_date('"DateResent"') }} as resent_date,
    {{ money('"DedApplied"') }} as deductible_applied,
    {{ foreign_key('"CustomTracking"') }} as custom_tracking_id,
    cast("CorrectionType" as integer) as correction_type,
    correction_type.label as correction_type_label,
    {{ flag('"IsOrtho"') }} as is_orthodontic,
    {{ clinic_date('"SecDateEntry"') }} as entered_date,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'claim') }}
{{ labels(
    'claim',
    claim_status='lower("ClaimStatus")',
    claim_type='lower("ClaimType")',
    correction_type='"CorrectionType"'
) }}

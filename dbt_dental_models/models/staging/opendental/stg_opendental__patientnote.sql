{{ config(tags=['clinical']) }}

select
    cast("PatNum" as bigint) as patient_id,
    coalesce("FamFinancial", '') <> '' as has_financial_note,
    coalesce("Medical", '') <> '' as has_medical_note,
    coalesce("Treatment", '') <> '' as has_treatment_note,
    coalesce("ICEName", '') <> '' as has_emergency_contact,
    cast("Consent" as integer) as consent,
    consent.label as consent_label,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'patientnote') }}
{{ labels('patientnote', consent='"Consent"') }}

{{ config(tags=['insurance']) }}

select
    cast("InsVerifyNum" as bigint) as insurance_verification_id,
    cast("VerifyType" as integer) as verification_type,
    verification_type.label as verification_type_label,
    {{ foreign_key('"FKey"') }} as verified_id,
    {{ clinic_date('"DateLastVerified"') }} as last_verified_date,
    {{ clinic_date('"DateLastAssigned"') }} as last_assigned_date,
    {{ foreign_key('"UserNum"') }} as user_id,
    {{ foreign_key('"DefNum"') }} as verification_status_id,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'insverify') }}
{{ labels('insverify', verification_type='"VerifyType"') }}

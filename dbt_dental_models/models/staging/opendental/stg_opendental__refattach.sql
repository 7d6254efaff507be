{{ config(tags=['clinical']) }}

select
    cast("RefAttachNum" as bigint) as referral_attachment_id,
    {{ foreign_key('"ReferralNum"') }} as referral_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    cast("RefType" as integer) as referral_direction,
    referral_direction.label as referral_direction_label,
    {{ clinic_date('"RefDate"') }} as referred_date,
    cast("ItemOrder" as integer) as item_order,
    cast("RefToStatus" as integer) as referral_status,
    referral_status.label as referral_status_label,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ clinic_date('"DateProcComplete"') }} as completed_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'refattach') }}
{{ labels('refattach', referral_direction='"RefType"', referral_status='"RefToStatus"') }}

{{ config(tags=['communications']) }}

select
    cast("CommlogNum" as bigint) as communication_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ clinic_timestamp('"CommDateTime"') }} as communicated_at,
    {{ clinic_timestamp('"DateTimeEnd"') }} as ended_at,
    {{ foreign_key('"CommType"') }} as communication_type_id,
    cast("Mode_" as integer) as communication_mode,
    communication_mode.label as communication_mode_label,
    cast("SentOrReceived" as integer) as direction,
    direction.label as direction_label,
    cast("CommSource" as integer) as communication_source,
    communication_source.label as communication_source_label,
    {{ foreign_key('"UserNum"') }} as user_id,
    {{ foreign_key('"ProgramNum"') }} as program_id,
    {{ foreign_key('"ReferralNum"') }} as referral_id,
    {{ clinic_timestamp('"DateTEntry"') }} as entered_at,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'commlog') }}
{{ labels(
    'commlog',
    communication_mode='"Mode_"',
    direction='"SentOrReceived"',
    communication_source='"CommSource"'
) }}

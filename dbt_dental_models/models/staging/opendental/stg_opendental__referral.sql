{{ config(tags=['reference', 'clinical']) }}

select
    cast("ReferralNum" as bigint) as referral_id,
    "LName" as last_name,
    "FName" as first_name,
    "BusinessName" as business_name,
    {{ foreign_key('"Specialty"') }} as specialty_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    "NationalProvID" as national_provider_id,
    {{ flag('"IsDoctor"') }} as is_doctor,
    {{ flag('"NotPerson"') }} as is_not_person,
    {{ flag('"IsPreferred"') }} as is_preferred,
    {{ flag('"IsHidden"') }} as is_hidden,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'referral') }}

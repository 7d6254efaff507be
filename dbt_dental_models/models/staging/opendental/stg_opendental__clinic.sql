{{ config(tags=['reference']) }}

select
    cast("ClinicNum" as bigint) as clinic_id,
    "Abbr" as abbreviation,
    "Description" as clinic_name,
    "City" as city,
    "State" as state,
    {{ flag('"IsHidden"') }} as is_hidden,
    "Zip" as zip_code,
    "Phone" as phone,
    {{ foreign_key('"Region"') }} as region_id,
    cast("ItemOrder" as integer) as item_order,
    {{ foreign_key('"DefaultProv"') }} as default_provider_id,
    {{ flag('"IsMedicalOnly"') }} as is_medical_only,
    "TimeZone" as time_zone,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'clinic') }}

{{ config(tags=['reference']) }}

select
    cast("ClinicNum" as bigint) as clinic_id,
    "Abbr" as abbreviation,
    "Description" as clinic_name,
    "City" as city,
    "State" as state,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'clinic') }}

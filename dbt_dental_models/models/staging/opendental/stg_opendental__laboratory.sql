{{ config(tags=['reference', 'clinical']) }}

select
    cast("LaboratoryNum" as bigint) as laboratory_id,
    "Description" as laboratory_name,
    "City" as city,
    "State" as state,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'laboratory') }}

{{ config(tags=['reference', 'communications']) }}

select
    cast("ProgramNum" as bigint) as program_id,
    "ProgName" as program_name,
    "ProgDesc" as description,
    {{ flag('"Enabled"') }} as is_enabled,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'program') }}

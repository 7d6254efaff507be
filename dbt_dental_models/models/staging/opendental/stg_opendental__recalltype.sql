{{ config(tags=['reference', 'scheduling']) }}

select
    cast("RecallTypeNum" as bigint) as recall_type_id,
    "Description" as recall_type_name,
    {{ packed_interval('"DefaultInterval"') }} as default_interval,
    "Procedures" as procedure_codes,
    "TimePattern" as time_pattern,
    {{ flag('"AppendToSpecial"') }} as is_appended_to_special,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'recalltype') }}

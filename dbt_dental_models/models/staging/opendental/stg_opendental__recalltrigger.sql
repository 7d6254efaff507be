{{ config(tags=['reference', 'scheduling']) }}

select
    cast("RecallTriggerNum" as bigint) as recall_trigger_id,
    {{ foreign_key('"RecallTypeNum"') }} as recall_type_id,
    {{ foreign_key('"CodeNum"') }} as procedure_code_id,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'recalltrigger') }}

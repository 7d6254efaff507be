{{ config(tags=['reference', 'financial']) }}

select
    cast("FeeSchedNum" as bigint) as fee_schedule_id,
    "Description" as fee_schedule_name,
    cast("FeeSchedType" as integer) as fee_schedule_type,
    fee_schedule_type.label as fee_schedule_type_label,
    cast("ItemOrder" as integer) as item_order,
    {{ flag('"IsHidden"') }} as is_hidden,
    {{ flag('"IsGlobal"') }} as is_global,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'feesched') }}
{{ labels('feesched', fee_schedule_type='"FeeSchedType"') }}

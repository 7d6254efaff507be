{{ config(tags=['reference', 'smoke']) }}

select
    cast("DefNum" as bigint) as definition_id,
    cast("Category" as integer) as category,
    category.label as category_label,
    cast("ItemOrder" as integer) as item_order,
    "ItemName" as item_name,
    "ItemValue" as item_value,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'definition') }}
{{ labels('definition', category='"Category"') }}

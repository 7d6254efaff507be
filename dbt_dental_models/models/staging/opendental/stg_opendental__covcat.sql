{{ config(tags=['reference', 'insurance']) }}

select
    cast("CovCatNum" as bigint) as coverage_category_id,
    "Description" as coverage_category_name,
    nullif(cast("DefaultPercent" as integer), -1) as default_percent,
    cast("CovOrder" as integer) as item_order,
    cast("EbenefitCat" as integer) as benefit_category,
    benefit_category.label as benefit_category_label,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'covcat') }}
{{ labels('covcat', benefit_category='"EbenefitCat"') }}

{{ config(tags=['reference']) }}

select
    cast("PrefNum" as bigint) as preference_id,
    "PrefName" as preference_name,
    "ValueString" as value,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'preference') }}

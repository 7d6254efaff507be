{{ config(tags=['reference']) }}

select
    cast("CarrierNum" as bigint) as carrier_id,
    "CarrierName" as carrier_name,
    "Phone" as phone,
    "ElectID" as electronic_id,
    {{ foreign_key('"CarrierGroupName"') }} as carrier_group_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'carrier') }}

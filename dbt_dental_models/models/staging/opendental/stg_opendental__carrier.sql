{{ config(tags=['reference']) }}

select
    cast("CarrierNum" as bigint) as carrier_id,
    "CarrierName" as carrier_name,
    "Phone" as phone,
    "ElectID" as electronic_id,
    {{ foreign_key('"CarrierGroupName"') }} as carrier_group_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    "City" as city,
    "State" as state,
    "Zip" as zip_code,
    cast("NoSendElect" as integer) as electronic_sending,
    electronic_sending.label as electronic_sending_label,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'carrier') }}
{{ labels('carrier', electronic_sending='"NoSendElect"') }}

{{ config(tags=['reference']) }}

select
    cast("AppointmentTypeNum" as bigint) as appointment_type_id,
    "AppointmentTypeName" as appointment_type_name,
    cast("ItemOrder" as integer) as item_order,
    "Pattern" as time_pattern,
    "CodeStr" as procedure_codes,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'appointmenttype') }}

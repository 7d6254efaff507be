{{ config(tags=['scheduling']) }}

select
    cast("TimeAdjustNum" as bigint) as time_adjustment_id,
    {{ foreign_key('"EmployeeNum"') }} as employee_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ clinic_timestamp('"TimeEntry"') }} as adjusted_at,
    "RegHours" as regular_hours,
    "OTimeHours" as overtime_hours,
    "PtoHours" as paid_time_off,
    {{ flag('"IsAuto"') }} as is_automatic,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'timeadjust') }}

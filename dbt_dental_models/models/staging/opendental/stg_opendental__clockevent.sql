{{ config(tags=['scheduling']) }}

select
    cast("ClockEventNum" as bigint) as clock_event_id,
    {{ foreign_key('"EmployeeNum"') }} as employee_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    cast("ClockStatus" as integer) as clock_status,
    clock_status.label as clock_status_label,
    {{ clinic_timestamp('"TimeDisplayed1"') }} as started_at,
    {{ clinic_timestamp('"TimeDisplayed2"') }} as ended_at,
    "OTimeAuto" as overtime,
    "AdjustAuto" as adjustment,
    {{ flag('"IsWorkingHome"') }} as is_working_from_home,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'clockevent') }}
{{ labels('clockevent', clock_status='"ClockStatus"') }}

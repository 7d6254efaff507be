{{ config(tags=['scheduling']) }}

select
    cast("ScheduleNum" as bigint) as schedule_id,
    {{ clinic_date('"SchedDate"') }} as schedule_date,
    "StartTime" as start_time,
    "StopTime" as stop_time,
    cast("SchedType" as integer) as schedule_type,
    schedule_type.label as schedule_type_label,
    cast("Status" as integer) as schedule_status,
    schedule_status.label as schedule_status_label,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"EmployeeNum"') }} as employee_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"BlockoutType"') }} as blockout_type_id,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'schedule') }}
{{ labels('schedule', schedule_type='"SchedType"', schedule_status='"Status"') }}

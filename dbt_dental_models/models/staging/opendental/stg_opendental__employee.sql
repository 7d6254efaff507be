{{ config(tags=['reference', 'scheduling']) }}

select
    cast("EmployeeNum" as bigint) as employee_id,
    "LName" as last_name,
    "FName" as first_name,
    "ClockStatus" as clock_status_text,
    {{ foreign_key('"ReportsTo"') }} as reports_to_employee_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    {{ flag('"IsFurloughed"') }} as is_furloughed,
    {{ flag('"IsWorkingHome"') }} as is_working_from_home,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'employee') }}

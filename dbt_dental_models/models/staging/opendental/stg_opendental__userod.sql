{{ config(tags=['reference']) }}

select
    cast("UserNum" as bigint) as user_id,
    "UserName" as user_name,
    {{ foreign_key('"UserGroupNum"') }} as user_group_id,
    {{ foreign_key('"EmployeeNum"') }} as employee_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'userod') }}

{{ config(tags=['reference', 'insurance']) }}

select
    cast("EmployerNum" as bigint) as employer_id,
    "EmpName" as employer_name,
    "City" as city,
    "State" as state,
    "Zip" as zip_code,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'employer') }}

{{ config(tags=['reference']) }}

select
    cast("ZipCodeNum" as bigint) as zip_code_id,
    "ZipCodeDigits" as zip_code,
    "City" as city,
    "State" as state,
    {{ flag('"IsFrequent"') }} as is_frequent,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'zipcode') }}

{{ config(tags=['clinical']) }}

select
    cast("PatFieldNum" as bigint) as patient_field_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    "FieldName" as field_name,
    {{ clinic_date('"SecDateEntry"') }} as entered_date,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'patfield') }}

{{ config(tags=['clinical']) }}

select
    cast("ToothInitialNum" as bigint) as tooth_condition_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    "ToothNum" as tooth_number,
    cast("InitialType" as integer) as tooth_condition,
    tooth_condition.label as tooth_condition_label,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'toothinitial') }}
{{ labels('toothinitial', tooth_condition='"InitialType"') }}

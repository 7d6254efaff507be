{{ config(tags=['clinical']) }}

select
    cast("PerioExamNum" as bigint) as periodontal_exam_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ clinic_date('"ExamDate"') }} as exam_date,
    {{ clinic_timestamp('"DateTMeasureEdit"') }} as measured_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'perioexam') }}

{{ config(tags=['clinical']) }}

select
    cast("DiseaseNum" as bigint) as disease_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"DiseaseDefNum"') }} as disease_definition_id,
    cast("ProbStatus" as integer) as problem_status,
    problem_status.label as problem_status_label,
    {{ clinic_date('"DateStart"') }} as started_date,
    {{ clinic_date('"DateStop"') }} as stopped_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'disease') }}
{{ labels('disease', problem_status='"ProbStatus"') }}

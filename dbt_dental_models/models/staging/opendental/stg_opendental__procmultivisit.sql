{{ config(tags=['clinical']) }}

select
    cast("ProcMultiVisitNum" as bigint) as multi_visit_id,
    {{ foreign_key('"GroupProcMultiVisitNum"') }} as multi_visit_group_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    cast("ProcStatus" as integer) as procedure_status,
    procedure_status.label as procedure_status_label,
    {{ flag('"IsInProcess"') }} as is_in_process,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'procmultivisit') }}
{{ labels('procmultivisit', procedure_status='"ProcStatus"') }}

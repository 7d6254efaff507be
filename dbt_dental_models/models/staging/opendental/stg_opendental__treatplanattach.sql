{{ config(tags=['clinical']) }}

select
    cast("TreatPlanAttachNum" as bigint) as treatment_plan_attachment_id,
    {{ foreign_key('"TreatPlanNum"') }} as treatment_plan_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"Priority"') }} as priority_id,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'treatplanattach') }}

{{ config(tags=['insurance']) }}

select
    cast("PatPlanNum" as bigint) as patient_plan_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"InsSubNum"') }} as insurance_subscription_id,
    cast("Ordinal" as integer) as ordinal,
    cast("Relationship" as integer) as relationship,
    relationship.label as relationship_label,
    {{ flag('"IsPending"') }} as is_pending,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'patplan') }}
{{ labels('patplan', relationship='"Relationship"') }}

{{ config(tags=['clinical']) }}

select
    cast("AllergyNum" as bigint) as allergy_id,
    {{ foreign_key('"AllergyDefNum"') }} as allergy_definition_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    "Reaction" as reaction,
    {{ flag('"StatusIsActive"') }} as is_active,
    {{ clinic_date('"DateAdverseReaction"') }} as reaction_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'allergy') }}

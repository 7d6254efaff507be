{{ config(tags=['reference', 'clinical']) }}

select
    cast("AllergyDefNum" as bigint) as allergy_definition_id,
    "Description" as allergy_name,
    {{ foreign_key('"MedicationNum"') }} as medication_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'allergydef') }}

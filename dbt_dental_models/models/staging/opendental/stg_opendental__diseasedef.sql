{{ config(tags=['reference', 'clinical']) }}

select
    cast("DiseaseDefNum" as bigint) as disease_definition_id,
    "DiseaseName" as disease_name,
    "Icd10Code" as icd10_code,
    "SnomedCode" as snomed_code,
    cast("ItemOrder" as integer) as item_order,
    {{ flag('"IsHidden"') }} as is_hidden,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'diseasedef') }}

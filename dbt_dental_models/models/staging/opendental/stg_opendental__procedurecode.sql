{{ config(tags=['reference', 'smoke']) }}

select
    cast("CodeNum" as bigint) as procedure_code_id,
    "ProcCode" as procedure_code,
    "Descript" as description,
    "AbbrDesc" as short_description,
    {{ foreign_key('"ProcCat"') }} as category_id,
    {{ flag('"IsHygiene"') }} as is_hygiene,
    {{ flag('"IsProsth"') }} as is_prosthesis,
    {{ flag('"IsTaxed"') }} as is_taxed,
    cast("TreatArea" as integer) as treatment_area,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'procedurecode') }}

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
    treatment_area.label as treatment_area_label,
    "LaymanTerm" as layman_term,
    {{ flag('"NoBillIns"') }} as is_not_billed_to_insurance,
    {{ flag('"IsRadiology"') }} as is_radiology,
    {{ flag('"IsMultiVisit"') }} as is_multi_visit,
    cast("BaseUnits" as integer) as base_units,
    "ProcTime" as time_pattern,
    "SubstitutionCode" as substitution_code,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'procedurecode') }}
{{ labels('procedurecode', treatment_area='"TreatArea"') }}

{{ config(tags=['reference', 'scheduling']) }}

select
    cast("OperatoryNum" as bigint) as operatory_id,
    "OpName" as operatory_name,
    "Abbrev" as abbreviation,
    cast("ItemOrder" as integer) as item_order,
    {{ foreign_key('"ProvDentist"') }} as dentist_id,
    {{ foreign_key('"ProvHygienist"') }} as hygienist_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"OperatoryType"') }} as operatory_type_id,
    {{ flag('"IsHygiene"') }} as is_hygiene,
    {{ flag('"IsHidden"') }} as is_hidden,
    {{ flag('"IsWebSched"') }} as is_web_schedulable,
    {{ flag('"SetProspective"') }} as is_for_prospective_patients,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'operatory') }}

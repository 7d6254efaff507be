{{ config(tags=['reference', 'clinical']) }}

select
    cast("MedicationNum" as bigint) as medication_id,
    "MedName" as medication_name,
    {{ foreign_key('"GenericNum"') }} as generic_medication_id,
    {{ foreign_key('"RxCui"') }} as rx_norm_id,
    {{ flag('"IsHidden"') }} as is_hidden,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'medication') }}

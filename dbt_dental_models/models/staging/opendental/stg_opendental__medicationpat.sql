{{ config(tags=['clinical']) }}

select
    cast("MedicationPatNum" as bigint) as patient_medication_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"MedicationNum"') }} as medication_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ clinic_date('"DateStart"') }} as started_date,
    {{ clinic_date('"DateStop"') }} as stopped_date,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'medicationpat') }}

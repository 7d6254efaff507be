{{ config(tags=['smoke']) }}

select
    cast("AptNum" as bigint) as appointment_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ProvHyg"') }} as hygienist_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    cast("AptStatus" as integer) as appointment_status,
    {{ clinic_timestamp('"AptDateTime"') }} as appointment_at,
    "Pattern" as time_pattern,
    {{ foreign_key('"Confirmed"') }} as confirmation_id,
    {{ foreign_key('"Op"') }} as operatory_id,
    {{ flag('"IsNewPatient"') }} as is_new_patient,
    {{ flag('"IsHygiene"') }} as is_hygiene,
    cast("Priority" as integer) as priority,
    {{ clinic_timestamp('"DateTimeArrived"') }} as arrived_at,
    {{ clinic_timestamp('"DateTimeSeated"') }} as seated_at,
    {{ clinic_timestamp('"DateTimeDismissed"') }} as dismissed_at,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'appointment') }}

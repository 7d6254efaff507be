{{ config(tags=['clinical']) }}

select
    cast("LabCaseNum" as bigint) as lab_case_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"LaboratoryNum"') }} as laboratory_id,
    {{ foreign_key('"AptNum"') }} as appointment_id,
    {{ foreign_key('"PlannedAptNum"') }} as planned_appointment_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ clinic_timestamp('"DateTimeCreated"') }} as created_at,
    {{ clinic_timestamp('"DateTimeSent"') }} as sent_at,
    {{ clinic_timestamp('"DateTimeDue"') }} as due_at,
    {{ clinic_timestamp('"DateTimeRecd"') }} as received_at,
    {{ clinic_timestamp('"DateTimeChecked"') }} as checked_at,
    {{ money('"LabFee"') }} as lab_fee,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'labcase') }}

{{ config(tags=['scheduling']) }}

select
    cast("HistApptNum" as bigint) as appointment_version_id,
    {{ foreign_key('"AptNum"') }} as appointment_id,
    {{ clinic_timestamp('"HistDateTStamp"') }} as changed_at,
    cast("HistApptAction" as integer) as change_action,
    change_action.label as change_action_label,
    {{ foreign_key('"HistUserNum"') }} as user_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ProvHyg"') }} as hygienist_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    cast("AptStatus" as integer) as appointment_status,
    appointment_status.label as appointment_status_label,
    {{ clinic_timestamp('"AptDateTime"') }} as appointment_at,
    {{ foreign_key('"Confirmed"') }} as confirmation_id,
    {{ foreign_key('"Op"') }} as operatory_id,
    {{ flag('"IsNewPatient"') }} as is_new_patient,
    {{ flag('"IsHygiene"') }} as is_hygiene,
    {{ foreign_key('"AppointmentTypeNum"') }} as appointment_type_id,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'histappointment') }}
{{ labels('histappointment', change_action='"HistApptAction"', appointment_status='"AptStatus"') }}

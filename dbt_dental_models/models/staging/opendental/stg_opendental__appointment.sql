{{ config(tags=['smoke']) }}

select
    cast("AptNum" as bigint) as appointment_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ProvHyg"') }} as hygienist_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    cast("AptStatus" as integer) as appointment_status,
    appointment_status.label as appointment_status_label,
    {{ clinic_timestamp('"AptDateTime"') }} as appointment_at,
    "Pattern" as time_pattern,
    {{ foreign_key('"Confirmed"') }} as confirmation_id,
    {{ foreign_key('"Op"') }} as operatory_id,
    {{ flag('"IsNewPatient"') }} as is_new_patient,
    {{ flag('"IsHygiene"') }} as is_hygiene,
    cast("Priority" as integer) as priority,
    priority.label as priority_label,
    {{ clinic_timestamp('"DateTimeArrived"') }} as arrived_at,
    {{ clinic_timestamp('"DateTimeSeated"') }} as seated_at,
    {{ clinic_timestamp('"DateTimeDismissed"') }} as dismissed_at,
    {{ clinic_timestamp('"SecDateTEntry"') }} as entered_at,
    {{ foreign_key('"NextAptNum"') }} as planned_appointment_id,
    {{ foreign_key('"UnschedStatus"') }} as unscheduled_status_id,
    {{ foreign_key('"AppointmentTypeNum"') }} as appointment_type_id,
    {{ foreign_key('"Assistant"') }} as assistant_id,
    {{ foreign_key('"InsPlan1"') }} as primary_insurance_plan_id,
    {{ foreign_key('"InsPlan2"') }} as secondary_insurance_plan_id,
    {{ clinic_timestamp('"DateTimeAskedToArrive"') }} as asked_to_arrive_at,
    "DateTStamp" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'appointment') }}
{{ labels('appointment', appointment_status='"AptStatus"', priority='"Priority"') }}

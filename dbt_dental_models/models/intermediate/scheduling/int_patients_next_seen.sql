{{ config(tags=['scheduling', 'date_relative']) }}

select
    patient_id,
    min(appointment_date) as next_appointment_date
from {{ ref('int_appointments_classified') }}
where outcome = 'scheduled'
    and appointment_date > {{ as_of_date() }}
    and patient_id is not null
group by patient_id

{{ config(tags=['clinical', 'date_relative']) }}

with treatment as (
    select
        patient_id,
        count(*) as procedures,
        min(planned_date) as first_planned_date,
        max(planned_date) as last_planned_date,
        round(sum(fee), 2) as amount,
        round(coalesce(sum(fee) filter (where is_implant), 0), 2) as implant_amount
    from {{ ref('int_treatment_unscheduled') }}
    group by patient_id
    having sum(fee) > 0
),

patients as (
    select
        patient_id,
        guarantor_id as family_id,
        coalesce(clinic_id, 0) as clinic_id,
        coalesce(primary_provider_id, 0) as provider_id
    from {{ ref('stg_opendental__patient') }}
    where patient_status = 0
),

visits as (
    select patient_id, last_visit_date from {{ ref('int_first_visits_found') }}
),

appointments as (
    select * from {{ ref('int_patients_next_seen') }}
)

select
    {{ as_of_date() }} as as_of_date,
    treatment.patient_id,
    patients.family_id,
    patients.provider_id,
    patients.clinic_id,
    treatment.procedures,
    treatment.first_planned_date,
    treatment.last_planned_date,
    {{ cents('treatment.amount') }} as unscheduled_amount,
    {{ cents('treatment.implant_amount') }} as unscheduled_implant_amount,
    visits.last_visit_date,
    appointments.next_appointment_date
from treatment
inner join patients using (patient_id)
left join visits using (patient_id)
left join appointments using (patient_id)

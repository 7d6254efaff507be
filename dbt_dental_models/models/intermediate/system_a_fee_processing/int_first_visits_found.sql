{{ config(tags=['clinical']) }}

with visits as (
    select * from {{ ref('int_procedures_completed') }}
    where not is_broken_appointment
        and patient_id is not null
),

-- The first procedure names the provider and the clinic that won the patient.
first_visits as (
    select distinct on (patient_id)
        patient_id,
        procedure_date as first_visit_date,
        provider_id,
        clinic_id
    from visits
    order by patient_id, procedure_date, fee desc, procedure_id
),

totals as (
    select
        patient_id,
        min(procedure_date) filter (where fee > 0) as first_production_date,
        max(procedure_date) filter (where procedure_date <= {{ as_of_date() }}) as last_visit_date,
        count(distinct procedure_date) as visits
    from visits
    group by patient_id
)

select
    first_visits.patient_id,
    first_visits.first_visit_date,
    totals.first_production_date,
    totals.last_visit_date,
    totals.visits,
    first_visits.provider_id,
    first_visits.clinic_id
from first_visits
inner join totals using (patient_id)

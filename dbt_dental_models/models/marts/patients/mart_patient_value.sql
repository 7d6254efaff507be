{{ config(tags=['financial', 'date_relative']) }}

with first_visits as (
    select * from {{ ref('int_first_visits_found') }}
),

money as (
    select * from {{ ref('int_patient_money_summed') }}
),

patients as (
    select patient_id, guarantor_id as family_id, patient_status, coalesce(clinic_id, 0) as clinic_id
    from {{ ref('stg_opendental__patient') }}
)

-- Who was seen, or only charged or credited: all money of a patient is here, so that sums tie.
select
    patient_id,
    patients.family_id,
    coalesce(patients.clinic_id, 0) as clinic_id,
    patients.patient_status,
    first_visits.first_visit_date,
    cast(date_trunc('month', first_visits.first_visit_date) as date) as cohort_month,
    first_visits.last_visit_date,
    cast(coalesce(first_visits.visits, 0) as integer) as visits,
    {{ cents('coalesce(money.gross_production, 0)') }} as gross_production,
    {{ cents('coalesce(money.net_production, 0)') }} as net_production,
    {{ cents('coalesce(money.collections, 0)') }} as collections,
    {{ cents('coalesce(money.net_production_365_days, 0)') }} as net_production_365_days,
    {{ ratio('money.net_production', 'first_visits.visits') }} as net_production_per_visit
from money
full join first_visits using (patient_id)
left join patients using (patient_id)

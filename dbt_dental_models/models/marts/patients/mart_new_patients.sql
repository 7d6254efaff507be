{{ config(tags=['clinical', 'date_relative']) }}

with first_visits as (
    select * from {{ ref('int_first_visits_found') }}
    where first_visit_date <= {{ as_of_date() }}
),

patients as (
    select
        patient_id,
        patient_status,
        first_visit_date as recorded_first_visit_date,
        {{ as_of_date() }} - make_interval(months => {{ var('active_patient_months', 18) }}) as active_since
    from {{ ref('stg_opendental__patient') }}
),

referrals as (
    select patient_id, referral_id from {{ ref('int_patient_referrals_ranked') }}
),

money as (
    select * from {{ ref('int_patient_money_summed') }}
),

appointments as (
    select * from {{ ref('int_patients_next_seen') }}
)

select
    first_visits.patient_id,
    first_visits.first_visit_date,
    first_visits.first_production_date,
    patients.recorded_first_visit_date,
    patients.recorded_first_visit_date is not distinct from first_visits.first_visit_date as is_date_as_recorded,
    first_visits.provider_id,
    first_visits.clinic_id,
    coalesce(referrals.referral_id, 0) as referral_id,
    cast(first_visits.visits as integer) as visits,
    first_visits.last_visit_date,
    appointments.next_appointment_date,
    coalesce(patients.patient_status = 0 and first_visits.last_visit_date > patients.active_since, false) as is_active,
    {{ cents('coalesce(money.net_production_90_days, 0)') }} as net_production_90_days,
    {{ cents('coalesce(money.net_production_365_days, 0)') }} as net_production_365_days
from first_visits
left join patients using (patient_id)
left join referrals using (patient_id)
left join money using (patient_id)
left join appointments using (patient_id)

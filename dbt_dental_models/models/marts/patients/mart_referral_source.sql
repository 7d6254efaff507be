{{ config(tags=['clinical', 'date_relative']) }}

with new_patients as (
    select * from {{ ref('mart_new_patients') }}
),

money as (
    select patient_id, net_production, collections from {{ ref('mart_patient_value') }}
),

referrals as (
    select
        referral_id,
        nullif(trim(coalesce(nullif(business_name, ''), concat_ws(' ', first_name, last_name))), '') as referral_name,
        is_doctor
    from {{ ref('stg_opendental__referral') }}
),

totals as (
    select
        new_patients.referral_id,
        cast(date_trunc('month', new_patients.first_visit_date) as date) as first_visit_month,
        new_patients.clinic_id,
        count(*) as new_patients,
        count(*) filter (where new_patients.is_active) as active_patients,
        sum(new_patients.net_production_90_days) as net_production_90_days,
        sum(new_patients.net_production_365_days) as net_production_365_days,
        sum(money.net_production) as net_production,
        sum(money.collections) as collections
    from new_patients
    left join money using (patient_id)
    group by 1, 2, 3
)

select
    totals.referral_id,
    referrals.referral_name,
    coalesce(referrals.is_doctor, false) as is_doctor,
    totals.first_visit_month,
    totals.clinic_id,
    totals.new_patients,
    totals.active_patients,
    {{ cents('totals.net_production_90_days') }} as net_production_90_days,
    {{ cents('totals.net_production_365_days') }} as net_production_365_days,
    {{ cents('totals.net_production') }} as net_production,
    {{ cents('totals.collections') }} as collections,
    {{ ratio('totals.net_production', 'totals.new_patients') }} as net_production_per_patient
from totals
left join referrals using (referral_id)

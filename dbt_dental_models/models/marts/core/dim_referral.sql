{{ config(tags=['reference', 'clinical']) }}

with referrals as (
    select * from {{ ref('stg_opendental__referral') }}
),

specialties as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

-- Only referrals to the practice; referrals to others say nothing about where patients come from.
referred as (
    select
        referral_id,
        count(distinct patient_id) as patients_referred,
        min(referred_date) as first_referred_date,
        max(referred_date) as last_referred_date
    from {{ ref('stg_opendental__refattach') }}
    where referral_direction = 1
    group by referral_id
),

keys as (
    select referral_id from referrals
    union all
    select 0
)

select
    keys.referral_id,
    coalesce(
        nullif(trim(concat_ws(' ', nullif(referrals.first_name, ''), nullif(referrals.last_name, ''))), ''),
        nullif(referrals.business_name, ''),
        'none'
    ) as referral_name,
    case
        when referrals.referral_id is null then 'none'
        when referrals.patient_id is not null then 'patient'
        when referrals.is_doctor then 'doctor'
        when referrals.is_not_person then 'other'
        else 'person'
    end as referral_kind,
    coalesce(specialties.item_name, 'none') as specialty,
    coalesce(referrals.patient_id, 0) as patient_id,
    coalesce(referrals.is_preferred, false) as is_preferred,
    coalesce(referrals.is_hidden, false) as is_hidden,
    cast(coalesce(referred.patients_referred, 0) as integer) as patients_referred,
    referred.first_referred_date,
    referred.last_referred_date
from keys
left join referrals using (referral_id)
left join specialties on referrals.specialty_id = specialties.definition_id
left join referred on keys.referral_id = referred.referral_id

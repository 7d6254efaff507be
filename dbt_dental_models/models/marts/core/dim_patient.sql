{{ config(tags=['smoke', 'clinical', 'date_relative']) }}

with patients as (
    select * from {{ ref('stg_opendental__patient') }}
),

billing_types as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

visits as (
    select * from {{ ref('int_first_visits_found') }}
),

plans as (
    select
        patient_plans.patient_id,
        max(subscriptions.insurance_plan_id) filter (where patient_plans.ordinal = 1) as primary_plan_id,
        max(subscriptions.insurance_plan_id) filter (where patient_plans.ordinal = 2) as secondary_plan_id
    from {{ ref('stg_opendental__patplan') }} as patient_plans
    inner join {{ ref('stg_opendental__inssub') }} as subscriptions using (insurance_subscription_id)
    group by patient_plans.patient_id
),

-- The first that is listed is where the patient came from.
sources as (
    select distinct on (patient_id) patient_id, referral_id
    from {{ ref('stg_opendental__refattach') }}
    where referral_direction = 1
    order by patient_id, item_order, referral_attachment_id
),

keys as (
    select patient_id from patients
    union all
    select 0
)

select
    keys.patient_id,
    coalesce(patients.guarantor_id, 0) as family_id,
    coalesce(patients.guarantor_id = patients.patient_id, false) as is_guarantor,
    coalesce(nullif(trim(concat_ws(' ', patients.first_name, patients.last_name)), ''), 'none') as patient_name,
    nullif(patients.preferred_name, '') as preferred_name,
    patients.birth_date,
    cast(extract(year from age({{ as_of_date() }}, patients.birth_date)) as integer) as age_years,
    patients.gender_label as gender,
    patients.patient_status,
    patients.patient_status_label,
    patients.city,
    patients.state,
    patients.zip_code,
    patients.mobile_phone,
    patients.home_phone,
    patients.email,
    patients.preferred_contact_method_label as preferred_contact_method,
    patients.text_message_consent_label as text_message_consent,
    coalesce(patients.clinic_id, 0) as clinic_id,
    coalesce(patients.primary_provider_id, 0) as primary_provider_id,
    coalesce(patients.hygiene_provider_id, 0) as hygiene_provider_id,
    coalesce(patients.fee_schedule_id, 0) as fee_schedule_id,
    coalesce(billing_types.item_name, 'none') as billing_type,
    coalesce(plans.primary_plan_id, 0) as primary_insurance_plan_id,
    coalesce(plans.secondary_plan_id, 0) as secondary_insurance_plan_id,
    coalesce(sources.referral_id, 0) as referral_id,
    patients.first_visit_date as entered_first_visit_date,
    visits.first_visit_date,
    visits.last_visit_date,
    -- Seen for more than a missed appointment, lately.
    coalesce(
        patients.patient_status = 0
        and visits.last_visit_date > {{ as_of_date() }} - make_interval(months => {{ var('active_patient_months', 18) }}),
        false
    ) as is_active
from keys
left join patients using (patient_id)
left join billing_types on patients.billing_type_id = billing_types.definition_id
left join visits on keys.patient_id = visits.patient_id
left join plans on keys.patient_id = plans.patient_id
left join sources on keys.patient_id = sources.patient_id

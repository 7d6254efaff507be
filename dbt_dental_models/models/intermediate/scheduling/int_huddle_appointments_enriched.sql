{{ config(tags=['scheduling', 'date_relative']) }}

-- What the team should know about each patient of the days ahead.
with rules as (
    select confirmation_statuses_asked from {{ ref('int_scheduling_rules_resolved') }}
),

-- The first status of the list is the one that every new appointment starts with.
statuses as (
    select
        definitions.definition_id,
        row_number() over (order by definitions.item_order, definitions.definition_id) > 1
        and not {{ is_listed('definitions.definition_id', 'rules.confirmation_statuses_asked') }} as is_confirmed
    from {{ ref('stg_opendental__definition') }} as definitions
    cross join rules
    where definitions.category = 2
),

patients as (
    select patient_id, guarantor_id as family_id, birth_date from {{ ref('stg_opendental__patient') }}
),

balances as (
    select family_id, balance_over_90 from {{ ref('int_family_balances_bucketed') }}
),

recalls as (
    select family_id, count(*) as recalls_due from {{ ref('int_recalls_due') }}
    where is_overdue
    group by family_id
),

treatment as (
    select patient_id, sum(fee) as unscheduled_amount from {{ ref('int_treatment_unscheduled') }}
    group by patient_id
),

coverages as (
    select patient_id, is_verified from {{ ref('int_coverages_verified') }}
)

select
    appointments.appointment_id,
    appointments.patient_id,
    appointments.provider_id,
    appointments.clinic_id,
    appointments.appointment_date,
    appointments.is_new_patient,
    coalesce(statuses.is_confirmed, false) as is_confirmed,
    coalesce(balances.balance_over_90, 0) as family_balance_over_90,
    coalesce(recalls.recalls_due, 0) as family_recalls_due,
    coalesce(treatment.unscheduled_amount, 0) as unscheduled_amount,
    coalesce(not coverages.is_verified, false) as is_insurance_unverified,
    coalesce(
        to_char(patients.birth_date, 'MM-DD') = to_char(appointments.appointment_date, 'MM-DD'), false
    ) as is_birthday
from {{ ref('int_appointments_classified') }} as appointments
left join statuses on appointments.confirmation_id = statuses.definition_id
left join patients using (patient_id)
left join balances on patients.family_id = balances.family_id
left join recalls on patients.family_id = recalls.family_id
left join treatment on appointments.patient_id = treatment.patient_id
left join coverages on appointments.patient_id = coverages.patient_id
where appointments.outcome = 'scheduled'
    and appointments.appointment_date between {{ as_of_date() }} and {{ as_of_date() }} + 7

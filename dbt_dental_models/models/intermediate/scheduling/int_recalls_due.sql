{{ config(tags=['scheduling', 'date_relative']) }}

with rules as (
    select * from {{ ref('int_scheduling_rules_resolved') }}
),

patients as (
    select patient_id, guarantor_id as family_id, clinic_id, patient_status, hygiene_provider_id, primary_provider_id
    from {{ ref('stg_opendental__patient') }}
),

types as (
    select recall_type_id, recall_type_name from {{ ref('stg_opendental__recalltype') }}
),

balances as (
    select
        family_id,
        sum(amount) as balance_total,
        sum(insurance_estimate + write_off_estimate) as insurance_estimate
    from {{ ref('int_ledger_entries') }}
    where family_id is not null
    group by family_id
),

future_appointments as (
    select * from {{ ref('int_patients_next_seen') }}
),

recalls as (
    select
        recalls.*,
        types.recall_type_name,
        patients.family_id,
        coalesce(patients.clinic_id, 0) as clinic_id,
        coalesce(patients.hygiene_provider_id, patients.primary_provider_id, 0) as provider_id,
        future_appointments.next_appointment_date,
        {{ is_listed('recalls.recall_type_id', 'rules.recall_types_special') }} as is_special_type,
        patients.patient_status = 0
        and (rules.recall_types_shown = '' or {{ is_listed('recalls.recall_type_id', 'rules.recall_types_shown') }})
            as is_shown,
        recalls.is_disabled
        or coalesce(recalls.disabled_until_date > {{ as_of_date() }}, false)
        -- Hidden while the family owes more than this.
        or (
            recalls.disabled_until_balance > 0
            and coalesce(balances.balance_total, 0)
            - case when rules.is_balance_before_insurance then 0 else coalesce(balances.insurance_estimate, 0) end
            > recalls.disabled_until_balance
        ) as is_hidden,
        case
            when rules.is_recall_hidden_by_any_appointment then future_appointments.next_appointment_date is not null
            else recalls.scheduled_date is not null
        end as is_scheduled
    from {{ ref('stg_opendental__recall') }} as recalls
    cross join rules
    inner join patients using (patient_id)
    left join types using (recall_type_id)
    left join balances on patients.family_id = balances.family_id
    left join future_appointments using (patient_id)
)

-- A recall without a date is never due.
select
    *,
    is_shown and not is_hidden and due_date is not null and due_date <= {{ as_of_date() }} as is_due,
    is_shown and not is_hidden and due_date is not null and due_date < {{ as_of_date() }} and not is_scheduled
        as is_overdue
from recalls

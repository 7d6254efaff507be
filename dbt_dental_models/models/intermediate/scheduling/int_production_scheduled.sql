{{ config(tags=['scheduling']) }}

with rules as (
    select is_ppo_write_off_subtracted from {{ ref('int_scheduling_rules_resolved') }}
),

appointments as (
    select * from {{ ref('int_appointments_classified') }}
    where outcome = 'scheduled'
),

-- Summed per procedure first: with two insurances it would count twice.
write_offs as (
    select
        lines.procedure_id,
        sum(coalesce(lines.write_off_estimate_override, lines.write_off_estimate, 0)) as amount
    from {{ ref('stg_opendental__claimproc') }} as lines
    cross join rules
    where lines.claim_procedure_status = 8
        or (lines.claim_procedure_status = 6 and rules.is_ppo_write_off_subtracted)
    group by lines.procedure_id
)

select
    procedures.procedure_id,
    appointments.appointment_id,
    appointments.appointment_date,
    procedures.patient_id,
    coalesce(procedures.provider_id, 0) as provider_id,
    coalesce(procedures.clinic_id, 0) as clinic_id,
    procedures.unit_fee * (procedures.unit_quantity + procedures.base_units) - coalesce(write_offs.amount, 0)
        as amount
from {{ ref('stg_opendental__procedurelog') }} as procedures
inner join appointments using (appointment_id)
left join write_offs using (procedure_id)
where procedures.procedure_status = 1

-- Open Dental keeps its own aging on the guarantors. On the day that it was made for, ours must be the same,
-- but for families whose account was changed or opened since: hence a warning, and a count worth a look.
{{ config(severity='warn') }}

with ours as (
    select * from {{ ref('mart_ar_aging_family') }}
),

theirs as (
    select * from {{ ref('stg_opendental__patient') }}
),

rules as (
    select last_aged_on from {{ ref('int_accounting_rules_resolved') }}
)

select ours.family_id
from ours
inner join theirs on ours.family_id = theirs.patient_id
inner join rules on rules.last_aged_on = to_char(ours.as_of_date, 'YYYY-MM-DD')
where abs(ours.balance_total - theirs.open_dental_balance) >= 0.01
    or abs(ours.balance_0_30 - theirs.open_dental_balance_0_30) >= 0.01
    or abs(ours.balance_31_60 - theirs.open_dental_balance_31_60) >= 0.01
    or abs(ours.balance_61_90 - theirs.open_dental_balance_61_90) >= 0.01
    or abs(ours.balance_over_90 - theirs.open_dental_balance_over_90) >= 0.01
    or abs(ours.insurance_estimate - theirs.open_dental_insurance_estimate) >= 0.01
    or abs(ours.payment_plan_due - theirs.open_dental_pay_plan_due) >= 0.01

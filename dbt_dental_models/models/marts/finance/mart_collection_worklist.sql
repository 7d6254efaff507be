{{ config(tags=['financial', 'collections', 'date_relative']) }}

with balances as (
    select * from {{ ref('mart_ar_aging_family') }}
    where estimated_patient_portion > 0
),

dunned as (
    select * from {{ ref('int_families_last_dunned') }}
)

select
    balances.as_of_date,
    balances.family_id,
    balances.clinic_id,
    balances.provider_id,
    balances.balance_as_of,
    balances.balance_over_90,
    balances.insurance_estimate,
    balances.estimated_patient_portion,
    dunned.last_statement_date,
    cast(coalesce(dunned.statements_90_days, 0) as integer) as statements_90_days,
    dunned.last_payment_date,
    dunned.last_contact_date,
    -- Oldest money first, then the largest sum.
    cast(row_number() over (
        order by balances.balance_over_90 desc, balances.estimated_patient_portion desc, balances.family_id
    ) as integer) as call_order
from balances
left join dunned using (family_id)

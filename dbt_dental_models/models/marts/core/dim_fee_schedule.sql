{{ config(tags=['reference', 'financial', 'system_a']) }}

with schedules as (
    select * from {{ ref('stg_opendental__feesched') }}
),

amounts as (
    select
        fee_schedule_id,
        count(amount) as fees,
        count(*) filter (where amount is null) as blank_fees,
        count(distinct procedure_code_id) as procedure_codes
    from {{ ref('stg_opendental__fee') }}
    group by fee_schedule_id
),

providers as (
    select fee_schedule_id, count(*) as providers
    from {{ ref('stg_opendental__provider') }}
    group by fee_schedule_id
),

plans as (
    select fee_schedule_id, count(*) as plans
    from {{ ref('stg_opendental__insplan') }}
    group by fee_schedule_id
),

keys as (
    select fee_schedule_id from schedules
    union all
    select 0
)

select
    keys.fee_schedule_id,
    coalesce(schedules.fee_schedule_name, 'none') as fee_schedule_name,
    schedules.fee_schedule_type,
    schedules.fee_schedule_type_label,
    coalesce(schedules.is_global, false) as is_global,
    coalesce(schedules.is_hidden, false) as is_hidden,
    cast(coalesce(amounts.fees, 0) as integer) as fees,
    cast(coalesce(amounts.blank_fees, 0) as integer) as blank_fees,
    cast(coalesce(amounts.procedure_codes, 0) as integer) as procedure_codes,
    cast(coalesce(providers.providers, 0) as integer) as providers,
    cast(coalesce(plans.plans, 0) as integer) as insurance_plans
from keys
left join schedules using (fee_schedule_id)
left join amounts using (fee_schedule_id)
left join providers using (fee_schedule_id)
left join plans using (fee_schedule_id)

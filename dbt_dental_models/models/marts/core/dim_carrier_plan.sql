{{ config(tags=['reference', 'insurance', 'system_b']) }}

with plans as (
    select * from {{ ref('stg_opendental__insplan') }}
),

carriers as (
    select * from {{ ref('stg_opendental__carrier') }}
),

carrier_groups as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
),

employers as (
    select employer_id, employer_name from {{ ref('stg_opendental__employer') }}
),

covered as (
    select
        subscriptions.insurance_plan_id,
        count(distinct subscriptions.insurance_subscription_id) as subscribers,
        count(distinct patient_plans.patient_id) as patients
    from {{ ref('stg_opendental__inssub') }} as subscriptions
    left join {{ ref('stg_opendental__patplan') }} as patient_plans using (insurance_subscription_id)
    group by subscriptions.insurance_plan_id
),

keys as (
    select insurance_plan_id from plans
    union all
    select 0
)

select
    keys.insurance_plan_id,
    coalesce(plans.carrier_id, 0) as carrier_id,
    coalesce(carriers.carrier_name, 'none') as carrier_name,
    coalesce(carrier_groups.item_name, 'none') as carrier_group,
    carriers.electronic_id,
    plans.group_name,
    plans.group_number,
    plans.plan_type,
    plans.plan_type_label,
    coalesce(employers.employer_name, 'none') as employer_name,
    coalesce(plans.fee_schedule_id, 0) as fee_schedule_id,
    coalesce(plans.allowed_fee_schedule_id, 0) as allowed_fee_schedule_id,
    coalesce(plans.copay_fee_schedule_id, 0) as copay_fee_schedule_id,
    coalesce(plans.is_medical, false) as is_medical,
    coalesce(plans.is_hidden, false) as is_hidden,
    cast(coalesce(covered.subscribers, 0) as integer) as subscribers,
    cast(coalesce(covered.patients, 0) as integer) as patients
from keys
left join plans using (insurance_plan_id)
left join carriers on plans.carrier_id = carriers.carrier_id
left join carrier_groups on carriers.carrier_group_id = carrier_groups.definition_id
left join employers on plans.employer_id = employers.employer_id
left join covered on keys.insurance_plan_id = covered.insurance_plan_id

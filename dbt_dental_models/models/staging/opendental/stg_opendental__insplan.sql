{{ config(tags=['reference']) }}

select
    cast("PlanNum" as bigint) as insurance_plan_id,
    {{ foreign_key('"CarrierNum"') }} as carrier_id,
    "GroupName" as group_name,
    "GroupNum" as group_number,
    lower("PlanType") as plan_type,
    {{ foreign_key('"FeeSched"') }} as fee_schedule_id,
    {{ flag('"IsMedical"') }} as is_medical,
    {{ flag('"IsHidden"') }} as is_hidden,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'insplan') }}

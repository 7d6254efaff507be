{{ config(tags=['reference']) }}

select
    cast("PlanNum" as bigint) as insurance_plan_id,
    {{ foreign_key('"CarrierNum"') }} as carrier_id,
    "GroupName" as group_name,
    "GroupNum" as group_number,
    -- Open Dental leaves the commonest type empty.
    coalesce(nullif(lower("PlanType"), ''), 'none') as plan_type,
    plan_type.label as plan_type_label,
    {{ foreign_key('"FeeSched"') }} as fee_schedule_id,
    {{ flag('"IsMedical"') }} as is_medical,
    {{ flag('"IsHidden"') }} as is_hidden,
    {{ foreign_key('"EmployerNum"') }} as employer_id,
    {{ foreign_key('"CopayFeeSched"') }} as copay_fee_schedule_id,
    {{ foreign_key('"AllowedFeeSched"') }} as allowed_fee_schedule_id,
    {{ foreign_key('"ManualFeeSchedNum"') }} as manual_fee_schedule_id,
    cast("MonthRenew" as integer) as renewal_month,
    cast("CobRule" as integer) as coordination_rule,
    coordination_rule.label as coordination_rule_label,
    {{ flag('"HideFromVerifyList"') }} as is_hidden_from_verification,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'insplan') }}
{{ labels('insplan', plan_type="coalesce(nullif(lower(\"PlanType\"), ''), 'none')", coordination_rule='"CobRule"') }}

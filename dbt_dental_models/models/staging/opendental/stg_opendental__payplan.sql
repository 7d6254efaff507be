{{ config(tags=['financial']) }}

select
    cast("PayPlanNum" as bigint) as payment_plan_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"Guarantor"') }} as guarantor_id,
    {{ foreign_key('"PlanNum"') }} as insurance_plan_id,
    {{ clinic_date('"PayPlanDate"') }} as plan_date,
    {{ money('"CompletedAmt"') }} as completed_amount,
    {{ money('"APR"') }} as annual_rate,
    {{ flag('"IsClosed"') }} as is_closed,
    {{ flag('"IsDynamic"') }} as is_dynamic,
    cast("DynamicPayPlanTPOption" as integer) as planned_treatment_option,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payplan') }}

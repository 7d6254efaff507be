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
    planned_treatment_option.label as planned_treatment_option_label,
    {{ foreign_key('"InsSubNum"') }} as insurance_subscription_id,
    {{ foreign_key('"PlanCategory"') }} as plan_category_id,
    cast("NumberOfPayments" as integer) as number_of_payments,
    {{ money('"PayAmt"') }} as payment_amount,
    {{ money('"DownPayment"') }} as down_payment,
    {{ clinic_date('"DatePayPlanStart"') }} as start_date,
    cast("ChargeFrequency" as integer) as charge_frequency,
    charge_frequency.label as charge_frequency_label,
    {{ flag('"IsLocked"') }} as is_locked,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'payplan') }}
{{ labels(
    'payplan',
    planned_treatment_option='"DynamicPayPlanTPOption"',
    charge_frequency='"ChargeFrequency"'
) }}

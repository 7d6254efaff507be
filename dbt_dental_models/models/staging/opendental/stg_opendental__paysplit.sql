{{ config(tags=['financial']) }}

select
    cast("SplitNum" as bigint) as payment_split_id,
    {{ foreign_key('"PayNum"') }} as payment_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"AdjNum"') }} as adjustment_id,
    {{ foreign_key('"PayPlanNum"') }} as payment_plan_id,
    {{ clinic_date('"DatePay"') }} as payment_date,
    {{ money('"SplitAmt"') }} as amount,
    {{ flag('"IsDiscount"') }} as is_discount,
    {{ foreign_key('"UnearnedType"') }} as unearned_type_id,
    {{ foreign_key('"FSplitNum"') }} as allocated_from_split_id,
    {{ foreign_key('"PayPlanChargeNum"') }} as payment_plan_charge_id,
    {{ clinic_date('"ProcDate"') }} as procedure_date,
    {{ clinic_date('"DateEntry"') }} as entered_date,
    {{ foreign_key('"SecUserNumEntry"') }} as entered_by_user_id,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'paysplit') }}

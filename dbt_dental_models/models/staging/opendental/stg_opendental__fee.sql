{{ config(tags=['financial']) }}

select
    cast("FeeNum" as bigint) as fee_id,
    {{ foreign_key('"FeeSched"') }} as fee_schedule_id,
    {{ foreign_key('"CodeNum"') }} as procedure_code_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ money_or_null('"Amount"') }} as amount,
    {{ clinic_date('"DateEffective"') }} as effective_date,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'fee') }}

{{ config(tags=['financial']) }}

select
    cast("AdjNum" as bigint) as adjustment_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProvNum"') }} as provider_id,
    {{ foreign_key('"ClinicNum"') }} as clinic_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"AdjType"') }} as adjustment_type_id,
    {{ clinic_date('"AdjDate"') }} as adjustment_date,
    {{ clinic_date('"ProcDate"') }} as procedure_date,
    {{ money('"AdjAmt"') }} as amount,
    {{ clinic_date('"DateEntry"') }} as entered_date,
    {{ foreign_key('"StatementNum"') }} as statement_id,
    {{ foreign_key('"SecUserNumEntry"') }} as entered_by_user_id,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'adjustment') }}

{{ config(tags=['financial']) }}

-- Only complete procedures are charges.
select
    'procedure' as entry_type,
    procedure_id as source_id,
    patient_id,
    provider_id,
    clinic_id,
    {{ ledger_date('procedure_date') }} as entry_date,
    unit_fee * (unit_quantity + base_units) as amount
from {{ ref('stg_opendental__procedurelog') }}
where procedure_status = 2
    and unit_fee <> 0

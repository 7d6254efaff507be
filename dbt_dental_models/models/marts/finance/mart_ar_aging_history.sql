{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='as_of_date',
        on_schema_change='append_new_columns',
        full_refresh=false,
        tags=['financial', 'date_relative']
    )
}}

-- A night replaces its own day and no other: what was seen on earlier evenings cannot be made again,
-- because raw only holds today's rows. Hence never rebuilt, not even by a full refresh.
select
    as_of_date,
    family_id,
    clinic_id,
    provider_id,
    balance_total,
    balance_as_of,
    balance_0_30,
    balance_31_60,
    balance_61_90,
    balance_over_90,
    unused_credit,
    insurance_estimate,
    estimated_patient_portion,
    payment_plan_due
from {{ ref('mart_ar_aging_family') }}

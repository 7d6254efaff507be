{{ config(materialized='table', tags=['financial', 'date_relative'], post_hook="analyze {{ this }}") }}

{%- set plain = "0 as insurance_estimate, 0 as write_off_estimate" %}
{%- set unlinked = "cast(null as bigint) as linked_procedure_id, cast(null as date) as linked_date" %}
{%- set columns = "entry_type, source_id, patient_id, provider_id, clinic_id, entry_date, amount" %}

with entries as (
    select {{ columns }}, {{ plain }}, {{ unlinked }} from {{ ref('int_procedures_charged') }}
    union all
    select {{ columns }}, insurance_estimate, write_off_estimate, {{ unlinked }} from {{ ref('int_insurance_posted') }}
    union all
    select {{ columns }}, {{ plain }}, linked_procedure_id, linked_date from {{ ref('int_adjustments_posted') }}
    union all
    select {{ columns }}, {{ plain }}, {{ unlinked }} from {{ ref('int_payments_posted') }}
    union all
    select {{ columns }}, {{ plain }}, {{ unlinked }} from {{ ref('int_plan_amounts_posted') }}
    union all
    select {{ columns }}, {{ plain }}, linked_procedure_id, linked_date from {{ ref('int_plan_charges_posted') }}
    union all
    select {{ columns }}, {{ plain }}, linked_procedure_id, linked_date from {{ ref('int_plan_links_posted') }}
    union all
    select {{ columns }}, {{ plain }}, linked_procedure_id, linked_date from {{ ref('int_plan_discounts_posted') }}
),

patients as (
    select patient_id, guarantor_id from {{ ref('stg_opendental__patient') }}
)

select
    entries.entry_type || ':' || entries.source_id as entry_key,
    entries.*,
    -- The column as it stands: a guarantor may have another guarantor, who is not asked.
    patients.guarantor_id as family_id
from entries
left join patients using (patient_id)

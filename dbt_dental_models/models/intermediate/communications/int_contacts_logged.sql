{{ config(tags=['communications', 'date_relative']) }}

with types as (
    select definition_id, item_name from {{ ref('stg_opendental__definition') }}
    where category = 27
),

patients as (
    select patient_id, guarantor_id as family_id, coalesce(clinic_id, 0) as clinic_id
    from {{ ref('stg_opendental__patient') }}
)

-- Logs dated in the future are typing errors, counted by the data quality mart.
select
    contacts.communication_id,
    contacts.patient_id,
    patients.family_id,
    coalesce(patients.clinic_id, 0) as clinic_id,
    cast(contacts.communicated_at as date) as contact_date,
    coalesce(contacts.communication_type_id, 0) as contact_type_id,
    coalesce(types.item_name, 'none') as contact_type,
    contacts.communication_mode as contact_mode,
    coalesce(contacts.communication_mode_label, 'unknown') as contact_mode_label,
    contacts.direction = 2 as is_incoming
from {{ ref('stg_opendental__commlog') }} as contacts
left join types on contacts.communication_type_id = types.definition_id
left join patients using (patient_id)
where cast(contacts.communicated_at as date) <= {{ as_of_date() }}

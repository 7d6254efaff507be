{{ config(tags=['communications', 'date_relative']) }}

select
    contact_date,
    clinic_id,
    contact_type_id,
    contact_type,
    contact_mode,
    contact_mode_label,
    count(*) as contacts,
    count(*) filter (where is_incoming) as incoming_contacts,
    count(distinct patient_id) as patients
from {{ ref('int_contacts_logged') }}
group by 1, 2, 3, 4, 5, 6

{{ config(tags=['scheduling', 'date_relative', 'system_c']) }}

select
    visit_date,
    provider_id,
    clinic_id,
    count(*) as patients_seen,
    count(*) filter (where is_rebooked) as patients_rebooked,
    {{ ratio('count(*) filter (where is_rebooked)', 'count(*)') }} as reappointment_rate
from {{ ref('int_hygiene_visits_rebooked') }}
group by visit_date, provider_id, clinic_id

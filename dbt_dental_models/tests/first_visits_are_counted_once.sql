-- New patients by referral source are new patients.
with patients as (
    select count(*) as new_patients from {{ ref('mart_new_patients') }}
),

sources as (
    select coalesce(sum(new_patients), 0) as new_patients from {{ ref('mart_referral_source') }}
)

select *
from patients
cross join sources
where patients.new_patients <> sources.new_patients

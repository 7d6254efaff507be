{{ config(tags=['financial']) }}

-- The last change of anything that a family's balance is made of. Stamps are the server's, in UTC.
with patients as (
    select patient_id, guarantor_id as family_id from {{ ref('stg_opendental__patient') }}
),

edits as (
    select patient_id, updated_at from {{ ref('stg_opendental__procedurelog') }}
    union all
    select patient_id, updated_at from {{ ref('stg_opendental__claimproc') }}
    union all
    select patient_id, updated_at from {{ ref('stg_opendental__adjustment') }}
    union all
    select patient_id, updated_at from {{ ref('stg_opendental__paysplit') }}
    union all
    select guarantor_id, updated_at from {{ ref('stg_opendental__payplancharge') }}
)

select
    patients.family_id,
    max(cast(edits.updated_at as date)) as last_edited_on
from edits
inner join patients using (patient_id)
where patients.family_id is not null
group by patients.family_id

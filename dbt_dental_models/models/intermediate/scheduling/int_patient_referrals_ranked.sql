{{ config(tags=['scheduling']) }}

-- Who sent the patient: of several, the first in the list.
select distinct on (attachments.patient_id)
    attachments.patient_id,
    attachments.referral_id,
    attachments.referred_date
from {{ ref('stg_opendental__refattach') }} as attachments
where attachments.referral_direction = 1
    and attachments.patient_id is not null
    and attachments.referral_id is not null
order by attachments.patient_id, attachments.item_order, attachments.referral_attachment_id

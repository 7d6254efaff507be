{{ config(tags=['collections', 'date_relative']) }}

-- What has been tried with a family, and when it last paid.
with patients as (
    select patient_id, guarantor_id as family_id from {{ ref('stg_opendental__patient') }}
    where guarantor_id is not null
),

statements as (
    select
        patients.family_id,
        max(statements.sent_date) as last_statement_date,
        count(*) filter (where statements.sent_date > {{ as_of_date() }} - 90) as statements_90_days
    from {{ ref('stg_opendental__statement') }} as statements
    inner join patients using (patient_id)
    where statements.is_sent
        and not statements.is_receipt
        and statements.sent_date <= {{ as_of_date() }}
    group by patients.family_id
),

payments as (
    select
        patients.family_id,
        max(splits.payment_date) as last_payment_date
    from {{ ref('stg_opendental__paysplit') }} as splits
    inner join patients using (patient_id)
    where splits.amount > 0
        and splits.payment_date <= {{ as_of_date() }}
    group by patients.family_id
),

contacts as (
    select family_id, max(contact_date) as last_contact_date
    from {{ ref('int_contacts_logged') }}
    where family_id is not null
    group by family_id
),

families as (
    select distinct family_id from patients
)

select
    families.family_id,
    statements.last_statement_date,
    coalesce(statements.statements_90_days, 0) as statements_90_days,
    payments.last_payment_date,
    contacts.last_contact_date
from families
left join statements using (family_id)
left join payments using (family_id)
left join contacts using (family_id)
